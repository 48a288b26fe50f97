import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { tailOf } from '../../tools/stack/command.ts';
import type { Watchdog } from '../../tools/stack/watchdog.ts';

/** A Node program that prints one line of JSON on stdout once it is ready. */
export interface DevProcessSpec {
  /** How people are told of it. */
  name: string;
  /** The script and its arguments. */
  argv: readonly string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** Its stderr goes there. */
  logFile: string;
  /** Ends it when this process dies of something that it cannot handle. */
  watchdog: Watchdog;
  /** Hears each line of its stderr that `wanted` picks; leave out to have none looked at. */
  overhear?: { wanted: (line: string) => boolean; say: (line: string) => void } | undefined;
}

/** How a process ended. */
export interface DevExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

const READY_TIMEOUT_MS = 60_000;
/** A replica's drain takes up to 8 s and a little. */
const STOP_TIMEOUT_MS = 10_000;

/**
 * A replica or the ledger: a child in a process group of its own, so that Ctrl-C reaches it only
 * through us, after which it has the time to end in order.
 */
export class DevProcess<Ready extends { pid: number }> {
  readonly name: string;
  /**
   * The line that it printed. @throws Error with the end of its log when it ended or kept silent
   * instead
   */
  readonly ready: Promise<Ready>;
  /** Resolves when it has ended, whoever ended it. */
  readonly exited: Promise<DevExit>;
  readonly #child: ChildProcess;
  #running = true;
  #stopping = false;

  constructor(spec: DevProcessSpec) {
    this.name = spec.name;
    const log = openSync(spec.logFile, 'a');
    // A file unless somebody listens: a pipe would make the process wait for us.
    const child = spawn(process.execPath, [...spec.argv], {
      cwd: spec.cwd,
      env: spec.env,
      detached: true,
      stdio: ['ignore', 'pipe', spec.overhear === undefined ? log : 'pipe'],
    });
    this.#child = child;
    const { pid } = child;
    if (pid !== undefined) spec.watchdog.watch(pid);
    if (child.stderr !== null) overhear(child, log, spec.overhear);
    this.exited = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        if (!this.#running) return;
        this.#running = false;
        if (pid !== undefined) spec.watchdog.forget(pid);
        closeSync(log);
        resolve({ code, signal });
      };
      child.once('close', end);
      child.on('error', () => {
        if (pid === undefined) end(null, null);
      });
    });
    this.ready = this.#readyLine(spec);
    // Whoever stops everything before it was ready need not ask what became of it.
    this.ready.catch(() => undefined);
  }

  /** Whether it lives, as far as we know. */
  get running(): boolean {
    return this.#running;
  }

  /** Whether its end was asked for by {@link DevProcess.stop}. */
  get stopping(): boolean {
    return this.#stopping;
  }

  /** Ends it at once, as a crash would. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Ends it in order, or by force after 10 s or when `hurry` aborts. Resolves when it is gone. */
  async stop(hurry: AbortSignal): Promise<void> {
    this.#stopping = true;
    if (!this.#running) return;
    const force = (): void => this.kill();
    if (hurry.aborted) force();
    hurry.addEventListener('abort', force, { once: true });
    const patience = setTimeout(force, STOP_TIMEOUT_MS);
    this.#child.kill('SIGTERM');
    // One that was frozen hears nothing until it is woken.
    this.#child.kill('SIGCONT');
    await this.exited;
    clearTimeout(patience);
    hurry.removeEventListener('abort', force);
  }

  async #readyLine({ name, logFile }: DevProcessSpec): Promise<Ready> {
    const line = new Promise<Ready>((resolve) => {
      if (this.#child.stdout === null) return;
      createInterface(this.#child.stdout).on('line', (text) => {
        const ready = readyOf(text);
        if (ready !== undefined) resolve(ready as Ready);
      });
    });
    const late = new Promise<undefined>((resolve) => {
      const timer = setTimeout(resolve, READY_TIMEOUT_MS, undefined);
      void Promise.race([line, this.exited]).then(() => clearTimeout(timer));
    });
    const first = await Promise.race([line, late, this.exited]);
    if (first !== undefined && 'pid' in first) return first;
    if (first === undefined) this.kill();
    const how =
      first === undefined
        ? `was not ready within ${READY_TIMEOUT_MS / 1000} s`
        : `ended: ${exitText(first)}`;
    const end = tailOf(readFileSync(logFile, 'utf8')) || '(it is empty)';
    throw new Error(`${name} ${how}; the end of its log:\n${end}`);
  }
}

/** What a line says if it is the one; a program that fails may print its error there as well. */
function readyOf(text: string): object | undefined {
  try {
    const value = JSON.parse(text) as { ready?: unknown } | null;
    return value?.ready === true ? value : undefined;
  } catch {
    return undefined;
  }
}

/** `exit code 1`, or the signal's name. */
export function exitText({ code, signal }: DevExit): string {
  return signal ?? (code === null ? 'it could not be started' : `exit code ${code}`);
}

function overhear(child: ChildProcess, log: number, listener: DevProcessSpec['overhear']): void {
  if (child.stderr === null) return;
  createInterface(child.stderr).on('line', (line) => {
    writeSync(log, `${line}\n`);
    if (listener?.wanted(line) === true) listener.say(line);
  });
}
