import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Child } from '../stack/child.ts';
import type { Watchdog } from '../stack/watchdog.ts';
import type { Links } from './links.ts';
import type { ReplicaProcess } from './record.ts';
import { sleep } from './sleep.ts';

/** What a slot starts its replica processes with. */
export interface ReplicaSlotOptions {
  name: string;
  links: Links;
  /** Added to the URLs, which come from the links. */
  env: NodeJS.ProcessEnv;
  /** What Node runs. */
  argv: readonly string[];
  /** Folder for logs, and for the file that sets the wall clock. */
  dir: string;
  watchdog: Watchdog;
  /** The libfaketime that moves the replica's wall clock. */
  faketimeLib: string | undefined;
  nowMs: () => number;
  /** Called with each process that became ready; the slot updates it when the process ends. */
  onProcess: (process: ReplicaProcess) => void;
}

interface ReplicaReady {
  replicaId: string;
  pid: number;
  httpUrl: string;
}

const RESTART_AFTER_MS = 500;
const DRAIN_TIMEOUT_MS = 12_000;

/**
 * One replica's name and links, and the processes that run under them one after another, each with
 * a new replica id. A process that exits without being asked to is restarted, as a supervisor would
 * do, and recorded as crashed.
 */
export class ReplicaSlot {
  readonly name: string;
  readonly links: Links;
  readonly #options: ReplicaSlotOptions;
  readonly #clockFile: string;
  #child: Child<ReplicaReady> | undefined;
  #process: ReplicaProcess | undefined;
  #httpUrl = '';
  #frozen = false;
  /** Whether a process should be running; an exit while it should not is no crash. */
  #wanted = false;
  #closing = false;
  #lastStart: Promise<unknown> = Promise.resolve();

  constructor(options: ReplicaSlotOptions) {
    this.#options = options;
    this.name = options.name;
    this.links = options.links;
    this.#clockFile = join(options.dir, `${options.name}.clock`);
    if (options.faketimeLib !== undefined) this.jumpClock(0);
  }

  /** The running process's replica id; undefined while no process is ready. */
  get replicaId(): string | undefined {
    return this.#process?.toMs === null ? this.#process.replicaId : undefined;
  }

  /** Where the running process serves health and metrics; undefined while none is ready. */
  get httpUrl(): string | undefined {
    return this.replicaId === undefined ? undefined : this.#httpUrl;
  }

  /** Ready, not frozen, and not being ended. */
  get up(): boolean {
    return this.#wanted && !this.#frozen && this.replicaId !== undefined;
  }

  get canJumpClock(): boolean {
    return this.#options.faketimeLib !== undefined;
  }

  /**
   * Starts a process, unless one is running. Resolves once it is ready; starts another for as long
   * as the process exits first.
   */
  start(): Promise<void> {
    return this.#afterLastStart(async () => {
      this.#wanted = true;
      while (!this.#closing && !(await this.#launch())) await sleep(RESTART_AFTER_MS);
    });
  }

  /** Sends SIGKILL. Resolves when the process has exited. */
  async kill(): Promise<void> {
    this.#expectEnd('killed');
    this.#child?.signal('SIGKILL');
    await this.#child?.exited;
  }

  /** Sends SIGTERM, and SIGKILL after 12 s. Resolves when the process has exited. */
  async drain(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#expectEnd('drained');
    child.signal('SIGTERM');
    const force = setTimeout(() => {
      this.#expectEnd('killed');
      child.signal('SIGKILL');
    }, DRAIN_TIMEOUT_MS);
    await child.exited;
    clearTimeout(force);
  }

  freeze(): void {
    this.#frozen = true;
    this.#child?.signal('SIGSTOP');
  }

  resume(): void {
    this.#frozen = false;
    this.#child?.signal('SIGCONT');
  }

  /** Sets how far the replica's wall clock is off. libfaketime reads the file once a second. */
  jumpClock(byMs: number): void {
    writeFileSync(this.#clockFile, `${byMs < 0 ? '-' : '+'}${Math.abs(byMs) / 1_000}s\n`);
  }

  /** Ends the process, and starts no other. */
  async close(gently: boolean): Promise<void> {
    this.#closing = true;
    this.resume();
    const ended = gently && this.up ? this.drain() : this.kill();
    await Promise.all([ended, this.#lastStart]);
    await this.kill();
  }

  async #launch(): Promise<boolean> {
    if (this.#child?.running === true) return true;
    const { name, env, dir, argv, watchdog, nowMs, onProcess } = this.#options;
    const child = new Child<ReplicaReady>({
      name,
      argv: [...argv],
      env: { ...env, ...this.links.env, ...this.#clockEnv(), LEASEHOLD_REPLICA_NAME: name },
      logFile: join(dir, `${name}.log`),
      watchdog,
    });
    this.#child = child;
    const fromMs = nowMs();
    const ready = await child.ready.catch(() => undefined);
    if (ready === undefined || !child.running) return !this.#wanted;
    const process: ReplicaProcess = {
      replicaId: ready.replicaId,
      name,
      pid: child.pid,
      fromMs,
      toMs: null,
      end: 'running',
    };
    this.#process = process;
    this.#httpUrl = ready.httpUrl;
    onProcess(process);
    void child.exited.then(() => {
      process.toMs = nowMs();
      if (process.end !== 'running') return;
      process.end = 'crashed';
      if (this.#child === child && !this.#closing)
        void sleep(RESTART_AFTER_MS).then(() => this.start());
    });
    return true;
  }

  #expectEnd(end: 'killed' | 'drained'): void {
    this.#wanted = false;
    this.#frozen = false;
    // A process that is killed while it drains counts as killed.
    if (
      this.#process !== undefined &&
      this.#process.toMs === null &&
      this.#process.end !== 'killed'
    )
      this.#process.end = end;
  }

  #clockEnv(): NodeJS.ProcessEnv {
    const { faketimeLib } = this.#options;
    if (faketimeLib === undefined) return {};
    return {
      LD_PRELOAD: faketimeLib,
      FAKETIME_TIMESTAMP_FILE: this.#clockFile,
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    };
  }

  /** Runs starts one at a time: two processes in one slot would be two replicas. */
  #afterLastStart(work: () => Promise<void>): Promise<void> {
    const result = this.#lastStart.then(work);
    this.#lastStart = result.catch(() => undefined);
    return result;
  }
}
