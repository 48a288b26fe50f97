import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/**
 * Ends the servers and removes their data when this process dies without stopping them, be it
 * by SIGKILL. The watchdog is a small Node process at the other end of a pipe: the kernel closes
 * the pipe with us, whatever we died of, and that end of file is its signal. It is told of
 * each server's start and end, so it never signals a pid that has passed to somebody else.
 */
const PROGRAM = `
const { rmSync } = require('node:fs');
const { spawnSync } = require('node:child_process');
const pids = new Set();
let dir, command, done = false, rest = '';
const signalAll = (signal) => { for (const pid of pids) try { process.kill(pid, signal) } catch { pids.delete(pid) } };
const ignore = () => {};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, ignore);
process.stdin.on('data', (chunk) => {
  const lines = (rest + chunk).split('\\n');
  rest = lines.pop();
  for (const line of lines) {
    const order = JSON.parse(line);
    if (order.watch) pids.add(order.watch);
    if (order.forget) pids.delete(order.forget);
    if (order.dir) dir = order.dir;
    if (order.command) command = order.command;
    if (order.done) done = true;
  }
});
process.stdin.on('error', ignore);
process.stdin.on('close', () => {
  if (done) process.exit(0);
  signalAll('SIGCONT');
  signalAll('SIGINT');
  if (command) spawnSync(command[0], command.slice(1), { stdio: 'ignore' });
  const deadline = Date.now() + 5000;
  const wait = setInterval(() => {
    signalAll(Date.now() > deadline ? 'SIGKILL' : 0);
    if (pids.size > 0 && Date.now() < deadline + 5000) return;
    clearInterval(wait);
    if (dir) rmSync(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    process.exit(0);
  }, 50);
});
`;

export class Watchdog {
  readonly #child: ChildProcess;

  /** Starts watching. `dir` is removed, once all servers are gone, if this process dies. */
  constructor(dir: string) {
    const env = { PATH: process.env['PATH'] };
    const stdio = ['pipe', 'ignore', 'ignore'] as const;
    this.#child = spawn(process.execPath, ['-e', PROGRAM], {
      detached: true,
      stdio: [...stdio],
      env,
      cwd: '/',
    });
    this.#child.on('error', () => undefined);
    this.#child.stdin?.on('error', () => undefined);
    // Neither the process nor the pipe may keep us alive.
    this.#child.unref();
    (this.#child.stdin as { unref?: () => void } | null)?.unref?.();
    this.#tell({ dir });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  watch(pid: number): void {
    this.#tell({ watch: pid });
  }

  forget(pid: number): void {
    this.#tell({ forget: pid });
  }

  /** A command to run as well, for servers that are not our children. */
  runAtEnd(command: readonly string[]): void {
    this.#tell({ command });
  }

  /** Everything was stopped in order: the watchdog leaves without doing anything. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.pid === undefined) return;
    const exited = once(this.#child, 'exit');
    this.#child.ref();
    this.#tell({ done: true });
    this.#child.stdin?.end();
    await exited;
  }

  #tell(order: Record<string, unknown>): void {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
  }
}
