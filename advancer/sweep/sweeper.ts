import type { Leases } from '../../coordinator/leases.ts';
import type { Logger } from '../../src/logger.ts';
import type { Clock, Timer } from '../../src/time/clock.ts';
import type { Holding } from '../../src/lease/holding.ts';
import { rankOf } from '../../src/lease/rank.ts';
import { LogUnavailable, type Log, type Unsettled } from '../log/log.ts';
import type { HeldInstance } from '../run/held-instance.ts';

const EVERY_MS = 2_000;
/** After leases vanished, their instances are looked at soon; many vanish together. */
const SOON_MS = 150;
/**
 * A sweep goes through all that is open or in doubt, others' long attempts included: so many at
 * once.
 */
const PAGE = 500;
/** However much that is: a sweep takes no more than one part in so many of the time. */
const SHARE = 10;
/** An instance whose newest row is younger than this is left to whoever is at work on it. */
const QUIET_MS = 500;
/**
 * How long a doubt that waits for a person is left alone; a late outcome is announced by itself.
 */
const DOUBT_REST_MS = 30_000;

/** What the sweeper needs of the rest of the replica. */
export interface SweeperParts {
  leases: Leases;
  log: Pick<Log, 'unsettled'>;
  clock: Clock;
  logger: Logger;
  held: (holding: Holding) => HeldInstance;
  logTrouble: (cause: unknown) => void;
}

/**
 * Finds instances that were left with an open attempt or a doubt and that no request is waiting
 * for, and settles what needs no person: so that nothing stays stuck, even when every replica died
 * and nobody asks again. It begins no effects.
 */
export class Sweeper {
  readonly #parts: SweeperParts;
  readonly #rested = new Map<string, number>();
  #timer: Timer | undefined;
  /** When the next sweep is due, on the monotonic clock. */
  #dueMs = Number.POSITIVE_INFINITY;
  #sweeping = false;
  #stopped = false;

  constructor(parts: SweeperParts) {
    this.#parts = parts;
    parts.leases.onVanished(() => this.#schedule(SOON_MS));
  }

  start(): void {
    this.#schedule(EVERY_MS);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #schedule(delayMs: number): void {
    const dueMs = this.#parts.clock.monotonicMs() + delayMs;
    if (this.#stopped || dueMs >= this.#dueMs) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    this.#timer = this.#parts.clock.after(delayMs, () => {
      this.#dueMs = Number.POSITIVE_INFINITY;
      const sinceMs = this.#parts.clock.monotonicMs();
      void this.#sweep().finally(() => {
        const tookMs = this.#parts.clock.monotonicMs() - sinceMs;
        this.#schedule(Math.max(EVERY_MS, SHARE * tookMs));
      });
    });
  }

  async #sweep(): Promise<void> {
    const { leases, log, clock, logger, logTrouble } = this.#parts;
    if (this.#sweeping || this.#stopped || leases.notLeading() !== undefined) return;
    this.#sweeping = true;
    try {
      const nowMs = clock.monotonicMs();
      for (const [instanceId, untilMs] of this.#rested) {
        if (untilMs <= nowMs) this.#rested.delete(instanceId);
      }
      for (let page: Unsettled[] = [], first = true; first || page.length === PAGE; first = false) {
        page = await log.unsettled(PAGE, QUIET_MS, page.at(-1));
        for (const { instanceId } of page) {
          if (this.#stopped) return;
          if (!this.#rested.has(instanceId)) await this.#lookAt(instanceId);
        }
      }
    } catch (cause) {
      if (cause instanceof LogUnavailable) logTrouble(cause);
      else logger.error({ err: cause }, 'a sweep broke off');
    } finally {
      this.#sweeping = false;
    }
  }

  async #lookAt(instanceId: string): Promise<void> {
    const { leases, clock, held } = this.#parts;
    let holding = leases.holding(instanceId);
    if (holding === undefined) {
      const hint = leases.hint(instanceId);
      if (hint !== undefined && hint.replicaId !== leases.replicaId) return;
      const replicas = leases.replicas().map(({ replicaId }) => replicaId);
      if (rankOf(instanceId, replicas, leases.replicaId) !== 0) return;
      const outcome = await leases.acquire(instanceId);
      if (outcome.kind !== 'acquired') return;
      holding = outcome.holding;
    }
    const instance = held(holding);
    if (instance.busy) return;
    this.#rested.set(instanceId, clock.monotonicMs() + DOUBT_REST_MS);
    if ((await instance.settle()) === 'settled') this.#rested.delete(instanceId);
  }
}
