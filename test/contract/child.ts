import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

import { MAIN, type Exit } from '../harness/child-process.ts';

/** A process whose output is followed while it runs. */
export class FollowedProcess {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  stdout = '';
  stderr = '';
  readonly #process: ChildProcess;
  #listeners: (() => void)[] = [];

  constructor(file: string, args: string[], env: NodeJS.ProcessEnv, cwd?: string) {
    const child = spawn(process.execPath, [file, ...args], {
      env,
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    this.pid = child.pid ?? 0;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#wake();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#wake();
    });
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        resolve({ code, signal });
        this.#wake();
      });
    });
  }

  /** Starts the compiled command line. */
  static leasehold(args: string[], env: NodeJS.ProcessEnv, cwd?: string): FollowedProcess {
    return new FollowedProcess(MAIN, args, env, cwd);
  }

  /** Resolves with the first result of `look` that is not undefined; calls it after each output. */
  async until<T>(look: (seen: this) => T | undefined): Promise<T> {
    for (;;) {
      const found = look(this);
      if (found !== undefined) return found;
      if (this.#process.exitCode !== null || this.#process.signalCode !== null) {
        throw new Error(`the process has ended:\n${this.stdout}\n${this.stderr}`);
      }
      await new Promise<void>((resolve) => this.#listeners.push(resolve));
    }
  }

  /** The first whole line of standard output, as JSON. */
  firstLine(): Promise<unknown> {
    return this.until(({ stdout }) => {
      const end = stdout.indexOf('\n');
      return end < 0 ? undefined : (JSON.parse(stdout.slice(0, end)) as unknown);
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Ends it if it has not ended; SIGKILL works on a stopped process too. */
  async end(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null)
      this.#process.kill('SIGKILL');
    await this.exited;
  }

  #wake(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }
}

/** The state letter of a process in `/proc`: `T` when it is stopped. */
export function processState(pid: number): string {
  return /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? '';
}
