import type { RecordedClaim } from '../../../src/audit/evidence.ts';
import type { RowKind } from '../../../src/execution/row.ts';
import type { InstanceStatus } from '../../../src/execution/status.ts';
import type { JsonObject } from '../../../src/json.ts';
import type { Receipt } from '../../../src/request/receipt.ts';
import type { Queryable } from '../connections.ts';
import type { LateOutcome } from '../log.ts';

/** Which instances to audit: all, one, or those with anything recorded since a time. */
export interface AuditScope {
  instanceId?: string | undefined;
  /** ISO 8601. */
  since?: string | undefined;
}

/**
 * Opens the snapshot that an audit reads, with a cursor over the ids of the instances and one over
 * their receipts, both in the same order. Requests have no index by instance, so they are sorted
 * once.
 */
export async function beginAudit(db: Queryable, scope: AuditScope): Promise<void> {
  await db.query('begin transaction isolation level repeatable read, read only');
  // It sorts millions of lines; and between pages, a long audit is not an idle client.
  await db.query(`set local work_mem = '64MB'`);
  await db.query('set local statement_timeout = 0');
  await db.query('set local idle_in_transaction_session_timeout = 0');
  await db.query('set local jit = off');
  const { ids, receipts, values } = selections(scope);
  await db.query(`declare audit_ids no scroll cursor for ${ids} order by instance_id`, values);
  await db.query(
    `declare audit_receipts no scroll cursor for
       select request_id, instance_id, fencing_token, last_seq, receipt from leasehold.requests
         where ${receipts} order by instance_id`,
    values,
  );
}

/** Ends the snapshot. */
export async function endAudit(db: Queryable): Promise<void> {
  await db.query('rollback');
}

function selections({ instanceId, since }: AuditScope): {
  ids: string;
  receipts: string;
  values: string[];
} {
  if (instanceId !== undefined) {
    return {
      ids: 'select $1::text as instance_id',
      receipts: 'instance_id = $1',
      values: [instanceId],
    };
  }
  if (since !== undefined) {
    const ids = ['instances', 'executions', 'requests', 'late_outcomes']
      .map(
        (table) =>
          `select instance_id from leasehold.${table} where recorded_at >= $1::timestamptz`,
      )
      .join(' union ');
    return {
      ids: `select instance_id from (${ids}) recent`,
      receipts: `instance_id in (${ids})`,
      values: [since],
    };
  }
  // Also ids without an instance record: smuggled-in rows, and requests for unknown instances.
  const orphans = ['executions', 'requests', 'late_outcomes'].map(
    (table) =>
      `select instance_id from leasehold.${table} x
         where not exists (select from leasehold.instances i where i.instance_id = x.instance_id)`,
  );
  const ids = ['select instance_id from leasehold.instances', ...orphans].join(' union ');
  return { ids: `select instance_id from (${ids}) known`, receipts: 'true', values: [] };
}

/** The next ids from the cursor. */
export async function nextIds(db: Queryable, count: number): Promise<string[]> {
  const lines = await db.query<{ id: string }>(`fetch ${count} from audit_ids`);
  return lines.map((line) => Object.values(line)[0]!);
}

export interface ReceiptLine {
  request_id: string;
  instance_id: string;
  fencing_token: string;
  last_seq: string;
  receipt: Receipt;
}

/** The next receipts from the cursor, in the order of the ids. */
export function nextReceipts(db: Queryable, count: number): Promise<ReceiptLine[]> {
  return db.query<ReceiptLine>(`fetch ${count} from audit_receipts`);
}

/** The number of instances, and the time of the snapshot. */
export async function auditFrame(db: Queryable): Promise<{ instances: number; now: string }> {
  const [line] = await db.query<{ instances: string; now: string }>(
    'select count(*) as instances, leasehold.iso8601(now()) as now from leasehold.instances',
  );
  return { instances: Number(line?.instances ?? 0), now: line?.now ?? '' };
}

export interface InstanceLine {
  instance_id: string;
  runbook_id: string;
  version: number;
  inputs: JsonObject;
  recorded_at: string;
  /** The projection's, null where it has no line. */
  status: InstanceStatus | null;
  next_cell_id: string | null;
  last_seq: string | null;
  unattended: boolean;
  /** What brings it back; `rests` is false where it has no line. */
  rests: boolean;
  due_at: string | null;
  claim_id: string | null;
}

/** The records of these instances, with their lines in the projection. */
export function auditInstances(db: Queryable, ids: readonly string[]): Promise<InstanceLine[]> {
  return db.query<InstanceLine>(
    `select i.instance_id, i.runbook_id, i.version, i.inputs,
       leasehold.iso8601(i.recorded_at) as recorded_at, p.status, p.next_cell_id, p.last_seq,
       i.unattended, u.instance_id is not null as rests,
       leasehold.iso8601(u.due_at) as due_at, u.claim_id
       from leasehold.instances i left join leasehold_projection.instances p using (instance_id)
       left join leasehold_projection.unattended u using (instance_id)
       where i.instance_id = any($1)`,
    [ids],
  );
}

export interface RowLine {
  instance_id: string;
  seq: string;
  fencing_token: string;
  replica_id: string;
  kind: RowKind;
  cell_id: string;
  attempt: number;
  request_id: string | null;
  agent_id: string | null;
  body: JsonObject;
  recorded_at: string;
}

/** The rows of these instances, each one's in order. */
export function auditRows(db: Queryable, ids: readonly string[]): Promise<RowLine[]> {
  return db.query<RowLine>(
    `select instance_id, seq, fencing_token, replica_id, kind, cell_id, attempt, request_id, agent_id, body,
         leasehold.iso8601(recorded_at) as recorded_at
       from leasehold.executions where instance_id = any($1) order by instance_id, seq`,
    [ids],
  );
}

export interface LateLine {
  instance_id: string;
  cell_id: string;
  attempt: number;
  fencing_token: string;
  replica_id: string;
  kind: LateOutcome['kind'];
  body: JsonObject;
}

/** The late outcomes of these instances. */
export function auditLateOutcomes(db: Queryable, ids: readonly string[]): Promise<LateLine[]> {
  return db.query<LateLine>(
    `select instance_id, cell_id, attempt, fencing_token, replica_id, kind, body
       from leasehold.late_outcomes where instance_id = any($1) order by recorded_at`,
    [ids],
  );
}

export interface RefusalLine {
  instance_id: string;
  seq: string;
  fencing_token: string;
  replica_id: string;
  kind: string;
}

/** The refused writes of these instances. */
export function auditRefusals(db: Queryable, ids: readonly string[]): Promise<RefusalLine[]> {
  return db.query<RefusalLine>(
    `select instance_id, seq, fencing_token, replica_id, kind
       from leasehold.refusals where instance_id = any($1) order by refusal_id`,
    [ids],
  );
}

/** The instances that the receipts of these requests belong to. */
export function ownersOfReceipts(
  db: Queryable,
  requestIds: readonly string[],
): Promise<{ request_id: string; instance_id: string }[]> {
  return db.query(
    'select request_id, instance_id from leasehold.requests where request_id = any($1)',
    [requestIds],
  );
}

export type ClaimLine = { claim_id: string } & RecordedClaim;

/** These revisions of claims. */
export function auditClaims(
  db: Queryable,
  claimIds: readonly string[],
  revisions: readonly number[],
): Promise<ClaimLine[]> {
  return db.query<ClaimLine>(
    `select claim_id, revision, status, agent_id as "agentId",
         leasehold.iso8601(recorded_at) as "recordedAt"
       from leasehold.claims join unnest($1::text[], $2::int[]) seen (claim_id, revision)
         using (claim_id, revision)`,
    [claimIds, revisions],
  );
}
