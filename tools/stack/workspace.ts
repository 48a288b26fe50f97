import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { ServerStartError } from './server-process.ts';
import { isReachable, unprivilegedUser } from './unprivileged-user.ts';
import { Watchdog } from './watchdog.ts';

/** A stack's temporary directory, and the watchdog that removes it if this process cannot. */
export interface Workspace {
  readonly dir: string;
  readonly watchdog: Watchdog;
  /** Aborted once the servers are to stop for good; no server starts after that. */
  readonly stopping: AbortController;
}

export async function openWorkspace(): Promise<Workspace> {
  const dir = await mkdtemp(join(await reachableTmpDir(), 'leasehold-stack-'));
  // Postgres' account must pass through this directory to its data, which only it can read.
  await chmod(dir, 0o711);
  return { dir, watchdog: new Watchdog(dir), stopping: new AbortController() };
}

/** Prevents all further starts in the workspace, even in a restart that is under way. */
export function refuseStarts(workspace: Workspace): void {
  workspace.stopping.abort(new Error('the server is not started: its stack is being stopped'));
}

/** Removes the data. Every server must be stopped already. */
export async function closeWorkspace(workspace: Workspace): Promise<void> {
  refuseStarts(workspace);
  await rm(workspace.dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  await workspace.watchdog.close();
}

async function reachableTmpDir(): Promise<string> {
  const user = await unprivilegedUser();
  if (user === undefined) return tmpdir();
  for (const dir of [tmpdir(), '/tmp', '/var/tmp']) if (await isReachable(dir, user)) return dir;
  return tmpdir();
}

/** Starts a server on a free port, and retries on another if a process takes the port first. */
export async function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (!(error instanceof ServerStartError) || !error.portIsTaken || tries === 5) throw error;
    }
  }
}
