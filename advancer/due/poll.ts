import type { Leases } from '../../coordinator/leases.ts';
import { errorText } from '../../src/error-text.ts';
import type { Logger } from '../../src/logger.ts';
import type { Clock, Timer } from '../../src/time/clock.ts';
import { TroubleLog } from '../../src/trouble-log.ts';
import type { DueInstance, DueLines } from '../log/due.ts';
import { LogUnavailable } from '../log/log.ts';
import type { Looks } from './looks.ts';
import type { ClusterTurns } from './turns.ts';
import type { Wakes } from './wakes.ts';

/** What is due and not announced is found within this time. */
const INTERVAL_MS = 500;
/** Announcements that come together lead to one poll. */
const SOON_MS = 10;
/** Leases vanish all the time, most of them because their instances are at rest. */
const VANISHED_MS = 150;
const PAGE_SIZE = 500;
/** Reading further pages takes at most one part in this many of the time. */
const IDLE_FACTOR = 10;
/** All lines are compared with the log, one page after the other, by one replica. */
const RECHECK_INTERVAL_MS = 5_000;

/** What {@link DuePoll} needs from the rest of the replica. */
export interface DuePollOptions {
  lines: DueLines;
  turns: Pick<ClusterTurns, 'mine'>;
  looks: Pick<Looks, 'lookAtPage'>;
  wakes: Pick<Wakes, 'take'>;
  leases: Pick<Leases, 'notLeading' | 'onVanished'>;
  clock: Clock;
  logger: Logger;
  logTrouble: (cause: unknown) => void;
}

/**
 * Finds what is due: instances whose time has come, and notes of what somebody waits for. One short
 * query, by indexes only, twice a second and whenever something is announced or the next time has
 * come. So an idle replica asks the same, however many instances wait.
 */
export class DuePoll {
  readonly #options: DuePollOptions;
  #timer: Timer | undefined;
  /** When the next poll is due, on the monotonic clock. */
  #dueMs = Number.POSITIVE_INFINITY;
  #polling = false;
  #again = false;
  #working = false;
  #deepFromMs = 0;
  #recheckFromMs = 0;
  #recheckedTo = '';
  #stopped = false;
  readonly #trouble: TroubleLog;

  constructor(options: DuePollOptions) {
    const { clock, logger } = options;
    this.#options = options;
    const happens = 'internal error while looking for what is due';
    this.#trouble = new TroubleLog({ clock, logger, happens, level: 'error' });
    // What its holder would have done is another one's turn; many vanish together.
    options.leases.onVanished(() => this.#schedule(VANISHED_MS));
  }

  start(): void {
    this.#recheckFromMs = this.#options.clock.monotonicMs() + RECHECK_INTERVAL_MS;
    this.soon();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Something may be due: polls soon. Cheap, however often it is called. */
  soon(): void {
    if (this.#polling) this.#again = true;
    else this.#schedule(SOON_MS);
  }

  #schedule(delayMs: number): void {
    const dueMs = this.#options.clock.monotonicMs() + delayMs;
    if (this.#stopped || this.#polling || dueMs >= this.#dueMs) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.#polling = true;
      void this.#poll().then((nextMs) => {
        this.#polling = false;
        this.#schedule(this.#again ? SOON_MS : nextMs);
        this.#again = false;
      });
    });
  }

  /** Returns after how long to poll again. */
  async #poll(): Promise<number> {
    const { lines, leases, wakes } = this.#options;
    if (leases.notLeading() !== undefined) return INTERVAL_MS;
    try {
      const { due, wakes: noted, nextMs = INTERVAL_MS } = await lines.find(PAGE_SIZE);
      if (due.length > 0 && !this.#working) void this.#work(due);
      if (noted.length > 0) wakes.take(noted);
      await this.#recheck();
      this.#trouble.end();
      return Math.min(INTERVAL_MS, Math.max(1, nextMs));
    } catch (cause) {
      this.#failed(cause);
      return INTERVAL_MS;
    }
  }

  /** Looks at what is due, as far as it is this replica's turn: the first page, then the rest. */
  async #work(first: DueInstance[]): Promise<void> {
    const { lines, looks, clock } = this.#options;
    this.#working = true;
    try {
      let page = first;
      let readingMs = 0;
      for (;;) {
        await looks.lookAtPage(page, (instanceId, looked) => {
          // A line of an instance that is attended, or is not there, is nobody's.
          if (looked === 'left') void this.#drop(instanceId);
        });
        const last = page.at(-1);
        const sinceMs = clock.monotonicMs();
        if (this.#stopped || last === undefined || page.length < PAGE_SIZE) break;
        if (page === first && sinceMs < this.#deepFromMs) break;
        page = await lines.dueAfter(last, PAGE_SIZE);
        readingMs += clock.monotonicMs() - sinceMs;
      }
      if (readingMs > 0) this.#deepFromMs = clock.monotonicMs() + IDLE_FACTOR * readingMs;
    } catch (cause) {
      this.#failed(cause);
    } finally {
      this.#working = false;
    }
  }

  async #drop(instanceId: string): Promise<void> {
    await this.#options.lines
      .put([{ instanceId, lastSeq: 0, rest: 'ended' }])
      .catch((cause: unknown) => this.#failed(cause));
  }

  /** The last resort: a page of all lines is compared with what they were derived from. */
  async #recheck(): Promise<void> {
    const { lines, turns, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs < this.#recheckFromMs || !turns.mine('recheck')) return;
    this.#recheckFromMs = nowMs + RECHECK_INTERVAL_MS;
    const { last, found } = await lines.recheck(this.#recheckedTo, PAGE_SIZE);
    this.#recheckedTo = last ?? '';
    if (found > 0) this.#again = true;
  }

  #failed(cause: unknown): void {
    if (cause instanceof LogUnavailable) this.#options.logTrouble(cause);
    else this.#trouble.add(errorText(cause), { err: cause });
  }
}
