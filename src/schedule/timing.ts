import { CronTimes } from './cron.ts';

/** When a schedule's ticks are: times of a cron expression, or multiples of an interval. */
export type Timing =
  | { cron: string; timezone: string }
  /** Counted from 1970-01-01T00:00:00Z, so that every replica and revision counts alike. */
  | { everyMs: number };

/** Times in milliseconds since 1970. They are whole seconds. */
export interface Times {
  /** The first one after a moment; undefined if none comes any more. */
  after(momentMs: number): number | undefined;
  /** The newest `max` up to a moment, in order. */
  newest(untilMs: number, max: number): number[];
}

/** The times of a timing. */
export function timesOf(timing: Timing): Times {
  return 'cron' in timing
    ? new CronTimes(timing.cron, timing.timezone)
    : new IntervalTimes(timing.everyMs);
}

/** The next `max` times after a moment, up to another one. */
export function timesAfter(
  times: Pick<Times, 'after'>,
  afterMs: number,
  max: number,
  untilMs = Number.POSITIVE_INFINITY,
): number[] {
  const found: number[] = [];
  for (let at: number | undefined = afterMs; found.length < max;) {
    at = times.after(at);
    if (at === undefined || at > untilMs) break;
    found.push(at);
  }
  return found;
}

/** The multiples of an interval. */
class IntervalTimes implements Times {
  readonly #everyMs: number;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  after(momentMs: number): number {
    return (Math.floor(momentMs / this.#everyMs) + 1) * this.#everyMs;
  }

  newest(untilMs: number, max: number): number[] {
    const last = Math.floor(untilMs / this.#everyMs);
    return Array.from({ length: max }, (_, nth) => (last - max + 1 + nth) * this.#everyMs);
  }
}
