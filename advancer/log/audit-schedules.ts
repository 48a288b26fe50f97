import type { ScheduleEvidence, TickEvidence } from '../../src/audit/schedule-checks.ts';
import type { Queryable } from './connections.ts';
import { auditRevisions, auditScheduleIds, auditTicks } from './sql/audit-schedules.ts';
import { withoutNulls } from './without-nulls.ts';

/** Schedules, and ticks, that are read at once. */
const PAGE = 5_000;
/** Earlier than any tick. */
const BEGINNING_MS = Date.UTC(1, 0, 1);

/** Every schedule of a log, a page of ticks at a time. */
export async function* scheduleEvidence(db: Queryable): AsyncGenerator<ScheduleEvidence> {
  for (let after = ''; ;) {
    const ids = await auditScheduleIds(db, after, PAGE);
    for (const scheduleId of ids) yield* evidenceOfSchedule(db, scheduleId);
    const last = ids.at(-1);
    if (last === undefined) return;
    after = last;
  }
}

async function* evidenceOfSchedule(
  db: Queryable,
  scheduleId: string,
): AsyncGenerator<ScheduleEvidence> {
  const lines = await auditRevisions(db, scheduleId);
  const revisions = lines.map((line) => withoutNulls(line));
  let before: TickEvidence | undefined;
  for (;;) {
    const page = await auditTicks(db, scheduleId, before?.tickMs ?? BEGINNING_MS, PAGE);
    const ticks = page.map(({ tick, instance }): TickEvidence => {
      const known = instance === null ? undefined : withoutNulls(instance);
      return { ...withoutNulls(tick), instance: known };
    });
    const isLast = page.length < PAGE;
    // Whether replicas were there to take the newest ones, a log cannot say.
    yield { scheduleId, revisions, ticks, before, isLast, settledMs: undefined };
    if (isLast) return;
    before = ticks.at(-1);
  }
}
