import type { Leases } from '../../coordinator/leases.ts';
import { errorText } from '../../src/error-text.ts';
import type { Logger } from '../../src/logger.ts';
import { TroubleLog } from '../../src/trouble-log.ts';
import type { Clock, Timer } from '../../src/time/clock.ts';
import type { Holding } from '../../src/lease/holding.ts';
import type { HandOver } from '../intake/hand-over.ts';
import { LogUnavailable, type Log, type Unsettled } from '../log/log.ts';
import type { HeldInstance } from '../run/held-instance.ts';
import type { ClusterTurns } from './turns.ts';

const INTERVAL_MS = 2_000;
/** After leases vanish, their instances are swept soon; many vanish together. */
const SOON_MS = 150;
/** A sweep reads everything open or in doubt, long attempts of others included, in such pages. */
const PAGE_SIZE = 500;
/** A sweep takes at most one part in this many of the time, however long it takes. */
const IDLE_FACTOR = 10;
/** An instance whose newest row is younger than this is left to the replica at work on it. */
const QUIET_MS = 500;
/**
 * How long a doubt that waits for a person is left alone. A late outcome is announced separately.
 */
const DOUBT_REST_MS = 30_000;

/** What the sweeper needs from the rest of the replica. */
export interface SweeperOptions {
  turns: Pick<ClusterTurns, 'take' | 'isFree'>;
  leases: Pick<Leases, 'notLeading' | 'onVanished'>;
  log: Pick<Log, 'unsettled'>;
  clock: Clock;
  logger: Logger;
  /** The one runner of an instance under a holding. */
  held: (holding: Holding) => HeldInstance;
  /** Gives up an instance whose probe this replica cannot run. */
  handOver: Pick<HandOver, 'handOver'>;
  /** Postgres did not answer. */
  logTrouble: (cause: unknown) => void;
}

/**
 * Finds instances that were left with an open attempt or a doubt and that no request is waiting
 * for, and settles what needs no person, so that nothing stays stuck even if every replica died and
 * no request is repeated. It begins no effects: an unattended instance that it has settled goes on
 * as one that is due.
 */
export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #restingUntilMs = new Map<string, number>();
  /** Since when instances that nobody holds have been left to the replicas before this one. */
  #leftSinceMs = new Map<string, number>();
  #timer: Timer | undefined;
  /** When the next sweep is due, on the monotonic clock. */
  #dueMs = Number.POSITIVE_INFINITY;
  #sweeping = false;
  #stopped = false;
  readonly #trouble: TroubleLog;

  constructor(options: SweeperOptions) {
    const { clock, logger } = options;
    this.#options = options;
    const happens = 'internal error during a sweep';
    this.#trouble = new TroubleLog({ clock, logger, happens, level: 'error' });
    options.leases.onVanished(() => this.#schedule(SOON_MS));
  }

  start(): void {
    this.#schedule(INTERVAL_MS);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #schedule(delayMs: number): void {
    const dueMs = this.#options.clock.monotonicMs() + delayMs;
    if (this.#stopped || dueMs >= this.#dueMs) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#dueMs = Number.POSITIVE_INFINITY;
      const sinceMs = this.#options.clock.monotonicMs();
      void this.#sweep().finally(() => {
        const tookMs = this.#options.clock.monotonicMs() - sinceMs;
        this.#schedule(Math.max(INTERVAL_MS, IDLE_FACTOR * tookMs));
      });
    });
  }

  async #sweep(): Promise<void> {
    const { leases, log, clock, logTrouble } = this.#options;
    if (this.#sweeping || this.#stopped || leases.notLeading() !== undefined) return;
    this.#sweeping = true;
    try {
      const nowMs = clock.monotonicMs();
      const left = new Map<string, number>();
      for (const [instanceId, untilMs] of this.#restingUntilMs) {
        if (untilMs <= nowMs) this.#restingUntilMs.delete(instanceId);
      }
      for (
        let page: Unsettled[] = [], first = true;
        first || page.length === PAGE_SIZE;
        first = false
      ) {
        page = await log.unsettled(PAGE_SIZE, QUIET_MS, page.at(-1));
        for (const { instanceId } of page) {
          if (this.#stopped) return;
          if (this.#restingUntilMs.has(instanceId)) continue;
          const sinceMs = this.#leftSinceMs.get(instanceId) ?? nowMs;
          if (!(await this.#sweepInstance(instanceId, nowMs - sinceMs)))
            left.set(instanceId, sinceMs);
        }
      }
      this.#leftSinceMs = left;
      this.#trouble.end();
    } catch (cause) {
      if (cause instanceof LogUnavailable) logTrouble(cause);
      else this.#trouble.add(errorText(cause), { err: cause });
    } finally {
      this.#sweeping = false;
    }
  }

  /** Returns false if nobody holds the instance, and it is left to another replica. */
  async #sweepInstance(instanceId: string, overdueMs: number): Promise<boolean> {
    const { turns, clock, held, handOver } = this.#options;
    const holding = await turns.take(instanceId, overdueMs);
    if (holding === undefined) return !turns.isFree(instanceId);
    const instance = held(holding);
    if (instance.busy) return true;
    this.#restingUntilMs.set(instanceId, clock.monotonicMs() + DOUBT_REST_MS);
    const settled = await instance.settle();
    if (settled === 'settled') this.#restingUntilMs.delete(instanceId);
    // The replica that is named sweeps too.
    else if (settled !== 'unsettled') await handOver.handOver(holding, settled);
    return true;
  }
}
