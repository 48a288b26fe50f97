import type { Row, WireRow } from '../../../src/execution/row.ts';
import type { ParentView, TickOriginView } from '../../../src/execution/views.ts';
import type { Receipt } from '../../../src/request/receipt.ts';
import type { Queryable } from '../connections.ts';
import type { Instance, NewInstance } from '../log.ts';
import { ORIGIN } from './children.ts';
import { TICK_ORIGIN } from './schedules.ts';
import { WIRE_ROW, fromWire } from './wire.ts';

const COLUMNS = `i.instance_id as "instanceId", i.runbook_id as "runbookId", i.version, i.inputs,
  i.agent_id as "agentId", i.unattended, leasehold.iso8601(i.recorded_at) as "recordedAt", ${ORIGIN} as parent,
  ${TICK_ORIGIN} as schedule`;

interface InstanceLine extends Omit<Instance, 'parent' | 'schedule'> {
  parent: ParentView | null;
  schedule: TickOriginView | null;
}

function fromLine({ parent, schedule, ...instance }: InstanceLine): Instance {
  if (parent !== null) return { ...instance, parent };
  return schedule === null ? instance : { ...instance, schedule };
}

/**
 * Stores the instance and its first line in the projection. Undefined if the id is taken or the
 * runbook version does not exist.
 */
export async function insertInstance(
  db: Queryable,
  instance: NewInstance,
): Promise<Instance | undefined> {
  const unattended = instance.unattended ?? false;
  const [stored] = await db.query<{ recordedAt: string }>(
    `with stored as (
       insert into leasehold.instances
           (instance_id, runbook_id, version, inputs, agent_id, unattended)
         select $1, $2, $3, $4::jsonb, $5, $6
           where exists (select from leasehold.runbooks where runbook_id = $2 and version = $3)
         on conflict do nothing
         returning *),
     listed as (
       insert into leasehold_projection.instances
           (instance_id, runbook_id, version, status, next_cell_id, last_seq, updated_at)
         select instance_id, runbook_id, version, 'ready', null, 0, clock_timestamp() from stored
         on conflict do nothing)
     select leasehold.iso8601(recorded_at) as "recordedAt" from stored`,
    [
      instance.instanceId,
      instance.runbookId,
      instance.version,
      JSON.stringify(instance.inputs),
      instance.agentId,
      unattended,
    ],
  );
  return stored && { ...instance, unattended, recordedAt: stored.recordedAt };
}

/** The instance as it was started. */
export async function readInstance(
  db: Queryable,
  instanceId: string,
): Promise<Instance | undefined> {
  const [line] = await db.query<InstanceLine>(
    `select ${COLUMNS} from leasehold.instances i where i.instance_id = $1`,
    [instanceId],
  );
  return line && fromLine(line);
}

/** A `Snapshot` without its runbook, which cannot change. */
export interface LogSnapshot {
  instance: Instance;
  rows: Row[];
  receipt: Receipt | undefined;
  readAtMs: number;
}

/** What to read: an instance, and the receipt of a request. */
export interface SnapshotQuery {
  instanceId: string;
  requestId: string | undefined;
}

/**
 * For each query the instance, its whole log and the receipt of the request, all from one snapshot.
 * Undefined for an instance that does not exist.
 */
export async function readSnapshots(
  db: Queryable,
  queries: readonly SnapshotQuery[],
): Promise<(LogSnapshot | undefined)[]> {
  const lines = await db.query<
    InstanceLine & { nth: number; rows: WireRow[]; receipt: Receipt | null; readAtMs: number }
  >(
    `select w.nth::int as nth, ${COLUMNS},
       (select coalesce(json_agg(${WIRE_ROW} order by e.seq), '[]')
         from leasehold.executions e where e.instance_id = i.instance_id) as rows,
       (select q.receipt from leasehold.requests q where q.request_id = w.request_id) as receipt,
       (extract(epoch from clock_timestamp()) * 1000)::float8 as "readAtMs"
     from unnest($1::text[], $2::text[]) with ordinality as w (wanted_id, request_id, nth)
     join leasehold.instances i on i.instance_id = w.wanted_id`,
    [
      queries.map(({ instanceId }) => instanceId),
      queries.map(({ requestId }) => requestId ?? null),
    ],
  );
  const snapshots: (LogSnapshot | undefined)[] = queries.map(() => undefined);
  for (const { nth, rows, receipt, readAtMs, ...instance } of lines) {
    const read = { rows: rows.map(fromWire), receipt: receipt ?? undefined, readAtMs };
    snapshots[nth - 1] = { instance: fromLine(instance), ...read };
  }
  return snapshots;
}

/** Ids of the instances after `after`, in order. */
export async function instanceIdsAfter(
  db: Queryable,
  after: string,
  limit: number,
): Promise<string[]> {
  const lines = await db.query<{ id: string }>(
    `select instance_id as id from leasehold.instances where instance_id > $1 order by instance_id limit $2`,
    [after, limit],
  );
  return lines.map((line) => line.id);
}
