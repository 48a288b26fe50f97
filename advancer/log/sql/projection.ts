import type { InstanceStatus } from '../../../src/execution/status.ts';
import type { ParentView } from '../../../src/execution/views.ts';
import { exactInteger } from '../../../src/ids.ts';
import type { Queryable } from '../connections.ts';
import type { RestLine } from '../due.ts';
import type { ListedInstance, Projection, ProjectionLine, Unsettled } from '../log.ts';
import { PARAMETERS, rowsFrom, type Form } from './arrays.ts';
import { ORIGIN } from './children.ts';
import { putRests, valueOfRests } from './due.ts';

interface ListedLine {
  instance_id: string;
  runbook_id: string;
  version: number;
  status: InstanceStatus;
  next_cell_id: string | null;
  last_seq: string;
  updated_at: string;
  parent: ParentView | null;
}

/** Which instances to list. */
export interface ListFilter {
  status?: string;
  runbookId?: string;
  /** Only the children of this instance. */
  parent?: string;
  /** Only ids after this one. */
  after?: string;
  limit: number;
}

/**
 * Instances in the order of their ids. Runbook and parent are looked up in `instances`, because an
 * index on them in the projection would cost every append.
 */
export async function listInstances(db: Queryable, filter: ListFilter): Promise<ListedInstance[]> {
  const values: unknown[] = [filter.after ?? '', filter.limit];
  const conditions = ['p.instance_id > $1'];
  if (filter.status !== undefined) {
    values.push(filter.status);
    conditions.push(`p.status = $${values.length}`);
  }
  if (filter.runbookId !== undefined) {
    values.push(filter.runbookId);
    conditions.push(`i.runbook_id = $${values.length}`, 'i.instance_id > $1');
  }
  if (filter.parent !== undefined) {
    values.push(filter.parent);
    conditions.push(`i.parent_instance_id = $${values.length}`);
  }
  const lines = await db.query<ListedLine>(
    `select p.instance_id, p.runbook_id, p.version, p.status, p.next_cell_id, p.last_seq,
         leasehold.iso8601(p.updated_at) as updated_at, ${ORIGIN} as parent
       from leasehold_projection.instances p join leasehold.instances i using (instance_id)
       where ${conditions.join(' and ')} order by p.instance_id limit $2`,
    values,
  );
  return lines.map((line) => ({
    instanceId: line.instance_id,
    runbookId: line.runbook_id,
    version: line.version,
    status: line.status,
    nextCellId: line.next_cell_id,
    lastSeq: exactInteger(line.last_seq),
    updatedAt: line.updated_at,
    ...(line.parent === null ? {} : { parent: line.parent }),
  }));
}

/**
 * Instances that are `running` or `in_doubt` and have not changed for `quietMs`; oldest first.
 */
export function unsettledInstances(
  db: Queryable,
  limit: number,
  quietMs: number,
  after: Unsettled = { since: '-infinity', instanceId: '' },
): Promise<Unsettled[]> {
  return db.query<Unsettled>(
    `select instance_id as "instanceId", updated_at::text as since from leasehold_projection.instances
       where status in ('running', 'in_doubt')
         and updated_at <= clock_timestamp() - $2 * interval '1 millisecond'
         and (updated_at, instance_id) > ($3::timestamptz, $4)
       order by updated_at, instance_id limit $1`,
    [limit, quietMs, after.since, after.instanceId],
  );
}

/** The types of {@link valuesOfLines}. */
export const LINE = ['text', 'text', 'text', 'bigint'];

/**
 * SQL that updates lines from parameters with ids, statuses, next cells and seqs, starting with
 * parameter number `first`. Each instance has a line since it was started.
 */
export function updateOfLines(first: number, form: Form): string {
  return `
    update leasehold_projection.instances p
      set status = u.status, next_cell_id = u.next_cell_id, last_seq = u.last_seq,
          updated_at = clock_timestamp()
      from (${rowsFrom(first, LINE, form)})
             as u (instance_id, status, next_cell_id, last_seq)
      where p.instance_id = u.instance_id and u.last_seq >= p.last_seq`;
}

/** The parameters of {@link updateOfLines} and of {@link putLines}, one per column. */
export function valuesOfLines(lines: readonly ProjectionLine[], form: Form = 'many'): unknown[] {
  const { text, number } = PARAMETERS[form];
  return [
    text(lines.map((line) => line.instanceId)),
    text(lines.map((line) => line.projection.status)),
    text(lines.map((line) => line.projection.nextCellId)),
    number(lines.map((line) => line.lastSeq)),
  ];
}

/** The lines of the unattended instances among them. */
export function restsOf(lines: readonly ProjectionLine[]): RestLine[] {
  return lines.flatMap(({ instanceId, lastSeq, projection: { rest } }) =>
    rest === undefined ? [] : [{ instanceId, lastSeq, rest }],
  );
}

/** Writes lines that their appends left out, for instances that are not being appended to. */
export async function putLines(db: Queryable, lines: readonly ProjectionLine[]): Promise<void> {
  const rests = restsOf(lines);
  // First, so that no instance is at rest without anything that brings it back.
  if (rests.length > 0) await putRests(db, rests);
  await db.query(
    'select leasehold_projection.put_lines($1::text[], $2::text[], $3::text[], $4::bigint[])',
    valuesOfLines(lines),
  );
}

/**
 * Overwrites the projection's line with what was derived at `lastSeq`, unless the log has moved on
 * since. Waits for a writer that is appending to the instance.
 */
export async function putProjection(
  db: Queryable,
  instanceId: string,
  lastSeq: number,
  projection: Projection,
): Promise<void> {
  const { status, nextCellId, rest } = projection;
  const values = [instanceId, status, nextCellId, lastSeq];
  if (rest === undefined) {
    await db.query('select leasehold_projection.rebuild_line($1, $2, $3, $4::bigint)', values);
    return;
  }
  // One transaction, and so one moment of the log.
  await db.query(
    `select leasehold_projection.rebuild_line($1, $2, $3, $4::bigint),
       leasehold_projection.put_unattended($5::jsonb)`,
    [...values, valueOfRests([{ instanceId, lastSeq, rest }])],
  );
}
