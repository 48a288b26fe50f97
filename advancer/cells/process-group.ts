import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';

import type { MachineUser } from '../../src/reachable.ts';
import type { Clock, Timer } from '../../src/time/clock.ts';

/** How a command's process group ended. */
export interface ProcessGroupExit {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  stdout: KeptOutput;
  stderr: KeptOutput;
  /** Whether the replica ended it. What it writes is never a reason. */
  stopped: boolean;
}

/** What is kept of what a command wrote to one of its pipes. */
export interface KeptOutput {
  /** How much it wrote. */
  bytes: number;
  first: Buffer;
  last: Buffer;
  /** Whether this is all of it: the pipe was read to its end. */
  ended: boolean;
}

/** How to start a command's process group. */
export interface ProcessGroupOptions {
  argv: string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
  /** Whom it runs as, without supplementary groups; undefined: as this process. */
  user: MachineUser | undefined;
  stdin: string;
  clock: Clock;
  graceMs: number;
  /** How much of the beginning of stdout is kept. */
  stdoutBytes: number;
  /** How much of the end of stdout and stderr is kept. */
  diagnosticBytes: number;
  /** Ends the group when it fires. */
  end: AbortSignal;
}

/** How long to wait, once the leader has exited, for its children's output and for their end. */
const AFTERMATH_MS = 250;

/**
 * Starts a command as the leader of its own process group, without a shell.
 *
 * `ended` resolves once the leader has exited and what it left in its group has been killed by
 * SIGKILL. Ending the group means SIGTERM to all of it and, after the grace period, SIGKILL.
 *
 * @throws the system's error, or rejects `started` with it, when the command cannot be started;
 *   nothing has run then
 */
export function startProcessGroup(options: ProcessGroupOptions): {
  started: Promise<void>;
  ended: Promise<ProcessGroupExit>;
} {
  const [program = '', ...args] = options.argv;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env,
    uid: options.user?.uid,
    gid: options.user?.gid,
    detached: true,
    stdio: 'pipe',
  });
  const started = new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.on('error', reject);
  });
  return { started, ended: started.then(() => watch(child, options)) };
}

async function watch(child: ChildProcess, options: ProcessGroupOptions): Promise<ProcessGroupExit> {
  const { clock, end } = options;
  let stopped = false;
  let forced: Timer | undefined;
  let exited = false;
  const onEnd = (): void => {
    if (stopped || exited) return;
    stopped = true;
    killGroup(child, 'SIGTERM');
    forced = clock.after(options.graceMs, () => killGroup(child, 'SIGKILL'));
  };
  end.addEventListener('abort', onEnd, { once: true });

  const stdout = keep(child.stdout, options.stdoutBytes, options.diagnosticBytes);
  const stderr = keep(child.stderr, 0, options.diagnosticBytes);
  // A command need not read its input; one that exits first breaks the pipe.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.stdin);

  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const exit = new Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }>(
    (resolve) => {
      child.once('exit', (exitCode, signal) => {
        exited = true;
        resolve({ exitCode, signal });
      });
    },
  );
  if (end.aborted) onEnd();
  const { exitCode, signal } = await exit;
  forced?.cancel();
  end.removeEventListener('abort', onEnd);
  // What the command left running belongs to an attempt that is over, and must not keep acting for
  // it.
  if (!stopped) await within(clock, AFTERMATH_MS, closed);
  if (killGroup(child, 'SIGKILL')) await emptied(child, clock);
  await within(clock, AFTERMATH_MS, closed);
  // Only a process that left the group (a daemon) can still hold the pipes; do not wait for it.
  child.stdout?.destroy();
  child.stderr?.destroy();
  return { exitCode, signal, stdout: stdout(), stderr: stderr(), stopped };
}

/** Signals the group; false when it has no process that we can signal. */
function killGroup(child: ChildProcess, signal: NodeJS.Signals | 0): boolean {
  if (child.pid === undefined) return false;
  try {
    return process.kill(-child.pid, signal);
  } catch {
    // ESRCH: the group is empty. EPERM: what is left runs as another user.
    return false;
  }
}

/**
 * Waits until the group is empty: SIGKILL is certain but not instant. Bounded, because dead
 * processes stay in a group until they are reaped.
 */
async function emptied(child: ChildProcess, clock: Clock): Promise<void> {
  for (let waitedMs = 0; waitedMs < AFTERMATH_MS && killGroup(child, 0); waitedMs += 5)
    await clock.sleep(5);
}

/** Reads a pipe to its end, and keeps at most so much of its beginning and of its end. */
function keep(stream: Readable | null, firstBytes: number, lastBytes: number): () => KeptOutput {
  const first: Buffer[] = [];
  let last = Buffer.alloc(0);
  let bytes = 0;
  let ended = false;
  stream?.once('end', () => (ended = true));
  stream?.on('data', (chunk: Buffer) => {
    if (bytes < firstBytes) first.push(chunk.subarray(0, firstBytes - bytes));
    bytes += chunk.length;
    last = Buffer.concat([last, chunk.subarray(-lastBytes)]);
    if (last.length > lastBytes) last = last.subarray(last.length - lastBytes);
  });
  return () => ({ bytes, first: Buffer.concat(first), last, ended });
}

async function within(clock: Clock, ms: number, done: Promise<void>): Promise<void> {
  const stop = new AbortController();
  await Promise.race([done, clock.sleep(ms, stop.signal)]);
  stop.abort();
}
