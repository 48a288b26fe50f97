import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { ConfigError } from '../../src/config/config-error.ts';
import { tailOf } from '../../tools/stack/command.ts';
import type { Watchdog } from '../../tools/stack/watchdog.ts';
import { EXIT } from '../exit-code.ts';

/** How to start a Node program that prints one line of JSON on stdout once it is ready. */
export interface DevProcessOptions {
  /** Its name in messages. */
  name: string;
  /** The script and its arguments. */
  argv: readonly string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** Where its stderr goes. */
  logFile: string;
  /** Ends it if this process dies without a chance to do so. */
  watchdog: Watchdog;
  /** Also passes on the lines of its stderr that `filter` accepts. */
  forward?: { filter: (line: string) => boolean; say: (line: string) => void } | undefined;
}

/** How a process ended. */
export interface DevExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

const READY_TIMEOUT_MS = 60_000;
/** A little longer than a replica's drain, which takes up to 8 s. */
const STOP_TIMEOUT_MS = 10_000;

/**
 * A replica or the ledger. It has its own process group, so that Ctrl-C does not reach it directly,
 * and {@link DevProcess.stop} can give it time to shut down.
 */
export class DevProcess<Ready extends { pid: number }> {
  readonly name: string;
  /**
   * The line that it printed. Rejects with the end of its log if it exits first or takes too long,
   * and with a ConfigError if it exits because of a setting.
   */
  readonly ready: Promise<Ready>;
  /** Resolves when it has ended, for whatever reason. */
  readonly exited: Promise<DevExit>;
  readonly #child: ChildProcess;
  #running = true;
  #stopping = false;

  constructor(options: DevProcessOptions) {
    const { name, argv, cwd, env, logFile, watchdog, forward } = options;
    this.name = name;
    const log = openSync(logFile, 'a');
    // A pipe only if lines are forwarded: a full pipe would block the process.
    const child = spawn(process.execPath, [...argv], {
      cwd,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', forward === undefined ? log : 'pipe'],
    });
    this.#child = child;
    const { pid } = child;
    if (pid !== undefined) watchdog.watch(pid);
    if (forward !== undefined) forwardLines(child, log, forward);
    this.exited = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        if (!this.#running) return;
        this.#running = false;
        if (pid !== undefined) watchdog.forget(pid);
        closeSync(log);
        resolve({ code, signal });
      };
      child.once('close', end);
      child.on('error', () => {
        if (pid === undefined) end(null, null);
      });
    });
    this.ready = this.#readyLine(logFile);
    // It may be stopped before it is ready, and then nothing waits for this.
    this.ready.catch(() => undefined);
  }

  /** Whether it has not ended, as far as this process knows. */
  get running(): boolean {
    return this.#running;
  }

  /** Whether {@link DevProcess.stop} was called. */
  get stopping(): boolean {
    return this.#stopping;
  }

  /** Ends it at once, as a crash would. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Sends SIGTERM, then SIGKILL after 10 s or when `force` aborts. Resolves when it is gone. */
  async stop(force: AbortSignal): Promise<void> {
    this.#stopping = true;
    if (!this.#running) return;
    const kill = (): void => this.kill();
    if (force.aborted) kill();
    force.addEventListener('abort', kill, { once: true });
    const timer = setTimeout(kill, STOP_TIMEOUT_MS);
    this.#child.kill('SIGTERM');
    // A frozen process does not get SIGTERM until it continues.
    this.#child.kill('SIGCONT');
    await this.exited;
    clearTimeout(timer);
    force.removeEventListener('abort', kill);
  }

  async #readyLine(logFile: string): Promise<Ready> {
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
    // It has said itself which setting is wrong, and how to correct it.
    if (first?.code === EXIT.invalid) throw new ConfigError([`${this.name}: ${end}`]);
    throw new Error(`${this.name} ${how}; the end of its log:\n${end}`);
  }
}

/** The line's object if it says ready; a program that fails may print an error there instead. */
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

function forwardLines(
  child: ChildProcess,
  log: number,
  { filter, say }: NonNullable<DevProcessOptions['forward']>,
): void {
  if (child.stderr === null) return;
  createInterface(child.stderr).on('line', (line) => {
    writeSync(log, `${line}\n`);
    if (filter(line)) say(line);
  });
}
