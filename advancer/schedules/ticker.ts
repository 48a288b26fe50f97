import { errorText } from '../../src/error-text.ts';
import type { Logger } from '../../src/logger.ts';
import type { Clock, Timer } from '../../src/time/clock.ts';
import { TransientMap } from '../../src/transient-map.ts';
import { TroubleLog } from '../../src/trouble-log.ts';
import { tickInstanceId } from '../../src/schedule/tick-id.ts';
import type { Turns } from '../due/turns.ts';
import type { Failpoint } from '../failpoints.ts';
import { LogUnavailable } from '../log/log.ts';
import type { DueCursor, DueSchedules, ScheduleState } from '../log/schedules.ts';
import type { Counted } from '../run/context.ts';
import { planOf, takeTicks, type TickLog } from './take-ticks.ts';

/** What the ticker needs from the rest of the replica. */
export interface TickerOptions {
  log: TickLog;
  /** Whether it is this replica's turn to take the ticks of a schedule. */
  turns: Turns;
  /** Why this replica may not act; undefined if it may. */
  notLeading: () => string | undefined;
  /** A tick started this instance, which is unattended. */
  started: (instanceId: string) => void;
  failpoint: Failpoint | undefined;
  clock: Clock;
  logger: Logger;
  count: (event: Counted) => void;
  /** Postgres did not answer. */
  logTrouble: (cause: unknown) => void;
}

/** A due tick is found within this time. */
const POLL_MS = 1_000;
/** How many schedules are read together. */
const PAGE = 100;
/** How many are looked at at the same time. */
const AT_ONCE = 8;
/** A schedule is looked at at least this often: the rules of its time zone may change. */
const LOOK_AGAIN_MS = 3_600_000;
/** What the projection lacks is restored this often. */
const RESTORE_MS = 60_000;
/** A schedule that cannot be looked at is left alone this long. */
const REST_MS = 30_000;

/**
 * Takes the ticks of schedules: starts the instances that are due, by the database's clock. Whose
 * turn it is saves work and no more; the log admits a tick only once, whichever replicas try.
 */
export class Ticker {
  readonly #options: TickerOptions;
  readonly #trouble: TroubleLog;
  /** Since when this replica has seen that a schedule is due: others have their turn before it. */
  readonly #dueSinceMs = new TransientMap<string, number>();
  #timer: Timer | undefined;
  #restoredMs = Number.NEGATIVE_INFINITY;
  #failed = false;
  #stopped = false;

  constructor(options: TickerOptions) {
    const { clock, logger } = options;
    this.#options = options;
    const happens = 'internal error while taking the ticks of a schedule';
    this.#trouble = new TroubleLog({ clock, logger, happens, level: 'error' });
  }

  start(): void {
    this.#schedule(POLL_MS);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.after(delayMs, () => {
      void this.#poll().then((nextMs) => this.#schedule(nextMs));
    });
  }

  /** @returns in how many milliseconds to poll again */
  async #poll(): Promise<number> {
    const { log, clock, notLeading, logTrouble } = this.#options;
    if (notLeading() !== undefined) return POLL_MS;
    try {
      const nowMs = clock.monotonicMs();
      if (nowMs - this.#restoredMs >= RESTORE_MS) {
        await log.schedules.restoreLines();
        this.#restoredMs = nowMs;
      }
      this.#failed = false;
      const seen = new Set<string>();
      let isMore = false;
      let page: DueSchedules;
      let next: DueCursor | undefined;
      do {
        page = await log.schedules.due(PAGE, next);
        isMore = (await this.#takeAll(page.schedules, seen)) || isMore;
        ({ next } = page);
      } while (next !== undefined && !this.#stopped);
      this.#forgetAllBut(seen);
      if (!this.#failed) this.#trouble.end();
      return isMore ? 0 : Math.min(POLL_MS, Math.max(1, Math.ceil(page.nextInMs ?? POLL_MS)));
    } catch (cause) {
      if (cause instanceof LogUnavailable) logTrouble(cause);
      else this.#trouble.add(errorText(cause), { err: cause });
      return POLL_MS;
    }
  }

  /** @returns whether there is more to do at once */
  async #takeAll(schedules: readonly ScheduleState[], seen: Set<string>): Promise<boolean> {
    for (const { newest } of schedules) seen.add(newest.scheduleId);
    const own = schedules.filter(({ newest }) => this.#isTaker(newest.scheduleId)).values();
    let isMore = false;
    const takers = Array.from({ length: AT_ONCE }, async () => {
      for (const state of own) {
        if (this.#stopped) return;
        if (await this.#take(state)) isMore = true;
      }
    });
    for (const ended of await Promise.allSettled(takers))
      if (ended.status === 'rejected') throw ended.reason;
    return isMore;
  }

  #forgetAllBut(due: ReadonlySet<string>): void {
    for (const scheduleId of this.#dueSinceMs.keys())
      if (!due.has(scheduleId)) this.#dueSinceMs.delete(scheduleId);
  }

  #isTaker(scheduleId: string): boolean {
    const { turns, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const sinceMs = this.#dueSinceMs.get(scheduleId) ?? nowMs;
    this.#dueSinceMs.set(scheduleId, sinceMs);
    return turns.mine(scheduleId, nowMs - sinceMs);
  }

  /** @returns whether more of this schedule is due at once */
  async #take(state: ScheduleState): Promise<boolean> {
    const { log, logger, count, started, failpoint } = this.#options;
    const { scheduleId, revision } = state.newest;
    try {
      const plan = planOf(state);
      const latestMs = state.nowMs + LOOK_AGAIN_MS;
      const nextAtMs = plan.nextAtMs === undefined ? undefined : Math.min(plan.nextAtMs, latestMs);
      const [first] = plan.ticks;
      if (first === undefined) {
        await log.schedules.lookAgain(scheduleId, revision, nextAtMs);
        return false;
      }
      const place = { instanceId: tickInstanceId(scheduleId, first.tickMs) };
      await failpoint?.('before_ticks', place);
      const looked = await takeTicks(log, state, plan, nextAtMs);
      await failpoint?.('after_ticks', place);
      // Another replica was faster, or the schedule has changed: the next poll sees what is left.
      if (looked.kind === 'moved') return false;
      for (const { outcome, reason } of looked.taken) {
        count({ what: 'tick', outcome });
        if (outcome === 'invalid')
          logger.warn({ scheduleId, why: reason }, 'a tick could not start its instance');
      }
      for (const instanceId of looked.unattended) started(instanceId);
      return nextAtMs === state.nowMs;
    } catch (cause) {
      if (cause instanceof LogUnavailable) throw cause;
      this.#failed = true;
      this.#trouble.add(errorText(cause), { err: cause, scheduleId });
      await log.schedules.lookAgain(scheduleId, revision, state.nowMs + REST_MS);
      return false;
    }
  }
}
