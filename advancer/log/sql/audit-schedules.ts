import type { RevisionEvidence, TickEvidence } from '../../../src/audit/schedule-checks.ts';
import type { Queryable } from '../connections.ts';
import type { WithNulls } from '../without-nulls.ts';
import { MS, REVISION } from './schedules.ts';

/** A tick, and the instance that it names, as they are read. */
interface TickLine {
  tick: WithNulls<Omit<TickEvidence, 'instance'>>;
  instance: WithNulls<NonNullable<TickEvidence['instance']>> | null;
}

/** The ids of the schedules after one, in order. */
export async function auditScheduleIds(
  db: Queryable,
  after: string,
  limit: number,
): Promise<string[]> {
  const lines = await db.query<{ id: string }>(
    `select distinct schedule_id as id from (
       select schedule_id from leasehold.schedules where schedule_id > $1
       union all select schedule_id from leasehold.ticks where schedule_id > $1) known
       order by 1 limit $2`,
    [after, limit],
  );
  return lines.map(({ id }) => id);
}

/** The revisions of a schedule, in order. */
export async function auditRevisions(
  db: Queryable,
  scheduleId: string,
): Promise<WithNulls<RevisionEvidence>[]> {
  const lines = await db.query<{ revision: WithNulls<RevisionEvidence> }>(
    `select ${REVISION} as revision from leasehold.schedules s
       where s.schedule_id = $1 order by s.revision`,
    [scheduleId],
  );
  return lines.map(({ revision }) => revision);
}

/** Ticks of a schedule after a moment, in order, each with the instance that it names. */
export function auditTicks(
  db: Queryable,
  scheduleId: string,
  afterMs: number,
  limit: number,
): Promise<TickLine[]> {
  return db.query(
    `select json_build_object('tickMs', ${MS('t.tick')}, 'revision', t.revision,
         'outcome', t.outcome, 'afterMs', ${MS('t.after')}, 'fromMs', ${MS('t.from_tick')},
         'instanceId', t.instance_id, 'recordedMs', ${MS('t.recorded_at')}) as tick,
       case when i.instance_id is not null then json_build_object('scheduleId', i.schedule_id,
         'tickMs', ${MS('i.tick')}, 'runbookId', i.runbook_id, 'version', i.version,
         'agentId', i.agent_id) end as instance
       from leasehold.ticks t left join leasehold.instances i using (instance_id)
       where t.schedule_id = $1 and t.tick > $2::timestamptz order by t.tick limit $3`,
    [scheduleId, new Date(afterMs).toISOString(), limit],
  );
}

/** Of these instances, those with the origin of a tick, and whether that tick started them. */
export async function auditTickOrigins(
  db: Queryable,
  ids: readonly string[],
): Promise<Map<string, { scheduleId: string | null; tick: string | null; isStarted: boolean }>> {
  const lines = await db.query<{
    id: string;
    scheduleId: string | null;
    tick: string | null;
    isStarted: boolean;
  }>(
    `select i.instance_id as id, i.schedule_id as "scheduleId",
         leasehold.iso8601(i.tick) as tick, t.instance_id is not null as "isStarted"
       from leasehold.instances i
       left join leasehold.ticks t on t.schedule_id = i.schedule_id and t.tick = i.tick
         and t.outcome = 'started' and t.instance_id = i.instance_id
       where i.instance_id = any($1) and num_nonnulls(i.schedule_id, i.tick) > 0`,
    [ids],
  );
  return new Map(lines.map(({ id, ...origin }) => [id, origin]));
}
