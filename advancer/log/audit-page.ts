import type { ChildEvidence, Evidence, RecordedClaim } from '../../src/audit/evidence.ts';
import type { Row } from '../../src/execution/row.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import { versionKey } from './runbook-cache.ts';
import type { InstanceLine, LateLine, ReceiptLine, RefusalLine, RowLine } from './sql/audit.ts';

/** A runbook version with its digest, as recorded and as its content gives it. */
export interface PinnedRunbook {
  runbook: Runbook;
  digest: { recorded: string; computed: string };
}

/** What was read for one page of instances. */
export interface AuditPage {
  ids: readonly string[];
  instances: readonly InstanceLine[];
  rows: ReadonlyMap<string, RowLine[]>;
  receipts: ReadonlyMap<string, ReceiptLine[]>;
  lateOutcomes: ReadonlyMap<string, LateLine[]>;
  refusals: ReadonlyMap<string, RefusalLine[]>;
  /**
   * By request id: the instance whose receipt it is, for requests with rows here but no receipt.
   */
  receiptOwners: ReadonlyMap<string, string>;
  /** By the parent. */
  children: ReadonlyMap<string, ChildEvidence[]>;
  /** By the child. */
  parents: ReadonlyMap<string, NonNullable<Evidence['parent']>>;
  /** By the instance. */
  tickOrigins: ReadonlyMap<string, NonNullable<Evidence['tickOrigin']>>;
  /** By {@link claimKey}. */
  claims: ReadonlyMap<string, RecordedClaim>;
  /** By {@link versionKey}. */
  runbooks: ReadonlyMap<string, PinnedRunbook>;
  /** The moment of the snapshot, ISO 8601. */
  now: string;
}

/** The evidence of each instance of a page. */
export function evidenceOf(page: AuditPage): Evidence[] {
  const instances = new Map(page.instances.map((line) => [line.instance_id, line]));
  return page.ids.map((id) => evidenceOfInstance(id, instances.get(id), page));
}

function evidenceOfInstance(
  instanceId: string,
  record: InstanceLine | undefined,
  page: AuditPage,
): Evidence {
  const pinned =
    record &&
    page.runbooks.get(versionKey({ runbookId: record.runbook_id, version: record.version }));
  const rows = page.rows.get(instanceId) ?? [];
  return {
    instanceId,
    instance: record && {
      runbookId: record.runbook_id,
      version: record.version,
      inputs: record.inputs,
      recordedAt: record.recorded_at,
      unattended: record.unattended,
    },
    runbook: pinned?.runbook,
    digest: pinned?.digest,
    rows: rows.map(rowOf),
    receipts: (page.receipts.get(instanceId) ?? []).map((line) => ({
      requestId: line.request_id,
      instanceId,
      receipt: line.receipt,
      fencingToken: Number(line.fencing_token),
      lastSeq: Number(line.last_seq),
    })),
    lateOutcomes: (page.lateOutcomes.get(instanceId) ?? []).map((line) => ({
      cellId: line.cell_id,
      attempt: line.attempt,
      fencingToken: Number(line.fencing_token),
      replicaId: line.replica_id,
      kind: line.kind,
      body: line.body,
    })),
    refusals: (page.refusals.get(instanceId) ?? []).map((line) => ({
      seq: Number(line.seq),
      fencingToken: Number(line.fencing_token),
      replicaId: line.replica_id,
      kind: line.kind,
    })),
    receiptsElsewhere: receiptsElsewhere(instanceId, rows, page.receiptOwners),
    claims: (claimId, revision) => page.claims.get(claimKey(claimId, revision)),
    children: page.children.get(instanceId) ?? [],
    parent: page.parents.get(instanceId) ?? null,
    tickOrigin: page.tickOrigins.get(instanceId) ?? null,
    projection: projectionOf(record),
    rest: record?.rests === true ? { dueAt: record.due_at, claimId: record.claim_id } : null,
    now: page.now,
  };
}

/** A key for a revision of a claim; a claim id contains no slash. */
export function claimKey(claimId: string, revision: number): string {
  return `${claimId}/${revision}`;
}

/** Lines by their instance. */
export function byInstance<L extends { instance_id: string }>(
  lines: readonly L[],
): Map<string, L[]> {
  const groups = new Map<string, L[]>();
  for (const line of lines) {
    const group = groups.get(line.instance_id);
    if (group === undefined) groups.set(line.instance_id, [line]);
    else group.push(line);
  }
  return groups;
}

function rowOf(line: RowLine): Row {
  return {
    instanceId: line.instance_id,
    seq: Number(line.seq),
    fencingToken: Number(line.fencing_token),
    replicaId: line.replica_id,
    kind: line.kind,
    cellId: line.cell_id,
    attempt: line.attempt,
    requestId: line.request_id,
    agentId: line.agent_id,
    body: line.body,
    recordedAt: line.recorded_at,
  };
}

function projectionOf(record: InstanceLine | undefined): Evidence['projection'] {
  if (record?.status === undefined || record.status === null) return null;
  return {
    status: record.status,
    nextCellId: record.next_cell_id,
    lastSeq: Number(record.last_seq),
  };
}

function receiptsElsewhere(
  instanceId: string,
  rows: readonly RowLine[],
  owners: ReadonlyMap<string, string>,
): Map<string, string> {
  const elsewhere = new Map<string, string>();
  for (const { request_id: id } of rows) {
    const owner = id === null ? undefined : owners.get(id);
    if (id !== null && owner !== undefined && owner !== instanceId) elsewhere.set(id, owner);
  }
  return elsewhere;
}
