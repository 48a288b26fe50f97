import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/**
 * The program that stops the servers and removes their data when this process dies without doing
 * so, even by SIGKILL. It is a small Node process that reads from a pipe. However this process
 * dies, the kernel closes the pipe, and the end of file is the program's signal. It learns of each
 * server's start and exit, so it never signals a pid that the system has reused.
 */
const PROGRAM = `
const { rmSync } = require('node:fs');
const { spawnSync } = require('node:child_process');
const pids = new Set();
let dir, command, done = false, rest = '';
const signalAll = (signal) => {
  for (const pid of pids) try { process.kill(pid, signal) } catch { pids.delete(pid) }
};
const ignore = () => {};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, ignore);
process.stdin.on('data', (chunk) => {
  const lines = (rest + chunk).split('\\n');
  rest = lines.pop();
  for (const line of lines) {
    const message = JSON.parse(line);
    if (message.watch) pids.add(message.watch);
    if (message.forget) pids.delete(message.forget);
    if (message.dir) dir = message.dir;
    if (message.command) command = message.command;
    if (message.done) done = true;
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

/** Stops servers and removes their data if this process dies without doing so. */
export class Watchdog {
  readonly #child: ChildProcess;

  /** @param dir removed after all servers are gone, if this process dies; undefined to keep it */
  constructor(dir: string | undefined) {
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
    // Neither the process nor the pipe may keep this process alive.
    this.#child.unref();
    (this.#child.stdin as { unref?: () => void } | null)?.unref?.();
    if (dir !== undefined) this.#send({ dir });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  watch(pid: number): void {
    this.#send({ watch: pid });
  }

  forget(pid: number): void {
    this.#send({ forget: pid });
  }

  /** Adds a command that stops servers that are not child processes. */
  runAtEnd(command: readonly string[]): void {
    this.#send({ command });
  }

  /** Ends the watchdog without any action, because everything was stopped cleanly. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.pid === undefined) return;
    const exited = once(this.#child, 'exit');
    this.#child.ref();
    this.#send({ done: true });
    this.#child.stdin?.end();
    await exited;
  }

  #send(message: Record<string, unknown>): void {
    this.#child.stdin?.write(`${JSON.stringify(message)}\n`);
  }
}
