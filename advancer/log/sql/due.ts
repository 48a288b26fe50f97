import type { Queryable } from '../connections.ts';
import type { DueFound, DueInstance, RestLine, Waiter, Wake } from '../due.ts';

/** Lines as `leasehold_projection.put_unattended` takes them, as one parameter. */
export function valueOfRests(lines: readonly RestLine[]): string {
  const sorted = lines.toSorted((a, b) => (a.instanceId < b.instanceId ? -1 : 1));
  return JSON.stringify(
    sorted.map(({ instanceId, lastSeq, rest }) => {
      if (rest === 'ended') return { instanceId, lastSeq, ended: true };
      const { at, claim } = rest;
      return {
        instanceId,
        lastSeq,
        ...(at === undefined ? {} : 'iso' in at ? { dueAt: at.iso } : { afterMs: at.afterMs }),
        ...claim,
      };
    }),
  );
}

/** Writes lines of unattended instances; see put_unattended.sql. */
export async function putRests(db: Queryable, lines: readonly RestLine[]): Promise<void> {
  await db.query('select leasehold_projection.put_unattended($1::jsonb)', [valueOfRests(lines)]);
}

/** `now()` and not `clock_timestamp()`, which no index can be searched by. */
const DUE = `
  select u.instance_id as "instanceId", u.due_at::text as since,
         (extract(epoch from now() - u.due_at) * 1000)::float8 as "overdueMs"
    from leasehold_projection.unattended u
    where u.due_at <= now()`;

/** A page of each kind: many notes of one kind do not hide those of another. */
function wakesOf(kind: Wake['kind']): string {
  return `(select * from leasehold_projection.wakes where kind = '${kind}' order by wake_id limit $1)`;
}

/** What is due, what has happened that somebody waits for, and when something is due next. */
export const FIND_DUE = `
  select
    (select coalesce(json_agg(d), '[]') from (
       ${DUE} order by u.due_at, u.instance_id limit $1) d) as due,
    (select coalesce(json_agg(w), '[]') from (
       select w.wake_id::text as "wakeId", w.kind, w.id, w.revision, w.status,
              (extract(epoch from now() - w.noted_at) * 1000)::float8 as "sinceMs"
         from (${(['claim', 'child_ended', 'cancel_children'] as const).map(wakesOf).join(' union all ')}) w
       ) w) as wakes,
    (select (extract(epoch from min(u.due_at) - now()) * 1000)::float8
       from leasehold_projection.unattended u where u.due_at > now()) as "nextMs"`;

/** See `DueLines.find`. */
export async function findDue(db: Queryable, limit: number): Promise<DueFound> {
  const [found] = await db.query<{ due: DueInstance[]; wakes: Wake[]; nextMs: number | null }>(
    FIND_DUE,
    [limit],
  );
  if (found === undefined) throw new Error('a SELECT without FROM answered no row');
  return { ...found, nextMs: found.nextMs ?? undefined };
}

/** See `DueLines.dueAfter`. */
export function dueAfter(
  db: Queryable,
  { since, instanceId }: DueInstance,
  limit: number,
): Promise<DueInstance[]> {
  return db.query<DueInstance>(
    `${DUE} and (u.due_at, u.instance_id) > ($2::timestamptz, $3)
       order by u.due_at, u.instance_id limit $1`,
    [limit, since, instanceId],
  );
}

/** Who waits for a claim that was made: those that have not seen it and want its status. */
export async function wokenBy(
  db: Queryable,
  { id, revision, status }: Wake,
  limit: number,
  after = '',
): Promise<string[]> {
  const lines = await db.query<{ id: string }>(
    `select u.instance_id as id from leasehold_projection.unattended u
       where u.claim_id = $1 and u.claim_revision < $2 and $3 = any(u.claim_statuses)
         and u.instance_id > $5
       order by u.instance_id limit $4`,
    [id, revision, status, limit, after],
  );
  return lines.map((line) => line.id);
}

/** Deletes wakes. */
export async function deleteWakes(db: Queryable, wakeIds: readonly string[]): Promise<void> {
  await db.query('delete from leasehold_projection.wakes where wake_id = any($1::bigint[])', [
    wakeIds,
  ]);
}

/** Deletes those of the wakes that are of claims for which nobody waits any more. */
export async function deleteServedWakes(db: Queryable, wakeIds: readonly string[]): Promise<void> {
  await db.query(
    `delete from leasehold_projection.wakes w
       where w.wake_id = any($1::bigint[]) and w.kind = 'claim' and not exists (
         select from leasehold_projection.unattended u
           where u.claim_id = w.id and u.claim_revision < w.revision
             and w.status = any(u.claim_statuses))`,
    [wakeIds],
  );
}

/** See `DueLines.recheck`. */
export async function recheckUnattended(
  db: Queryable,
  after: string,
  limit: number,
): Promise<{ last: string | undefined; found: number }> {
  const [line] = await db.query<{ last: string | null; made_due: number }>(
    'select last, made_due from leasehold_projection.recheck_unattended($1, $2)',
    [after, limit],
  );
  return { last: line?.last ?? undefined, found: line?.made_due ?? 0 };
}

/** The unattended instances that wait for a claim, in the order of their ids. */
export function waitersFor(db: Queryable, claimId: string, limit: number): Promise<Waiter[]> {
  return db.query<Waiter>(
    `select u.instance_id as "instanceId", u.claim_statuses as statuses,
         u.claim_revision as revision
       from leasehold_projection.unattended u
       where u.claim_id = $1 order by u.instance_id limit $2`,
    [claimId, limit],
  );
}
