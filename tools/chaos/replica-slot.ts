import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Watchdog } from '../stack/watchdog.ts';
import { Child } from './child.ts';
import type { Links } from './links.ts';
import type { ReplicaLife } from './record.ts';

/** What replica processes are started with, and who hears of their lives. */
export interface SlotOptions {
  name: string;
  links: Links;
  /** Beside the URLs, which the links give. */
  env: NodeJS.ProcessEnv;
  /** What Node runs. */
  argv: readonly string[];
  /** Logs, and the file by which the wall clock is moved. */
  dir: string;
  watchdog: Watchdog;
  /** A libfaketime to move the replica's wall clock with. */
  faketimeLib: string | undefined;
  nowMs: () => number;
  onLife: (life: ReplicaLife) => void;
}

interface ReplicaReady {
  replicaId: string;
  pid: number;
  httpUrl: string;
}

const RESTART_AFTER_MS = 500;
const DRAIN_TIMEOUT_MS = 12_000;

/**
 * A place for one replica: a name and its connections, with one process after the other in it, each
 * under a fresh id. A process that ends unasked is replaced as a supervisor would, and told of as
 * crashed.
 */
export class ReplicaSlot {
  readonly name: string;
  readonly links: Links;
  readonly #options: SlotOptions;
  readonly #clockFile: string;
  #child: Child<ReplicaReady> | undefined;
  #life: ReplicaLife | undefined;
  #frozen = false;
  /** Whether a process should be running; an end while it is not is no crash. */
  #wanted = false;
  #closing = false;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: SlotOptions) {
    this.#options = options;
    this.name = options.name;
    this.links = options.links;
    this.#clockFile = join(options.dir, `${options.name}.clock`);
    if (options.faketimeLib !== undefined) this.jumpClock(0);
  }

  /** The running process's id; undefined while there is none that is ready. */
  get replicaId(): string | undefined {
    return this.#life?.toMs === null ? this.#life.replicaId : undefined;
  }

  /** Ready, and neither frozen nor about to be ended. */
  get up(): boolean {
    return this.#wanted && !this.#frozen && this.replicaId !== undefined;
  }

  get canJump(): boolean {
    return this.#options.faketimeLib !== undefined;
  }

  /**
   * Starts a process, unless one runs. Resolves once it is ready; tries again for as long as it
   * ends instead.
   */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      this.#wanted = true;
      while (!this.#closing && !(await this.#launch())) await pause(RESTART_AFTER_MS);
    });
  }

  /** SIGKILL. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#end('killed');
    this.#child?.signal('SIGKILL');
    await this.#child?.exited;
  }

  /** SIGTERM, and SIGKILL after 12 s. Resolves when it is gone. */
  async drain(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#end('drained');
    child.signal('SIGTERM');
    const force = setTimeout(() => {
      this.#end('killed');
      child.signal('SIGKILL');
    }, DRAIN_TIMEOUT_MS);
    await child.exited;
    clearTimeout(force);
  }

  freeze(): void {
    this.#frozen = true;
    this.#child?.signal('SIGSTOP');
  }

  wake(): void {
    this.#frozen = false;
    this.#child?.signal('SIGCONT');
  }

  /** From now on its wall clock is off by so much. The library looks at the file once a second. */
  jumpClock(byMs: number): void {
    writeFileSync(this.#clockFile, `${byMs < 0 ? '-' : '+'}${Math.abs(byMs) / 1_000}s\n`);
  }

  /** Ends it, and starts none any more. */
  async close(gently: boolean): Promise<void> {
    this.#closing = true;
    this.wake();
    const ended = gently && this.up ? this.drain() : this.kill();
    await Promise.all([ended, this.#tail]);
    await this.kill();
  }

  async #launch(): Promise<boolean> {
    if (this.#child?.running === true) return true;
    const { name, env, dir, argv, watchdog, nowMs, onLife } = this.#options;
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
    const life: ReplicaLife = {
      replicaId: ready.replicaId,
      name,
      pid: child.pid,
      fromMs,
      toMs: null,
      end: 'running',
    };
    this.#life = life;
    onLife(life);
    void child.exited.then(() => {
      life.toMs = nowMs();
      if (life.end !== 'running') return;
      life.end = 'crashed';
      if (this.#child === child && !this.#closing)
        void pause(RESTART_AFTER_MS).then(() => this.start());
    });
    return true;
  }

  #end(end: 'killed' | 'drained'): void {
    this.#wanted = false;
    this.#frozen = false;
    // What was told to drain and is killed on the way was killed.
    if (this.#life !== undefined && this.#life.toMs === null && this.#life.end !== 'killed')
      this.#life.end = end;
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

  /** Starts one after the other: two processes in one slot would be two replicas. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
