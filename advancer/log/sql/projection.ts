import type { InstanceStatus } from '../../../src/execution/status.ts';
import { exactInteger } from '../../../src/ids.ts';
import type { Queryable } from '../connections.ts';
import type { ListedInstance, Projection, ProjectionLine, Unsettled } from '../log.ts';
import { PARAMETERS, rowsFrom, type Form } from './arrays.ts';

interface ListedLine {
  instance_id: string;
  runbook_id: string;
  version: number;
  status: InstanceStatus;
  next_cell_id: string | null;
  last_seq: string;
  updated_at: string;
}

/** Which instances to list. */
export interface ListFilter {
  status?: string;
  runbookId?: string;
  /** Only ids after this one. */
  after?: string;
  limit: number;
}

/** Instances in the order of their ids. The runbook is looked up where an index of it costs no append anything. */
export async function listInstances(db: Queryable, filter: ListFilter): Promise<ListedInstance[]> {
  const values: unknown[] = [filter.after ?? '', filter.limit];
  const conditions = ['p.instance_id > $1'];
  let from = 'leasehold_projection.instances p';
  if (filter.status !== undefined) {
    values.push(filter.status);
    conditions.push(`p.status = $${values.length}`);
  }
  if (filter.runbookId !== undefined) {
    values.push(filter.runbookId);
    from += ' join leasehold.instances i using (instance_id)';
    conditions.push(`i.runbook_id = $${values.length}`, 'i.instance_id > $1');
  }
  const lines = await db.query<ListedLine>(
    `select p.instance_id, p.runbook_id, p.version, p.status, p.next_cell_id, p.last_seq,
         leasehold.iso8601(p.updated_at) as updated_at
       from ${from} where ${conditions.join(' and ')} order by p.instance_id limit $2`,
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
  }));
}

/** Instances that were `running` or `in_doubt` when they last moved, `quietMs` ago or longer; oldest first. */
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

/**
 * Updates lines from ids, statuses, next cells and seqs, the first of them the parameter of that number. Each
 * instance has its line since it was started.
 */
export function updateOfLines(first: number, form: Form = 'many'): string {
  return `
    update leasehold_projection.instances p
      set status = u.status, next_cell_id = u.next_cell_id, last_seq = u.last_seq,
          updated_at = clock_timestamp()
      from (${rowsFrom(first, ['text', 'text', 'text', 'bigint'], form)})
             as u (instance_id, status, next_cell_id, last_seq)
      where p.instance_id = u.instance_id and u.last_seq >= p.last_seq`;
}

/** The parameters of {@link updateOfLines}, in the order of instances, as in every statement that locks several. */
export function valuesOfLines(lines: readonly ProjectionLine[], form: Form = 'many'): unknown[] {
  const { text, number } = PARAMETERS[form];
  return [
    text(lines.map((line) => line.instanceId)),
    text(lines.map((line) => line.projection.status)),
    text(lines.map((line) => line.projection.nextCellId)),
    number(lines.map((line) => line.lastSeq)),
  ];
}

/** Writes lines that were left out of their appends. */
export async function updateLines(db: Queryable, lines: readonly ProjectionLine[]): Promise<void> {
  const ordered = lines.toSorted((a, b) => (a.instanceId < b.instanceId ? -1 : 1));
  await db.query(UPDATE_LINES, valuesOfLines(ordered));
}

const UPDATE_LINES = `${updateOfLines(1)} and (u.last_seq, u.status) is distinct from (p.last_seq, p.status)`;

/**
 * Puts what was derived at `lastSeq` into the projection, unless the log has moved on since. A line that claims to be
 * ahead of the log is mended too, if it stood so in this statement's snapshot: one that is ahead only because an
 * append has committed meanwhile is the better one.
 *
 * Of an instance that has just moved, `running` takes the place of `ready` and `parked`: its holder may have said so, and rely
 * on it that a sweep finds the next attempt by that. If nobody does, the sweep mends it.
 */
export async function putProjection(
  db: Queryable,
  instanceId: string,
  lastSeq: number,
  projection: Projection,
): Promise<void> {
  await db.query(
    `with newest as (
       select coalesce(max(seq), 0) as seq, max(recorded_at) as moved_at
         from leasehold.executions where instance_id = $1)
     insert into leasehold_projection.instances as p
         (instance_id, runbook_id, version, status, next_cell_id, last_seq, updated_at)
       select i.instance_id, i.runbook_id, i.version,
           case when $3 in ('ready', 'parked') and newest.moved_at > clock_timestamp() - interval '10 seconds'
             then 'running' else $3 end,
           $4, $2, coalesce(newest.moved_at, i.recorded_at)
         from leasehold.instances i, newest where i.instance_id = $1 and newest.seq = $2
       on conflict (instance_id) do update
         set runbook_id = excluded.runbook_id, version = excluded.version, status = excluded.status,
             next_cell_id = excluded.next_cell_id, last_seq = excluded.last_seq,
             updated_at = excluded.updated_at
         where excluded.last_seq >= p.last_seq
            or p.last_seq = (select l.last_seq from leasehold_projection.instances l, newest
                               where l.instance_id = $1 and l.last_seq > newest.seq)`,
    [instanceId, lastSeq, projection.status, projection.nextCellId],
  );
}
