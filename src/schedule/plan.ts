import { jitterOf } from './tick-id.ts';
import { timesAfter, timesOf, type Times, type Timing } from './timing.ts';

/** What becomes of an instance that is due while the one before it has not ended. */
export const OVERLAPS = ['skip', 'allow'] as const;
/** See {@link OVERLAPS}. */
export type Overlap = (typeof OVERLAPS)[number];

/** Which of the ticks that were missed are started late. */
export const CATCH_UPS = ['last', 'all', 'none'] as const;
/** See {@link CATCH_UPS}. */
export type CatchUp = (typeof CATCH_UPS)[number];

/** A tick that nobody took this long after it was due was missed. */
export const MISSED_AFTER_MS = 60_000;
/** At most this many of a schedule's missed ticks are caught up or recorded one by one. */
export const MAX_MISSED = 500;
/** How many ticks of one schedule are recorded at once. */
export const TICKS_PER_BATCH = 100;

/** What the plan of a schedule's ticks depends on. */
export interface PlanInput {
  scheduleId: string;
  timing: Timing;
  catchUp: CatchUp;
  jitterMs: number;
  /** The newest tick, or when the revision began: ticks come after it. */
  afterMs: number;
  /** By the database's clock. */
  nowMs: number;
}

/** A tick that is due. */
export interface PlannedTick {
  tickMs: number;
  /** `missed`: it is too late for it, and the schedule does not catch it up. */
  verdict: 'start' | 'missed';
  /** Set if it stands for every tick from this one on: more were missed than are looked at. */
  fromMs?: number;
}

/** What is due of a schedule. */
export interface TickPlan {
  /** In order. */
  ticks: PlannedTick[];
  /** When the schedule is due again; undefined if never. */
  nextAtMs: number | undefined;
}

/**
 * Which ticks of a schedule are due, and what becomes of them. Ticks are taken in order; a long
 * backlog comes in batches.
 */
export function planTicks(input: PlanInput): TickPlan {
  const { scheduleId, catchUp, jitterMs, afterMs, nowMs } = input;
  const times = timesOf(input.timing);
  const dueAt = (tickMs: number): number => tickMs + jitterOf(scheduleId, tickMs, jitterMs);
  const isMissed = (tickMs: number): boolean => dueAt(tickMs) + MISSED_AFTER_MS < nowMs;

  const backlog = backlogOf(times, afterMs, nowMs - jitterMs - MISSED_AFTER_MS - 1);
  if ('tooMany' in backlog) return { ticks: [backlog.tooMany], nextAtMs: nowMs };
  const due = backlog.missed;
  let nextMs = times.after(due.at(-1) ?? afterMs);
  // One that is not due makes those after it wait.
  while (nextMs !== undefined && dueAt(nextMs) <= nowMs && due.length <= MAX_AT_ONCE) {
    due.push(nextMs);
    nextMs = times.after(nextMs);
  }
  const newestMissed = due.findLast(isMissed);
  const ticks = due.slice(0, TICKS_PER_BATCH).map((tickMs): PlannedTick => {
    const caughtUp = catchUp === 'all' || (catchUp === 'last' && tickMs === newestMissed);
    return { tickMs, verdict: isMissed(tickMs) && !caughtUp ? 'missed' : 'start' };
  });
  if (due.length > ticks.length) return { ticks, nextAtMs: nowMs };
  return { ticks, nextAtMs: nextMs === undefined ? undefined : dueAt(nextMs) };
}

/** More are not looked at together. */
const MAX_AT_ONCE = MAX_MISSED + TICKS_PER_BATCH;

/**
 * The times after `afterMs` and up to `untilMs`, which were all missed whatever their jitter; if
 * there are too many, the newest of those that are.
 */
function backlogOf(
  times: Times,
  afterMs: number,
  untilMs: number,
): { missed: number[] } | { tooMany: PlannedTick } {
  const missed = timesAfter(times, afterMs, TICKS_PER_BATCH, untilMs);
  if (missed.length < TICKS_PER_BATCH) return { missed };
  const newest = times.newest(untilMs, MAX_MISSED + 1).filter((timeMs) => timeMs > afterMs);
  if (newest.length <= MAX_MISSED) return { missed: newest };
  return { tooMany: { tickMs: newest[0]!, fromMs: missed[0]!, verdict: 'missed' } };
}
