import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { tailOf } from './command.ts';
import type { Watchdog } from './watchdog.ts';

/** A Node program that prints one line of JSON on stdout once it is ready. */
export interface ChildOptions {
  /** For messages. */
  name: string;
  /** The script and its arguments. */
  argv: readonly string[];
  env: NodeJS.ProcessEnv;
  /** Its stderr is appended here. */
  logFile: string;
  /** Kills the child when this process dies without being able to do so. */
  watchdog: Watchdog;
}

/** How a process ended. */
export interface ChildExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A child process in a separate process group, so that Ctrl-C does not reach it directly. */
export class Child<Ready> {
  readonly name: string;
  /** The line that it printed; rejects, with the end of its log, if it exited first. */
  readonly ready: Promise<Ready>;
  readonly exited: Promise<ChildExit>;
  readonly pid: number;
  readonly #process: ChildProcess;
  #running = true;

  constructor(options: ChildOptions) {
    const { name, argv, env, logFile, watchdog } = options;
    this.name = name;
    const log = openSync(logFile, 'a');
    const child = spawn(process.execPath, [...argv], {
      env,
      detached: true,
      stdio: ['ignore', 'pipe', log],
    });
    closeSync(log);
    this.#process = child;
    this.pid = child.pid ?? 0;
    if (child.pid !== undefined) watchdog.watch(child.pid);
    this.exited = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        if (this.#running && child.pid !== undefined) watchdog.forget(child.pid);
        this.#running = false;
        resolve({ code, signal });
      };
      child.once('exit', end);
      child.once('error', () => end(null, null));
    });
    const line = new Promise<string>((resolve) => {
      if (child.stdout !== null) createInterface(child.stdout).once('line', resolve);
    });
    this.ready = Promise.race([line, this.exited]).then((first) => {
      if (typeof first === 'string') return JSON.parse(first) as Ready;
      const how = first.signal ?? `exit code ${first.code ?? 'none'}`;
      const end = tailOf(readFileSync(logFile, 'utf8'));
      throw new Error(`${name} exited before it was ready: ${how}; the end of its log:\n${end}`);
    });
    this.ready.catch(() => undefined);
  }

  get running(): boolean {
    return this.#running;
  }

  /** Sends a signal, unless the process has exited. */
  signal(signal: NodeJS.Signals): void {
    if (this.#running) this.#process.kill(signal);
  }
}
