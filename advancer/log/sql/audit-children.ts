import type { NewestRow } from '../../../src/execution/children.ts';
import type { Queryable } from '../connections.ts';

/** A child of an instance, with the newest row of its log. */
export interface AuditedChildLine {
  instance_id: string;
  parent_instance_id: string;
  parent_cell_id: string;
  parent_n: number | null;
  parent_attempt: number;
  parent_seq: string;
  parent_token: string;
  runbook_id: string;
  version: number;
  recorded_at: string;
  /** Null for an empty log. */
  kind: NewestRow['kind'] | null;
  cell_id: string | null;
  as: string | null;
  newest_at: string | null;
}

/** The children of these instances. */
export function auditChildren(db: Queryable, ids: readonly string[]): Promise<AuditedChildLine[]> {
  return db.query<AuditedChildLine>(
    `select i.instance_id, i.parent_instance_id, i.parent_cell_id, i.parent_n, i.parent_attempt,
         i.parent_seq, i.parent_token, i.runbook_id, i.version,
         leasehold.iso8601(i.recorded_at) as recorded_at,
         e.kind, e.cell_id, e."as", leasehold.iso8601(e.recorded_at) as newest_at
       from leasehold.instances i
       left join lateral (
         select e.kind, e.cell_id, e.recorded_at,
             case when e.kind = 'decided' then e.body ->> 'as' end as "as"
           from leasehold.executions e where e.instance_id = i.instance_id
           order by e.seq desc limit 1) e on true
       where i.parent_instance_id = any($1)
       order by i.parent_instance_id, i.parent_cell_id, i.parent_attempt, i.parent_n`,
    [ids],
  );
}

/** Of these instances, those with a parent, and whether its log wants its children cancelled. */
export async function auditParents(
  db: Queryable,
  ids: readonly string[],
): Promise<Map<string, { instanceId: string; cancelsChildren: boolean }>> {
  const lines = await db.query<{ id: string; instanceId: string; cancelsChildren: boolean }>(
    `select i.instance_id as id, i.parent_instance_id as "instanceId", exists (
         select from leasehold.executions e where e.instance_id = i.parent_instance_id
           and e.kind in ('unwinding', 'cancelled') and e.body @> '{"children": true}'
         ) as "cancelsChildren"
       from leasehold.instances i
       where i.instance_id = any($1) and i.parent_instance_id is not null`,
    [ids],
  );
  return new Map(lines.map(({ id, ...parent }) => [id, parent]));
}
