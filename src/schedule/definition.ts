import type { JsonObject } from '../json.ts';
import { parseWaitMs } from '../time/duration.ts';
import { cronProblem, DEFAULT_TIMEZONE, timezoneProblem } from './cron.ts';
import type { CatchUp, Overlap } from './plan.ts';
import { timesAfter, timesOf, type Timing } from './timing.ts';

/** What a schedule starts, and when. */
export interface ScheduleDefinition {
  runbookId: string;
  /** Undefined for the newest version at each tick. */
  version?: number | undefined;
  /** Exactly one of `cron` and `every`. */
  cron?: string | undefined;
  every?: string | undefined;
  /** Of `cron`. */
  timezone?: string | undefined;
  inputs: JsonObject;
  overlap: Overlap;
  catchUp: CatchUp;
  jitter?: string | undefined;
  unattended: boolean;
}

type WhenFields = Pick<ScheduleDefinition, 'cron' | 'every' | 'timezone' | 'jitter'>;

const DAY_MS = 86_400_000;
const MAX_EVERY_MS = 366 * DAY_MS;
/** How many gaps between ticks are compared with the jitter. */
const GAPS = 64;

/** When the ticks of a schedule are; its definition must be without problems. */
export function timingOf({ cron, every, timezone }: WhenFields): Timing {
  if (cron !== undefined) return { cron, timezone: timezone ?? DEFAULT_TIMEZONE };
  return { everyMs: parseWaitMs(every ?? '') ?? Number.NaN };
}

/** The longest delay of a tick, in milliseconds. */
export function jitterMsOf({ jitter }: WhenFields): number {
  return jitter === undefined ? 0 : (parseWaitMs(jitter) ?? Number.NaN);
}

/** The first thing that is wrong with when a schedule's ticks are; undefined if nothing is. */
export function whenProblem(when: WhenFields): { field: string; message: string } | undefined {
  const { cron, every, timezone, jitter } = when;
  const at = (field: string, message: string) => ({ field, message });
  if (cron !== undefined && every !== undefined)
    return at('every', 'is given together with cron; give one of the two');
  if (cron === undefined && every === undefined)
    return at('cron', 'is missing: give cron, such as "0 9 * * 1-5", or every, such as 15m');
  if (every !== undefined) {
    const ms = parseWaitMs(every);
    if (ms === undefined || ms < 1_000 || ms > MAX_EVERY_MS || ms % 1_000 !== 0)
      return at('every', 'must be a duration in whole seconds from 1s to 366d, such as 15m or 1d');
    if (timezone !== undefined)
      return at('timezone', 'belongs to cron; every counts from 1970-01-01T00:00:00Z');
  }
  const zoneProblem = timezone === undefined ? undefined : timezoneProblem(timezone);
  if (zoneProblem !== undefined) return at('timezone', zoneProblem);
  const pattern = cron === undefined ? undefined : cronProblem(cron);
  if (pattern !== undefined) return at('cron', pattern);
  if (jitter === undefined) return undefined;
  const jitterMs = parseWaitMs(jitter);
  if (jitterMs === undefined || jitterMs < 1 || jitterMs > DAY_MS)
    return at('jitter', 'must be a duration of at most 1d, such as 30s');
  const shortestMs = shortestGapMs(timingOf(when));
  if (jitterMs > shortestMs)
    return at('jitter', `is longer than the ${shortestMs / 1_000} s between two ticks`);
  return undefined;
}

function shortestGapMs(timing: Timing): number {
  const times = timesAfter(timesOf(timing), 0, GAPS + 1);
  const gaps = times.slice(1).map((time, nth) => time - times[nth]!);
  return Math.min(...gaps);
}
