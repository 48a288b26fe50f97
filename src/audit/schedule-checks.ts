import { timingOf, type ScheduleDefinition } from '../schedule/definition.ts';
import { tickInstanceId, hashedTickInstanceId, tickIso } from '../schedule/tick-id.ts';
import { tickBreach, type TickOutcome } from '../schedule/tick-rule.ts';
import { timesOf, type Times } from '../schedule/timing.ts';
import type { Guarantee } from './check.ts';

/** A revision of a schedule, as recorded. */
export interface RevisionEvidence extends ScheduleDefinition {
  revision: number;
  paused: boolean;
  deleted: boolean;
  sinceMs: number;
  agentId: string;
}

/** A tick, as recorded, with the instance that it names. */
export interface TickEvidence {
  tickMs: number;
  revision: number;
  outcome: TickOutcome;
  afterMs: number | undefined;
  fromMs: number | undefined;
  instanceId: string | undefined;
  recordedMs: number;
  /** Undefined if there is no such instance. */
  instance:
    | {
        /** Of its origin; undefined if it has none. */
        scheduleId: string | undefined;
        tickMs: number | undefined;
        runbookId: string;
        version: number;
        agentId: string;
      }
    | undefined;
}

/** A schedule, with some of its ticks. */
export interface ScheduleEvidence {
  scheduleId: string;
  /** All of them, in order. */
  revisions: readonly RevisionEvidence[];
  /** Some that follow each other, in order. */
  ticks: readonly TickEvidence[];
  /** The one before them; undefined if they begin with the first. */
  before: TickEvidence | undefined;
  /** Whether they end with the newest one. */
  isLast: boolean;
  /** Ticks up to this moment must be there; undefined if replicas may have been down. */
  settledMs: number | undefined;
}

/** Reports a breach at some ticks; none if the breach is that something is missing. */
export type TickReport = (ticks: readonly TickEvidence[], what: string) => void;

/** One named check of a schedule. Pure. */
export interface ScheduleCheck {
  name: string;
  guarantee: Guarantee;
  /** What must be true, in one sentence. */
  states: string;
  /** What it counts. */
  of: string;
  /** @returns how many things it examined */
  look(evidence: ScheduleEvidence, report: TickReport): number;
}

/** The checks of schedules. */
export const SCHEDULE_CHECKS: readonly ScheduleCheck[] = [
  {
    name: 'ticks-in-order',
    guarantee: 5,
    states:
      'ticks are recorded in order, each once it has come, under the revision of its time, which is not paused',
    of: 'ticks and revisions',
    look(evidence, report) {
      const { revisions, ticks } = evidence;
      revisions.forEach((own, nth) => {
        if (own.revision !== nth + 1) report([], `revision ${nth + 1} is missing`);
        const before = revisions[nth - 1];
        if (before !== undefined && own.sinceMs < before.sinceMs)
          report([], `revision ${own.revision} begins before the one before it`);
      });
      for (const [tick, before] of pairs(evidence)) {
        const fault = orderFault(tick, before, revisions);
        if (fault !== undefined) report([tick], fault);
      }
      return ticks.length + revisions.length;
    },
  },
  {
    name: 'tick-of-its-schedule',
    guarantee: 5,
    states: 'a tick is one of the times that its revision of the schedule says',
    of: 'ticks',
    look({ revisions, ticks }, report) {
      const times = timesByRevision(revisions);
      for (const tick of ticks) {
        const own = times(tick.revision);
        if (own === undefined || own.after(tick.tickMs - 1) === tick.tickMs) continue;
        report([tick], `revision ${tick.revision} has no tick then`);
      }
      return ticks.length;
    },
  },
  {
    name: 'no-tick-left-out',
    guarantee: 5,
    states:
      'every time of a schedule has its tick, or one that stands for it, until the next revision begins',
    of: 'ticks and revisions',
    look(evidence, report) {
      const { revisions, ticks } = evidence;
      const times = timesByRevision(revisions);
      for (const [tick, before] of pairs(evidence)) {
        const sinceMs = revisions[tick.revision - 1]?.sinceMs ?? tick.tickMs;
        const first = times(tick.revision)?.after(Math.max(sinceMs, before?.tickMs ?? sinceMs));
        const stated = tick.fromMs ?? tick.tickMs;
        if (first !== undefined && first < stated)
          report([tick], `${tickIso(first)} comes before it and has no tick`);
      }
      for (const { at, revision } of endsOf(evidence)) {
        const left = times(revision.revision)?.after(at.afterMs);
        if (left !== undefined && left <= at.untilMs)
          report([], `${tickIso(left)} has no tick at revision ${revision.revision}`);
      }
      return ticks.length + revisions.length;
    },
  },
  {
    name: 'tick-has-its-instance',
    guarantee: 5,
    states:
      'a tick that started an instance names one that it alone started, of the runbook of its revision; other ticks name none',
    of: 'ticks',
    look({ scheduleId, revisions, ticks }, report) {
      for (const tick of ticks) {
        const fault = instanceFault(scheduleId, tick, revisions[tick.revision - 1]);
        if (fault !== undefined) report([tick], fault);
      }
      return ticks.length;
    },
  },
];

function* pairs({
  ticks,
  before,
}: ScheduleEvidence): Generator<[TickEvidence, TickEvidence | undefined]> {
  let last = before;
  for (const tick of ticks) {
    yield [tick, last];
    last = tick;
  }
}

function orderFault(
  tick: TickEvidence,
  before: TickEvidence | undefined,
  revisions: readonly RevisionEvidence[],
): string | undefined {
  const own = revisions[tick.revision - 1];
  if (own === undefined) return `there is no revision ${tick.revision}`;
  const next = revisions[tick.revision];
  if (next !== undefined && tick.tickMs > next.sinceMs)
    return `revision ${next.revision} had begun by then`;
  if (before !== undefined && before.revision > tick.revision)
    return `the tick before it is of revision ${before.revision}`;
  const { revision, sinceMs } = own;
  const idle = own.paused || own.deleted;
  const atThatTime = { revision, idle, sinceMs, newestTickMs: before?.tickMs };
  return tickBreach(atThatTime, tick, tick.recordedMs)?.detail;
}

/** The times of a revision by its number; undefined if it has none. */
function timesByRevision(
  revisions: readonly RevisionEvidence[],
): (revision: number) => Times | undefined {
  const known = new Map<number, Times>();
  return (revision) => {
    const own = revisions[revision - 1];
    if (own === undefined || own.paused || own.deleted) return undefined;
    let times = known.get(revision);
    if (times === undefined) known.set(revision, (times = timesOf(timingOf(own))));
    return times;
  };
}

/** The spans at the ends of revisions in which no tick may be, as far as this evidence shows. */
function* endsOf({ revisions, ticks, before, isLast, settledMs }: ScheduleEvidence) {
  const last = ticks.at(-1) ?? before;
  for (const [nth, revision] of revisions.entries()) {
    // Of the revisions that these ticks have left behind.
    const isOver = isLast || (last !== undefined && revision.revision < last.revision);
    const isNew = before === undefined || revision.revision >= before.revision;
    if (!isOver || !isNew) continue;
    const untilMs = revisions[nth + 1]?.sinceMs ?? settledMs;
    const newest = [...(before === undefined ? [] : [before]), ...ticks].findLast(
      (tick) => tick.revision === revision.revision,
    );
    const afterMs = Math.max(revision.sinceMs, newest?.tickMs ?? revision.sinceMs);
    if (untilMs !== undefined) yield { revision, at: { afterMs, untilMs } };
  }
}

function instanceFault(
  scheduleId: string,
  { tickMs, outcome, instanceId, instance }: TickEvidence,
  revision: RevisionEvidence | undefined,
): string | undefined {
  if (outcome !== 'started')
    return instanceId === undefined ? undefined : `it is ${outcome}, but names ${instanceId}`;
  if (instanceId === undefined) return 'it names no instance';
  if (instance === undefined) return `its instance ${instanceId} does not exist`;
  if (instance.scheduleId !== scheduleId || instance.tickMs !== tickMs)
    return `its instance ${instanceId} has another origin`;
  const ids = [tickInstanceId(scheduleId, tickMs), hashedTickInstanceId(scheduleId, tickMs)];
  if (!ids.includes(instanceId)) return `its instance ${instanceId} should be named ${ids[0]}`;
  const { runbookId, version, agentId } = instance;
  const fits =
    revision === undefined ||
    (revision.runbookId === runbookId &&
      (revision.version ?? version) === version &&
      revision.agentId === agentId);
  return fits ? undefined : `its instance ${instanceId} is not what its revision starts`;
}
