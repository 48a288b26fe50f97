import type { Logger } from './logger.ts';
import type { Clock } from './time/clock.ts';

/** The wait before a trouble is logged a second time; it doubles from there. */
const FIRST_PAUSE_MS = 5_000;
const MAX_PAUSE_MS = 300_000;
/** At most this many reasons of one trouble are logged as soon as they come; a server has few. */
const MAX_REASONS = 8;

/** How to make a {@link TroubleLog}. */
export interface TroubleLogOptions {
  clock: Pick<Clock, 'monotonicMs'>;
  /** Undefined: nothing is logged. */
  logger: Pick<Logger, 'info' | 'warn' | 'error'> | undefined;
  /** What is logged when it happens. */
  happens: string;
  /** What is logged once it is over; default: nothing. */
  over?: string | undefined;
  /** Default: `warn`. */
  level?: 'warn' | 'error';
}

/**
 * Logs a trouble that comes again as often as something is tried, such as a server that is down:
 * the first time, whenever its reason is new, and from time to time with how often it came.
 */
export class TroubleLog {
  readonly #options: TroubleLogOptions;
  readonly #reasons = new Set<string>();
  #times = 0;
  #sinceMs = 0;
  #nextMs = 0;
  #pauseMs = FIRST_PAUSE_MS;

  constructor(options: TroubleLogOptions) {
    this.#options = options;
  }

  /** It happened. */
  add(why: string, fields: object = {}): void {
    const { clock, logger, happens, level = 'warn' } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#times === 0) this.#sinceMs = nowMs;
    this.#times += 1;
    if (!this.#isNew(why)) {
      if (nowMs < this.#nextMs) return;
      this.#pauseMs = Math.min(MAX_PAUSE_MS, this.#pauseMs * 2);
    }
    this.#nextMs = nowMs + this.#pauseMs;
    logger?.[level]({ ...fields, why, ...(this.#times > 1 ? this.#soFar(nowMs) : {}) }, happens);
  }

  /** It is over, if it ever happened. */
  end(): void {
    if (this.#times === 0) return;
    const { clock, logger, over } = this.#options;
    if (over !== undefined) logger?.info(this.#soFar(clock.monotonicMs()), over);
    this.#times = 0;
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#reasons.clear();
  }

  /** Whether the reason has not come yet. Numbers such as ports and times make no new reason. */
  #isNew(why: string): boolean {
    const reason = why.replace(/\d+/g, '0');
    if (this.#reasons.has(reason) || this.#reasons.size >= MAX_REASONS) return false;
    this.#reasons.add(reason);
    return true;
  }

  #soFar(nowMs: number): { times: number; forMs: number } {
    return { times: this.#times, forMs: Math.round(nowMs - this.#sinceMs) };
  }
}
