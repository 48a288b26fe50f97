import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

import { tailOf } from '../stack/command.ts';
import type { Watchdog } from '../stack/watchdog.ts';
import type { Answer, Order, OrderBook } from './orders.ts';

/** What a worker is started with. */
export interface WorkerSpec {
  /** How people are told of it. */
  name: string;
  /** What Node is given: options, script, arguments. */
  argv: readonly string[];
  /** What it says on stdout and stderr is appended there. */
  logFile: string;
  watchdog: Watchdog;
}

/** A child process of the bench that does what it is told, one order at a time. */
export class Worker<Book extends OrderBook> {
  readonly name: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #logFile: string;
  readonly #ended: Promise<void>;
  #running = true;
  #tail: Promise<unknown> = Promise.resolve();

  constructor({ name, argv, logFile, watchdog }: WorkerSpec) {
    this.name = name;
    this.#logFile = logFile;
    const log = openSync(logFile, 'a');
    const kept = ['PATH', 'HOME', 'TMPDIR'].map((variable) => [variable, process.env[variable]]);
    const child = spawn(process.execPath, [...argv], {
      env: Object.fromEntries(kept),
      // A group of its own: Ctrl-C reaches it only through us.
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
   * Gives an order and waits for what comes of it.
   *
   * @throws Error with what the worker said, or the end of its log when it ended instead
   */
  ask<Name extends keyof Book & string>(
    name: Name,
    given: Parameters<Book[Name]>[0],
  ): Promise<Awaited<ReturnType<Book[Name]>>> {
    const result = this.#tail.then(() => this.#ask({ name, given }));
    this.#tail = result.catch(() => undefined);
    return result as Promise<Awaited<ReturnType<Book[Name]>>>;
  }

  async #ask(order: Order): Promise<unknown> {
    if (!this.#running) throw this.#died();
    const answered = new Promise<Answer>((resolve) => {
      this.#child.once('message', (message) => resolve(message as Answer));
    });
    this.#child.send(order);
    const answer = await Promise.race([answered, this.#ended]);
    if (answer === undefined) throw this.#died();
    if (!answer.ok) throw new Error(`${this.name}: ${answer.message}`);
    return answer.result;
  }

  #died(): Error {
    return new Error(
      `${this.name} ended; the end of its log:\n${tailOf(readFileSync(this.#logFile, 'utf8'))}`,
    );
  }

  /** SIGKILL. Resolves when it is gone; killing twice is harmless. */
  async kill(): Promise<void> {
    if (this.#running) this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
