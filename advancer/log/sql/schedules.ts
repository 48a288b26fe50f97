import type { RowKind } from '../../../src/execution/row.ts';
import type { Queryable } from '../connections.ts';
import type {
  DueCursor,
  NewScheduleRevision,
  RecordedTick,
  ScheduleRevision,
  TicksEntry,
} from '../schedules.ts';
import type { WithNulls } from '../without-nulls.ts';

/** A moment (SQL) as milliseconds since 1970. */
export const MS = (moment: string): string => `(extract(epoch from ${moment}) * 1000)::float8`;

/** SQL for the tick that started an instance (alias `i`); null if none did. */
export const TICK_ORIGIN = `case when i.schedule_id is not null then json_build_object(
  'scheduleId', i.schedule_id,
  'tick', to_char(i.tick at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) end`;

/** SQL for a revision (alias `s`) as JSON. */
export const REVISION = `json_build_object(
  'scheduleId', s.schedule_id, 'revision', s.revision, 'runbookId', s.runbook_id,
  'version', s.version, 'cron', s.cron, 'every', s.every, 'timezone', s.timezone,
  'inputs', s.inputs, 'overlap', s.overlap, 'catchUp', s.catch_up, 'jitter', s.jitter,
  'unattended', s.unattended, 'paused', s.paused, 'deleted', s.deleted,
  'sinceMs', ${MS('s.since')}, 'agentId', s.agent_id,
  'recordedAt', leasehold.iso8601(s.recorded_at))`;

const TICK = `json_build_object(
  'tickMs', ${MS('t.tick')}, 'revision', t.revision, 'outcome', t.outcome,
  'afterMs', ${MS('t.after')}, 'fromMs', ${MS('t.from_tick')}, 'instanceId', t.instance_id,
  'reason', t.reason, 'recordedAt', leasehold.iso8601(t.recorded_at))`;

/** The newest tick of schedule `s`; null before the first. */
const NEWEST_TICK = `(select ${TICK} from leasehold.ticks t where t.schedule_id = s.schedule_id
  order by t.tick desc limit 1)`;

/** The newest revision of a schedule, and its newest tick. */
export interface StateLine {
  revision: WithNulls<ScheduleRevision>;
  tick: WithNulls<RecordedTick> | null;
  now_ms: number;
}

/** A line of a schedule. */
export async function readSchedule(
  db: Queryable,
  scheduleId: string,
): Promise<StateLine | undefined> {
  const [line] = await db.query<StateLine>(
    `select ${REVISION} as revision, ${NEWEST_TICK} as tick, ${MS('now()')} as now_ms
       from leasehold.schedules s where s.schedule_id = $1 order by s.revision desc limit 1`,
    [scheduleId],
  );
  return line;
}

/** The lines of the schedules after an id that are not deleted. */
export function listSchedules(db: Queryable, after: string, limit: number): Promise<StateLine[]> {
  return db.query<StateLine>(
    `select ${REVISION} as revision, ${NEWEST_TICK} as tick, ${MS('now()')} as now_ms
       from leasehold.schedules s
       where s.schedule_id > $1 and not s.deleted and not exists (
         select from leasehold.schedules l
           where l.schedule_id = s.schedule_id and l.revision = s.revision + 1)
       order by s.schedule_id limit $2`,
    [after, limit],
  );
}

/** The newest ticks of a schedule. */
export async function readTicks(
  db: Queryable,
  scheduleId: string,
  limit: number,
): Promise<WithNulls<RecordedTick>[]> {
  const lines = await db.query<{ tick: WithNulls<RecordedTick> }>(
    `select ${TICK} as tick from leasehold.ticks t
       where t.schedule_id = $1 order by t.tick desc limit $2`,
    [scheduleId, limit],
  );
  return lines.map(({ tick }) => tick);
}

/** Appends a revision. @throws DatabaseError with a code of guard_schedules.sql, or 23505 */
export async function insertRevision(db: Queryable, revision: NewScheduleRevision): Promise<void> {
  await db.query(
    `insert into leasehold.schedules
         (schedule_id, revision, runbook_id, version, cron, every, timezone, inputs, overlap,
          catch_up, jitter, unattended, paused, deleted, since, agent_id)
       values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10, $11, $12, $13, $14, $15, $16)`,
    [
      revision.scheduleId,
      revision.revision,
      revision.runbookId,
      revision.version ?? null,
      revision.cron ?? null,
      revision.every ?? null,
      revision.timezone ?? null,
      JSON.stringify(revision.inputs),
      revision.overlap,
      revision.catchUp,
      revision.jitter ?? null,
      revision.unattended,
      revision.paused,
      revision.deleted,
      isoOf(revision.sinceMs),
      revision.agentId,
    ],
  );
}

/** What is found of schedules that are due. */
export interface DueLine {
  /** The page, in order. */
  due: (StateLine & DueCursor)[];
  in_ms: number | null;
}

/** The schedules that are due, the longest due first; and when the next one will be. */
export async function dueSchedules(
  db: Queryable,
  limit: number,
  after: DueCursor | undefined,
): Promise<DueLine> {
  const [line] = await db.query<DueLine>(
    `select
       (select coalesce(json_agg(json_build_object(
            'nextAt', due.next_at::text, 'scheduleId', due.schedule_id, 'revision', ${REVISION},
            'tick', ${NEWEST_TICK}, 'now_ms', ${MS('now()')})
            order by due.next_at, due.schedule_id), '[]')
          from (select p.schedule_id, p.revision, p.next_at
              from leasehold_projection.schedules p
              where p.next_at <= now() and (p.next_at, p.schedule_id) > ($2::timestamptz, $3::text)
              order by p.next_at, p.schedule_id limit $1) due
          join leasehold.schedules s
            on s.schedule_id = due.schedule_id and s.revision = due.revision) as due,
       (select ${MS('min(p.next_at)')} - ${MS('now()')}
          from leasehold_projection.schedules p where p.next_at > now()) as in_ms`,
    [limit, after?.nextAt ?? '-infinity', after?.scheduleId ?? ''],
  );
  if (line === undefined) throw new Error('Postgres returned no row for what is due');
  return line;
}

/**
 * Appends ticks, starts their instances and moves the schedule's line on. An instance gets its
 * other id if an instance has the first one.
 *
 * @returns the ids of the instances, in the order of their ticks
 * @throws DatabaseError with a code of guard_ticks.sql, or 23505
 */
export async function insertTicks(db: Queryable, entry: TicksEntry): Promise<string[]> {
  const wanted = entry.ticks.map(({ tickMs, outcome, afterMs, fromMs, reason, start }) => ({
    tick: isoOf(tickMs),
    outcome,
    after: isoOf(afterMs),
    from_tick: fromMs === undefined ? null : isoOf(fromMs),
    reason: reason ?? null,
    id: start?.instanceId ?? null,
    other_id: start?.otherId ?? null,
    version: start?.version ?? null,
    inputs: start?.inputs ?? null,
  }));
  const lines = await db.query<{ id: string }>(
    `with wanted as (
       select w.*, case
           when exists (select from leasehold.instances i where i.instance_id = w.id)
             then w.other_id else w.id end as instance_id
         from jsonb_to_recordset($1::jsonb) as w (tick timestamptz, outcome text, after timestamptz,
           from_tick timestamptz, reason text, id text, other_id text, version int, inputs jsonb)),
     stored as (
       insert into leasehold.instances
           (instance_id, runbook_id, version, inputs, agent_id, schedule_id, tick, unattended)
         select instance_id, $2, version, inputs, $3, $4, tick, $7
           from wanted where outcome = 'started' order by instance_id
         returning instance_id, version, tick),
     listed as (
       insert into leasehold_projection.instances
           (instance_id, runbook_id, version, status, next_cell_id, last_seq, updated_at)
         select instance_id, $2, version, 'ready', null, 0, clock_timestamp() from stored
         on conflict do nothing),
     ticked as (
       insert into leasehold.ticks
           (schedule_id, tick, revision, outcome, after, from_tick, instance_id, reason)
         select $4, tick, $5, outcome, after, from_tick, instance_id, reason
           from wanted order by tick),
     moved as (
       update leasehold_projection.schedules p set next_at = $6::timestamptz
         where p.schedule_id = $4 and p.revision = $5)
     select instance_id as id from stored order by tick`,
    [
      JSON.stringify(wanted),
      entry.runbookId,
      entry.agentId,
      entry.scheduleId,
      entry.revision,
      entry.nextAtMs === undefined ? null : isoOf(entry.nextAtMs),
      entry.unattended,
    ],
  );
  return lines.map(({ id }) => id);
}

/** Moves the line of a schedule, unless its revision has changed. */
export async function putNextAt(
  db: Queryable,
  scheduleId: string,
  revision: number,
  nextAtMs: number | undefined,
): Promise<void> {
  await db.query(
    `update leasehold_projection.schedules set next_at = $3::timestamptz
       where schedule_id = $1 and revision = $2`,
    [scheduleId, revision, nextAtMs === undefined ? null : isoOf(nextAtMs)],
  );
}

/** The instance of the newest tick that started one, with the newest row of its log. */
export interface TickInstanceLine {
  instanceId: string;
  runbookId: string;
  version: number;
  /** Null for an empty log. */
  kind: RowKind | null;
  cellId: string;
  as: string | null;
}

/** See {@link TickInstanceLine}. */
export async function newestTickInstance(
  db: Queryable,
  scheduleId: string,
): Promise<TickInstanceLine | undefined> {
  const [line] = await db.query<TickInstanceLine>(
    `select i.instance_id as "instanceId", i.runbook_id as "runbookId", i.version,
         e.kind, coalesce(e.cell_id, '') as "cellId", e."as"
       from (select * from leasehold.instances where schedule_id = $1
         order by tick desc limit 1) i
       left join lateral (
         select e.kind, e.cell_id, case when e.kind = 'decided' then e.body ->> 'as' end as "as"
           from leasehold.executions e where e.instance_id = i.instance_id
           order by e.seq desc limit 1) e on true`,
    [scheduleId],
  );
  return line;
}

/** The database's clock, in whole milliseconds since 1970. */
export async function readClock(db: Queryable): Promise<number> {
  const [line] = await db.query<{ now_ms: number }>(`select floor(${MS('now()')}) as now_ms`);
  if (line === undefined) throw new Error('Postgres returned no row for its clock');
  return line.now_ms;
}

/** Writes the lines of schedules that are missing or of an older revision, or all of them. */
export async function restoreScheduleLines(db: Queryable, all: boolean): Promise<void> {
  await db.query(
    `insert into leasehold_projection.schedules (schedule_id, revision, next_at)
       select s.schedule_id, s.revision,
              case when not s.paused and not s.deleted then '-infinity'::timestamptz end
         from leasehold.schedules s
         left join leasehold_projection.schedules p using (schedule_id)
         where ($1 or p.revision is null or p.revision < s.revision) and not exists (
           select from leasehold.schedules l
             where l.schedule_id = s.schedule_id and l.revision = s.revision + 1)
       on conflict (schedule_id) do update
         set revision = excluded.revision, next_at = excluded.next_at
         where schedules.revision < excluded.revision
           or $1 and schedules.revision = excluded.revision`,
    [all],
  );
}

function isoOf(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
