import type { NewRow, Row } from '../../src/execution/row.ts';
import type { InstanceStatus } from '../../src/execution/status.ts';
import type { FencingToken } from '../../src/ids.ts';
import type { Json, JsonObject } from '../../src/json.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';

/** One run of one runbook version. */
export interface Instance {
  instanceId: string;
  runbookId: string;
  version: number;
  inputs: JsonObject;
  agentId: string;
}

/** A receipt to record; as fenced as a row. */
export interface NewReceipt {
  requestId: string;
  receipt: Receipt;
  /**
   * The last seq that the receipt rests on (0 for an empty log); refused if the log has moved on.
   */
  lastSeq: number;
}

/** What the projection of an instance shows; nothing that decides safety reads it. */
export interface Projection {
  status: InstanceStatus;
  nextCellId: string | null;
}

/**
 * One write to an instance's log: rows with consecutive seqs, a receipt, or both, all or nothing.
 */
export interface AppendEntry {
  instanceId: string;
  fencingToken: FencingToken;
  replicaId: string;
  rows: readonly NewRow[];
  receipt?: NewReceipt | undefined;
  /**
   * Left out: the line is written later, by {@link Log.project}. Never left out with an intent: a
   * sweep goes by it.
   */
  projection?: Projection | undefined;
}

/** A line of the projection, as the log stood at a seq. */
export interface ProjectionLine {
  instanceId: string;
  lastSeq: number;
  projection: Projection;
}

/**
 * What became of an append.
 *
 * `unknown` is not a failure: the write may have committed, or may still be on its way. It is
 * settled by sending the very same entry again until the answer is one of the others; sending it
 * again is always safe.
 */
export type AppendOutcome =
  | { kind: 'appended'; rows: Row[] }
  /** The same entry stands in the log already: an earlier send of it had committed. */
  | { kind: 'already_recorded'; rows: Row[] }
  /** Somebody with no higher token was faster: read again and derive anew. */
  | { kind: 'conflict'; detail: string }
  /** A higher token is in the log: the term is over, drop the holding. */
  | { kind: 'fenced'; by: FencingToken; detail: string }
  /** The request has its receipt already; nothing was written. */
  | { kind: 'receipted'; receipt: Receipt }
  | { kind: 'unknown'; cause: unknown };

/** What a fenced holder still brought. */
export interface LateOutcome {
  instanceId: string;
  cellId: string;
  attempt: number;
  fencingToken: FencingToken;
  replicaId: string;
  kind: 'completed' | 'failed' | 'not_started';
  body: JsonObject;
}

/** A stale write that was refused. */
export interface Refusal {
  instanceId: string;
  seq: number;
  fencingToken: FencingToken;
  replicaId: string;
  kind: string;
  reason: string;
}

/** The newest status of a claim. */
export interface Claim {
  claimId: string;
  revision: number;
  status: string;
  agentId: string;
  evidence: Json;
  recordedAt: string;
}

/**
 * Everything that is known of an instance at one moment: log first, then receipts, or both in one
 * statement.
 */
export interface Snapshot {
  instance: Instance;
  runbook: Runbook;
  rows: Row[];
  /** The receipt of the request that was asked about, if it has one. */
  receipt?: Receipt | undefined;
}

/** A line of the list of instances. */
export interface ListedInstance {
  instanceId: string;
  runbookId: string;
  version: number;
  status: InstanceStatus;
  nextCellId: string | null;
  lastSeq: number;
  updatedAt: string;
}

/** An instance that was left open or in doubt when it last moved. */
export interface Unsettled {
  instanceId: string;
  /** When that was, as Postgres writes it. */
  since: string;
}

/**
 * What the advancer needs of the log. Reads throw {@link LogUnavailable} when Postgres cannot be
 * asked; `append` never throws it, it answers `unknown`.
 */
export interface Log {
  /** A runbook's version, or its newest one; undefined when there is none. */
  runbook(runbookId: string, version?: number): Promise<Runbook | undefined>;
  /**
   * Stores an immutable version; the same content again is `exists`, other content is `conflict`.
   */
  pushRunbook(runbook: Runbook): Promise<'created' | 'exists' | 'conflict'>;
  /** Every runbook version, newest first within an id. */
  runbooks(): Promise<{ runbookId: string; version: number; digest: string; recordedAt: string }[]>;
  /** Pins the instance; answers the one that is stored, and whether this call stored it. */
  startInstance(instance: Instance): Promise<{ instance: Instance; created: boolean }>;
  /** The instance; undefined when there is none. */
  instance(instanceId: string): Promise<Instance | undefined>;
  /** The instance, its runbook and its whole log; undefined when there is no such instance. */
  snapshot(instanceId: string, requestId?: string): Promise<Snapshot | undefined>;
  /** Rows after `afterSeq`, in order. */
  rowsAfter(instanceId: string, afterSeq: number): Promise<Row[]>;
  /** The newest row; undefined for an empty log. */
  newestRow(instanceId: string): Promise<Row | undefined>;
  receipt(requestId: string): Promise<Receipt | undefined>;
  append(entry: AppendEntry): Promise<AppendOutcome>;
  /** Records the next revision of a claim. */
  claim(claim: {
    claimId: string;
    status: string;
    agentId: string;
    evidence: Json;
  }): Promise<Claim>;
  claimStatus(claimId: string): Promise<Claim | undefined>;
  /** Evidence for one attempt, oldest first. */
  lateOutcomes(instanceId: string, cellId: string, attempt: number): Promise<LateOutcome[]>;
  /** Keeps the evidence; the same evidence again changes nothing. */
  addLateOutcome(late: LateOutcome): Promise<void>;
  addRefusal(refusal: Refusal): Promise<void>;
  /** The highest token in the log; 0 for an empty one. */
  highestToken(): Promise<FencingToken>;
  /**
   * Instances whose projection says `running` or `in_doubt` and has not moved for `quietMs`, oldest
   * first.
   *
   * @param after where an earlier page ended
   */
  unsettled(limit: number, quietMs: number, after?: Unsettled): Promise<Unsettled[]>;
  /**
   * Writes lines of the projection, of instances at rest; one whose log has moved on, or is being
   * appended to, stays as it is.
   */
  project(lines: readonly ProjectionLine[]): Promise<void>;
  list(filter: {
    status?: string;
    runbookId?: string;
    after?: string;
    limit: number;
  }): Promise<ListedInstance[]>;
  /** Resolves when Postgres answers and the schema and namespace are the right ones. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Postgres could not be reached or did not answer in time; nothing is known to have been written.
 */
export class LogUnavailable extends Error {
  override readonly name = 'LogUnavailable';
}
