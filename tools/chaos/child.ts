import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { tailOf } from '../stack/command.ts';
import type { Watchdog } from '../stack/watchdog.ts';

/** A Node program that prints one line of JSON on stdout once it is ready. */
export interface ChildSpec {
  /** How people are told of it. */
  name: string;
  /** The script and its arguments. */
  argv: readonly string[];
  env: NodeJS.ProcessEnv;
  /** What it says on stderr is appended there. */
  logFile: string;
  /** Ends it when this process dies of something that it cannot handle. */
  watchdog: Watchdog;
}

/** How a process ended. */
export interface ChildExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A process of this run, in a group of its own: Ctrl-C reaches it only through us. */
export class Child<Ready> {
  readonly name: string;
  /** The line that it printed; rejects when it ended instead, with the end of its log. */
  readonly ready: Promise<Ready>;
  readonly exited: Promise<ChildExit>;
  readonly pid: number;
  readonly #process: ChildProcess;
  #running = true;

  constructor(spec: ChildSpec) {
    this.name = spec.name;
    const log = openSync(spec.logFile, 'a');
    const child = spawn(process.execPath, [...spec.argv], {
      env: spec.env,
      detached: true,
      stdio: ['ignore', 'pipe', log],
    });
    closeSync(log);
    this.#process = child;
    this.pid = child.pid ?? 0;
    if (child.pid !== undefined) spec.watchdog.watch(child.pid);
    this.exited = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        if (this.#running && child.pid !== undefined) spec.watchdog.forget(child.pid);
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
      const end = tailOf(readFileSync(spec.logFile, 'utf8'));
      throw new Error(
        `${spec.name} ended before it was ready: ${how}; the end of its log:\n${end}`,
      );
    });
    this.ready.catch(() => undefined);
  }

  get running(): boolean {
    return this.#running;
  }

  /** Sends a signal; one that has ended already gets none. */
  signal(signal: NodeJS.Signals): void {
    if (this.#running) this.#process.kill(signal);
  }
}
