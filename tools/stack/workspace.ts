import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { lockKeptDir, makeKeptDir, unlockKeptDir } from './kept-dir.ts';
import { ServerStartError } from './server-process.ts';
import { isReachable } from '../../src/reachable.ts';
import { unprivilegedUser } from './unprivileged-user.ts';
import { Watchdog } from './watchdog.ts';

/** A stack's directory, and the watchdog that stops the stack if this process cannot. */
export interface Workspace {
  readonly dir: string;
  /** Whether the directory outlives the stack, to be used by the next one. */
  readonly isKept: boolean;
  readonly watchdog: Watchdog;
  /** Aborted once the servers are to stop for good; no server starts after that. */
  readonly stopping: AbortController;
}

/**
 * @param keptDir a directory that outlives the stack. Default: a temporary one
 * @throws KeptDirError if that directory cannot be used
 */
export async function openWorkspace(keptDir?: string): Promise<Workspace> {
  const stopping = new AbortController();
  if (keptDir !== undefined) {
    const dir = await makeKeptDir(keptDir);
    const watchdog = new Watchdog(undefined);
    try {
      await lockKeptDir(dir, watchdog.pid ?? process.pid);
    } catch (error) {
      await watchdog.close();
      throw error;
    }
    return { dir, isKept: true, watchdog, stopping };
  }
  const dir = await mkdtemp(join(await reachableTmpDir(), 'leasehold-stack-'));
  // Postgres' account must pass through this directory to its data, which only it can read.
  await chmod(dir, 0o711);
  return { dir, isKept: false, watchdog: new Watchdog(dir), stopping };
}

/** Prevents all further starts in the workspace, even in a restart that is under way. */
export function refuseStarts(workspace: Workspace): void {
  workspace.stopping.abort(new Error('the server is not started: its stack is being stopped'));
}

/** Removes the data unless it is kept. Every server must be stopped already. */
export async function closeWorkspace(workspace: Workspace): Promise<void> {
  const { dir, isKept, watchdog } = workspace;
  refuseStarts(workspace);
  if (isKept) await unlockKeptDir(dir);
  else await rm(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  await watchdog.close();
}

/**
 * Where a server puts its data. A new stack uses another place for each port that it tries; a kept
 * directory has one place for all ports.
 */
export function dataDirIn(serverDir: string, { isKept }: Workspace, port: number): string {
  return join(serverDir, isKept ? 'data' : `data-${port}`);
}

async function reachableTmpDir(): Promise<string> {
  const user = await unprivilegedUser();
  if (user === undefined) return tmpdir();
  for (const dir of [tmpdir(), '/tmp', '/var/tmp']) if (isReachable(dir, user, 'list')) return dir;
  return tmpdir();
}

/**
 * Starts a server on a free port, and retries on another if a process takes the port first.
 *
 * @param fixedPort the only port to try, instead
 */
export async function onFreePort<T>(
  start: (port: number) => Promise<T>,
  fixedPort?: number,
): Promise<T> {
  if (fixedPort !== undefined) return start(fixedPort);
  for (let tries = 1; ; tries += 1) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (!(error instanceof ServerStartError) || !error.portIsTaken || tries === 5) throw error;
    }
  }
}
