import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';

import type { Clock, Timer } from '../../src/time/clock.ts';

/** How a command's process group ended. */
export interface GroupEnd {
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  stdout: Buffer;
  /** Its last bytes. */
  stderr: Buffer;
  /** Why we ended it, if we did. */
  ended: 'asked' | 'too_much_output' | undefined;
}

/** What a command's process group is started with. */
export interface GroupStart {
  argv: string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
  stdin: string;
  clock: Clock;
  graceMs: number;
  stdoutBytes: number;
  stderrBytes: number;
  /** Ends the group. */
  end: AbortSignal;
}

/**
 * How long a leader that has exited is waited on for what its children still have to say, and for
 * their end.
 */
const AFTERMATH_MS = 250;

/**
 * Starts a command as the leader of a process group of its own, without a shell.
 *
 * `ended` resolves once the leader has exited and whatever it left in its group was ended by
 * SIGKILL. Ending the group means SIGTERM to all of it and, after the grace, SIGKILL.
 *
 * @throws the system's error when the command cannot be started; nothing has run then.
 */
export function startGroup(start: GroupStart): {
  started: Promise<void>;
  ended: Promise<GroupEnd>;
} {
  const [program = '', ...args] = start.argv;
  const child = spawn(program, args, {
    cwd: start.cwd,
    env: start.env,
    detached: true,
    stdio: 'pipe',
  });
  const started = new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.on('error', reject);
  });
  return { started, ended: started.then(() => watch(child, start)) };
}

async function watch(child: ChildProcess, start: GroupStart): Promise<GroupEnd> {
  const { clock, end } = start;
  let ended: GroupEnd['ended'];
  let forced: Timer | undefined;
  let exited = false;
  const endGroup = (why: 'asked' | 'too_much_output'): void => {
    if (ended !== undefined || exited) return;
    ended = why;
    killGroup(child, 'SIGTERM');
    forced = clock.after(start.graceMs, () => killGroup(child, 'SIGKILL'));
  };
  const onEnd = (): void => endGroup('asked');
  end.addEventListener('abort', onEnd, { once: true });

  const stdout = keepFirst(child.stdout, start.stdoutBytes, () => endGroup('too_much_output'));
  const stderr = keepLast(child.stderr, start.stderrBytes);
  // A command need not read its input, and one that exits first breaks the pipe.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(start.stdin);

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
  // Whatever the command left behind belongs to an attempt that is over, and must not go on acting
  // for it.
  if (ended === undefined) await within(clock, AFTERMATH_MS, closed);
  if (killGroup(child, 'SIGKILL')) await emptied(child, clock);
  await within(clock, AFTERMATH_MS, closed);
  // Only what left the group (a daemon) can still hold the pipes; it is not waited for.
  child.stdout?.destroy();
  child.stderr?.destroy();
  return { exitCode, signal, stdout: stdout(), stderr: stderr(), ended };
}

/** Signals the group; false when there is nobody in it that we can reach. */
function killGroup(child: ChildProcess, signal: NodeJS.Signals | 0): boolean {
  if (child.pid === undefined) return false;
  try {
    return process.kill(-child.pid, signal);
  } catch {
    // ESRCH: nothing is left of the group. EPERM: what is left runs as another user, out of our
    // reach.
    return false;
  }
}

/**
 * SIGKILL is certain and not instant; bounded all the same, since the dead stay in a group until
 * they are reaped.
 */
async function emptied(child: ChildProcess, clock: Clock): Promise<void> {
  for (let waitedMs = 0; waitedMs < AFTERMATH_MS && killGroup(child, 0); waitedMs += 5)
    await clock.sleep(5);
}

function keepFirst(stream: Readable | null, limitBytes: number, onMore: () => void): () => Buffer {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream?.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > limitBytes) onMore();
    else chunks.push(chunk);
  });
  return () => Buffer.concat(chunks);
}

function keepLast(stream: Readable | null, limitBytes: number): () => Buffer {
  let kept = Buffer.alloc(0);
  stream?.on('data', (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]);
    if (kept.length > limitBytes) kept = kept.subarray(kept.length - limitBytes);
  });
  return () => kept;
}

async function within(clock: Clock, ms: number, done: Promise<void>): Promise<void> {
  const stop = new AbortController();
  await Promise.race([done, clock.sleep(ms, stop.signal)]);
  stop.abort();
}
