import type { RowKind } from '../../../src/execution/row.ts';
import type { JsonObject } from '../../../src/json.ts';
import type { ChildrenStart, ParentCancel } from '../children.ts';
import type { Queryable } from '../connections.ts';

/** SQL for the origin of an instance (alias `i`); null if an agent started it. */
export const ORIGIN = `case when i.parent_instance_id is not null then json_strip_nulls(json_build_object(
  'instanceId', i.parent_instance_id, 'cellId', i.parent_cell_id, 'n', i.parent_n)) end`;

/** A child with the newest row of its log. */
export interface ChildLine {
  instanceId: string;
  cellId: string;
  n: number | null;
  attempt: number;
  runbookId: string;
  version: number;
  /** Null for an empty log. */
  kind: RowKind | null;
  newestCellId: string;
  as: string | null;
}

/**
 * The children of an instance, or of one of its cells, each with the newest row of its log: one
 * statement, however many there are. Outputs may be large, so no body is read but a verdict.
 */
export function readChildren(
  db: Queryable,
  parentId: string,
  cellId: string | undefined,
): Promise<ChildLine[]> {
  return db.query<ChildLine>(
    `select i.instance_id as "instanceId", i.parent_cell_id as "cellId", i.parent_n as n,
         i.parent_attempt as attempt, i.runbook_id as "runbookId", i.version,
         e.kind, coalesce(e.cell_id, '') as "newestCellId", e."as"
       from leasehold.instances i
       left join lateral (
         select e.kind, e.cell_id, case when e.kind = 'decided' then e.body ->> 'as' end as "as"
           from leasehold.executions e where e.instance_id = i.instance_id
           order by e.seq desc limit 1) e on true
       where i.parent_instance_id = $1 and i.parent_cell_id = coalesce($2, i.parent_cell_id)
       order by i.parent_cell_id, i.parent_n, i.parent_attempt`,
    [parentId, cellId ?? null],
  );
}

/**
 * Inserts children and their lines in the projection. They are unattended, whatever the parent is:
 * nobody else knows of them. A child gets its other id if an instance has the first one.
 *
 * @throws DatabaseError with the code of guard_origins.sql, or 23505 if another writer has started
 *   them or has just taken an id
 */
export async function insertChildren(db: Queryable, start: ChildrenStart): Promise<void> {
  const { parentId, cellId, attempt, seq, fencingToken, runbookId, version, children } = start;
  const [line] = await db.query<{ stored: number }>(
    `with wanted as (
       select w.n, w.inputs, p.agent_id, case
           when exists (select from leasehold.instances i where i.instance_id = w."instanceId")
             then w."otherId" else w."instanceId" end as id
         from jsonb_to_recordset($1::jsonb)
                as w (n int, "instanceId" text, "otherId" text, inputs jsonb)
         join leasehold.instances p on p.instance_id = $2),
     stored as (
       insert into leasehold.instances
           (instance_id, runbook_id, version, inputs, agent_id, parent_instance_id, parent_cell_id,
            parent_n, parent_attempt, parent_seq, parent_token, unattended)
         select id, $3, $4, inputs, agent_id, $2, $5, n, $6, $7, $8, true from wanted order by n
         returning instance_id),
     listed as (
       insert into leasehold_projection.instances
           (instance_id, runbook_id, version, status, next_cell_id, last_seq, updated_at)
         select instance_id, $3, $4, 'ready', null, 0, clock_timestamp() from stored
         on conflict do nothing)
     select count(*)::int as stored from stored`,
    [JSON.stringify(children), parentId, runbookId, version, cellId, attempt, seq, fencingToken],
  );
  if (line?.stored !== children.length)
    throw new Error(`${children.length} children were sent, ${line?.stored} stored`);
}

/** The rows of an instance that have its outputs; without rows if these are too large. */
interface OutputLine {
  instanceId: string;
  bytes: number;
  rows: { kind: RowKind; cellId: string; body: JsonObject }[] | null;
}

/**
 * The rows from which instances have their outputs, of the smallest instances up to `maxBytes`
 * together; of the others only how many bytes these rows have.
 */
export function readOutputRows(
  db: Queryable,
  instanceIds: readonly string[],
  maxBytes: number,
): Promise<OutputLine[]> {
  return db.query<OutputLine>(
    `with sized as (
       select e.instance_id, sum(octet_length(e.body::text)) as bytes
         from leasehold.executions e
         where e.instance_id = any($1::text[]) and e.kind in ${OUTPUT_KINDS}
         group by e.instance_id),
     kept as (
       select instance_id, bytes, sum(bytes) over (order by bytes, instance_id) <= $2 as fits
         from sized)
     select k.instance_id as "instanceId", k.bytes::float8 as bytes, case when k.fits then (
         select json_agg(json_build_object('kind', e.kind, 'cellId', e.cell_id, 'body', e.body)
             order by e.seq)
           from leasehold.executions e
           where e.instance_id = k.instance_id and e.kind in ${OUTPUT_KINDS}) end as rows
       from kept k`,
    [instanceIds, maxBytes],
  );
}

const OUTPUT_KINDS = `('completed', 'satisfied', 'skipped', 'decided')`;

/** How many instances are above this one, up to `max`. */
export async function readDepth(db: Queryable, instanceId: string, max: number): Promise<number> {
  const [line] = await db.query<{ depth: number }>(
    `with recursive above (parent_id, depth) as (
       select parent_instance_id, 1 from leasehold.instances
         where instance_id = $1 and parent_instance_id is not null
       union all
       select i.parent_instance_id, above.depth + 1
         from above join leasehold.instances i on i.instance_id = above.parent_id
         where i.parent_instance_id is not null and above.depth < $2)
     select coalesce(max(depth), 0)::int as depth from above`,
    [instanceId, max],
  );
  return line?.depth ?? 0;
}

/** The parent of an instance, if its log says that its children are cancelled with it. */
export async function readCancelledParent(
  db: Queryable,
  instanceId: string,
): Promise<ParentCancel | undefined> {
  const [line] = await db.query<ParentCancel>(
    `select e.instance_id as "parentId", coalesce(e.body ->> 'reason', '') as reason
       from leasehold.instances i
       join leasehold.executions e on e.instance_id = i.parent_instance_id
       where i.instance_id = $1 and e.kind in ('unwinding', 'cancelled')
         and e.body @> '{"children": true}'
       order by e.seq desc limit 1`,
    [instanceId],
  );
  return line;
}
