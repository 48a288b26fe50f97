import type { WireRow } from '../../../src/execution/row.ts';
import type { Runbook } from '../../../src/runbook/runbook.ts';
import type { Queryable } from '../connections.ts';
import type { Instance, Snapshot } from '../log.ts';
import { WIRE_ROW, fromWire } from './wire.ts';

const COLUMNS =
  'instance_id as "instanceId", runbook_id as "runbookId", version, inputs, agent_id as "agentId"';

/**
 * Stores the instance, and its first line in the projection, unless there is one by that id or no such runbook
 * version; the one stored, or undefined.
 */
export async function insertInstance(db: Queryable, instance: Instance): Promise<Instance | undefined> {
  const [line] = await db.query<Instance>(
    `with stored as (
       insert into leasehold.instances (instance_id, runbook_id, version, inputs, agent_id)
         select $1, $2, $3, $4::jsonb, $5
           where exists (select from leasehold.runbooks where runbook_id = $2 and version = $3)
         on conflict do nothing
         returning *),
     listed as (
       insert into leasehold_projection.instances
           (instance_id, runbook_id, version, status, next_cell_id, last_seq, updated_at)
         select instance_id, runbook_id, version, 'ready', null, 0, clock_timestamp() from stored
         on conflict do nothing)
     select ${COLUMNS} from stored`,
    [
      instance.instanceId,
      instance.runbookId,
      instance.version,
      JSON.stringify(instance.inputs),
      instance.agentId,
    ],
  );
  return line;
}

/** The instance as it was started. */
export async function readInstance(db: Queryable, instanceId: string): Promise<Instance | undefined> {
  const [line] = await db.query<Instance>(
    `select ${COLUMNS} from leasehold.instances where instance_id = $1`,
    [instanceId],
  );
  return line;
}

/** The instance, its runbook and its whole log, of one moment: one statement, one snapshot. */
export async function readSnapshot(db: Queryable, instanceId: string): Promise<Snapshot | undefined> {
  const [line] = await db.query<{ instance: Instance; runbook: Runbook | null; rows: WireRow[] }>(
    `select
       json_build_object('instanceId', i.instance_id, 'runbookId', i.runbook_id, 'version', i.version,
         'inputs', i.inputs, 'agentId', i.agent_id) as instance,
       (select json_build_object('runbook', r.runbook_id, 'version', r.version, 'inputs', r.inputs,
           'cells', r.cells)
         from leasehold.runbooks r where r.runbook_id = i.runbook_id and r.version = i.version) as runbook,
       (select coalesce(json_agg(${WIRE_ROW} order by e.seq), '[]')
         from leasehold.executions e where e.instance_id = i.instance_id) as rows
     from leasehold.instances i where i.instance_id = $1`,
    [instanceId],
  );
  if (line === undefined) return undefined;
  const { instance, runbook } = line;
  if (runbook === null) {
    throw new Error(
      `instance ${instanceId} runs ${instance.runbookId} version ${instance.version}, which is not in the log: ` +
        'push that version (leasehold runbook push)',
    );
  }
  return { instance, runbook, rows: line.rows.map(fromWire) };
}

/** Ids of the instances after `after`, in order; the way through all of them. */
export async function instanceIdsAfter(db: Queryable, after: string, limit: number): Promise<string[]> {
  const lines = await db.query<{ id: string }>(
    `select instance_id as id from leasehold.instances where instance_id > $1 order by instance_id limit $2`,
    [after, limit],
  );
  return lines.map((line) => line.id);
}
