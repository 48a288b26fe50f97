import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

import { tailOf } from '../stack/command.ts';
import type { Watchdog } from '../stack/watchdog.ts';
import type { Job, JobResult, JobTable } from './jobs.ts';

/** How to start a worker. */
export interface WorkerOptions {
  /** What messages call it. */
  name: string;
  /** The arguments for Node: options, script, its arguments. */
  argv: readonly string[];
  /** Its stdout and stderr are appended there. */
  logFile: string;
  watchdog: Watchdog;
}

/** A child process of the bench that does one job at a time. */
export class Worker<Jobs extends JobTable> {
  readonly name: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #logFile: string;
  readonly #ended: Promise<void>;
  #running = true;
  #tail: Promise<unknown> = Promise.resolve();

  constructor({ name, argv, logFile, watchdog }: WorkerOptions) {
    this.name = name;
    this.#logFile = logFile;
    const log = openSync(logFile, 'a');
    const kept = ['PATH', 'HOME', 'TMPDIR'].map((variable) => [variable, process.env[variable]]);
    const child = spawn(process.execPath, [...argv], {
      env: Object.fromEntries(kept),
      // In a separate process group, so that Ctrl-C in a terminal reaches only the parent.
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
      // Keeps typed arrays, NaN and undefined as they are.
      serialization: 'advanced',
    });
    closeSync(log);
    this.#child = child;
    this.pid = child.pid ?? 0;
    if (child.pid !== undefined) watchdog.watch(child.pid);
    this.#ended = new Promise((resolve) => {
      const end = (): void => {
        if (this.#running && child.pid !== undefined) watchdog.forget(child.pid);
        this.#running = false;
        resolve();
      };
      child.once('exit', end);
      child.once('error', end);
    });
  }

  /**
   * Runs a job, after those that were given before.
   *
   * @returns the job's result
   * @throws Error with the worker's message, or with the end of its log if it exited instead
   */
  run<Name extends keyof Jobs & string>(
    name: Name,
    input: Parameters<Jobs[Name]>[0],
  ): Promise<Awaited<ReturnType<Jobs[Name]>>> {
    const result = this.#tail.then(() => this.#send({ name, input }));
    this.#tail = result.catch(() => undefined);
    return result as Promise<Awaited<ReturnType<Jobs[Name]>>>;
  }

  async #send(job: Job): Promise<unknown> {
    if (!this.#running) throw this.#exitError();
    const answered = new Promise<JobResult>((resolve) => {
      this.#child.once('message', (message) => resolve(message as JobResult));
    });
    this.#child.send(job);
    const answer = await Promise.race([answered, this.#ended]);
    if (answer === undefined) throw this.#exitError();
    if (!answer.ok) throw new Error(`${this.name}: ${answer.message}`);
    return answer.result;
  }

  #exitError(): Error {
    return new Error(
      `${this.name} exited; the end of its log:\n${tailOf(readFileSync(this.#logFile, 'utf8'))}`,
    );
  }

  /** Sends SIGKILL and waits until the process is gone. Calling it twice is harmless. */
  async kill(): Promise<void> {
    if (this.#running) this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
