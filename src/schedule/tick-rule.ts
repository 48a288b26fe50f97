/** What became of a tick. */
export const TICK_OUTCOMES = ['started', 'skipped', 'invalid'] as const;
/** See {@link TICK_OUTCOMES}. */
export type TickOutcome = (typeof TICK_OUTCOMES)[number];

/** What the rule reads of a schedule: its newest revision and its newest tick. */
export interface RuledSchedule {
  revision: number;
  /** Whether it starts nothing: it is paused or deleted. */
  idle: boolean;
  /** When the revision began. */
  sinceMs: number;
  newestTickMs: number | undefined;
}

/** What the rule reads of a tick. */
export interface RuledTick {
  tickMs: number;
  revision: number;
  /** What the decision rested on: the newest tick, or when the revision began. */
  afterMs: number | undefined;
  /** The first tick that it stands for; undefined: itself only. */
  fromMs: number | undefined;
  outcome: TickOutcome;
}

/** Why a tick is refused. */
export interface TickBreach {
  code: 'LH003' | 'LH006' | '23503';
  detail: string;
}

/**
 * The rule of ticks: why a tick may not be appended; undefined when it may. `guard_ticks.sql`
 * states the same rule, and a property test compares the two. The audit applies it to what is
 * recorded.
 */
export function tickBreach(
  schedule: RuledSchedule | undefined,
  tick: RuledTick,
  nowMs: number,
): TickBreach | undefined {
  if (schedule === undefined) return { code: '23503', detail: 'there is no such schedule' };
  const { revision, idle, sinceMs, newestTickMs } = schedule;
  const basisMs = Math.max(sinceMs, newestTickMs ?? Number.NEGATIVE_INFINITY);
  if (tick.revision !== revision)
    return { code: 'LH006', detail: `revision ${tick.revision} is not the newest, ${revision}` };
  if (idle) return { code: 'LH003', detail: `revision ${revision} is paused or deleted` };
  if (tick.tickMs <= basisMs)
    return { code: 'LH003', detail: `it is not later than ${isoOf(basisMs)}` };
  if (tick.tickMs > nowMs)
    return { code: 'LH003', detail: 'it had not come yet, by the clock of the database' };
  if (tick.afterMs !== undefined && tick.afterMs !== basisMs)
    return { code: 'LH006', detail: restsOn(tick.afterMs, basisMs) };
  const { fromMs } = tick;
  if (fromMs === undefined) return undefined;
  const stands = tick.outcome === 'skipped' && fromMs > basisMs && fromMs <= tick.tickMs;
  return stands ? undefined : { code: 'LH003', detail: 'it cannot stand for others' };
}

function restsOn(afterMs: number, basisMs: number): string {
  return `it rests on ${isoOf(afterMs)}, and ${isoOf(basisMs)} is before it`;
}

function isoOf(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
