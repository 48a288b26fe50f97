import type { Due } from '../../src/execution/await.ts';
import type { LateKind, NewRow, Row } from '../../src/execution/row.ts';
import type { InstanceStatus } from '../../src/execution/status.ts';
import type { ParentView, TickOriginView } from '../../src/execution/views.ts';
import type { FencingToken } from '../../src/ids.ts';
import type { Json, JsonObject } from '../../src/json.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import type { Children } from './children.ts';
import type { DueLines, Rest } from './due.ts';
import type { Schedules } from './schedules.ts';
import type { Requests } from './requests.ts';

/** One run of one runbook version, as it is started. */
export interface NewInstance {
  instanceId: string;
  runbookId: string;
  version: number;
  inputs: JsonObject;
  agentId: string;
  /** Whether it goes on by itself whenever it can; default: false. */
  unattended?: boolean | undefined;
}

/** One run of one runbook version. */
export interface Instance extends NewInstance {
  /** ISO 8601, by the database's clock. */
  recordedAt: string;
  /** The run cell that started it; absent if none did. */
  parent?: ParentView;
  /** The schedule that started it; absent if none did. */
  schedule?: TickOriginView;
}

/** A receipt to record; fenced like a row. */
export interface NewReceipt {
  requestId: string;
  /** Who sent the request; null if nobody can tell. */
  agentId: string | null;
  receipt: Receipt;
  /**
   * The last seq that the receipt rests on (0 for an empty log); refused if the log has moved on.
   */
  lastSeq: number;
}

/** An instance's status in the projection; no safety decision reads it. */
export interface Projection {
  status: InstanceStatus;
  nextCellId: string | null;
  /** Of an unattended instance: what brings it back. */
  rest?: Rest | 'ended' | undefined;
}

/**
 * One atomic write to an instance's log: rows with consecutive seqs, a receipt, or both.
 */
export interface AppendEntry {
  instanceId: string;
  fencingToken: FencingToken;
  replicaId: string;
  rows: readonly NewRow[];
  receipt?: NewReceipt | undefined;
  /**
   * If undefined, the line is written later, by {@link Log.project}. Always given with an intent:
   * the sweep relies on it.
   */
  projection?: Projection | undefined;
}

/** A line of the projection, as of a seq of the log. */
export interface ProjectionLine {
  instanceId: string;
  lastSeq: number;
  projection: Projection;
}

/**
 * The outcome of an append.
 *
 * `unknown` is not a failure: the write may have committed, or may still be on its way. Settle it
 * by sending the same entry again until the outcome is another one; sending it again is always
 * safe.
 */
export type AppendOutcome =
  | { kind: 'appended'; rows: Row[] }
  /** The same entry is in the log already: an earlier send of it committed. */
  | { kind: 'already_recorded'; rows: Row[] }
  /** Another write, with no higher token, came first: read the log again and decide again. */
  | { kind: 'conflict'; detail: string }
  /** A higher token is in the log: the term is over; end the holding. */
  | { kind: 'fenced'; by: FencingToken; detail: string }
  /** The request already has a receipt; nothing was written. */
  | { kind: 'receipted'; receipt: Receipt }
  /**
   * Postgres refuses this entry because of what is in it, or because of what this role may do:
   * nothing was written, and sending the same again changes nothing.
   */
  | Rejected
  | { kind: 'unknown'; cause: unknown };

/** See {@link AppendOutcome}. */
export interface Rejected {
  kind: 'rejected';
  why: string;
  /** Whether it is the data: then less of it may be accepted. */
  ofData: boolean;
}

/** What a fenced holder reported of an attempt after its term was over. */
export interface LateOutcome {
  instanceId: string;
  cellId: string;
  attempt: number;
  fencingToken: FencingToken;
  replicaId: string;
  kind: LateKind;
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

/** A claim to record. */
export type NewClaim = Pick<Claim, 'claimId' | 'status' | 'agentId' | 'evidence'>;

/** A claim, and whether a moment has come, read at once. */
export interface WaitReading {
  /** Undefined if it was never made, or none was asked for. */
  claim: Claim | undefined;
  /** Whether the moment has come, by the database's clock. */
  isDue: boolean;
}

/**
 * Everything about an instance at one moment: read in one statement, or the log before the
 * receipts.
 */
export interface Snapshot {
  instance: Instance;
  runbook: Runbook;
  rows: Row[];
  /** When it was read, by the database's clock, in milliseconds since 1970. */
  readAtMs: number;
  /** The receipt of the given request, if it has one. */
  receipt?: Receipt | undefined;
}

/** A token in the log, and the row that has it. */
export interface TokenPlace {
  /** Not a number: one that only another client can have written may be too large for that. */
  token: bigint;
  table: 'executions' | 'requests';
  instanceId: string;
  /** The row's seq, or the request's id. */
  key: string;
  /** Null if a receipt does not name its holder. */
  replicaId: string | null;
}

/** A runbook version as `runbook list` shows it. */
export interface ListedRunbook {
  runbookId: string;
  version: number;
  /** Absent if it has none. */
  title?: string | undefined;
  digest: string;
  recordedAt: string;
}

/** An instance as `list` shows it. */
export interface ListedInstance {
  instanceId: string;
  runbookId: string;
  version: number;
  status: InstanceStatus;
  nextCellId: string | null;
  lastSeq: number;
  updatedAt: string;
  /** The run cell that started it; absent if an agent did. */
  parent?: ParentView;
}

/** An instance whose newest row left an attempt open or in doubt. */
export interface Unsettled {
  instanceId: string;
  /** When it last changed, in Postgres' text format. */
  since: string;
}

/**
 * What the advancer needs of the log. Reads throw {@link LogUnavailable} when Postgres cannot be
 * asked; `append` returns `unknown` instead.
 */
export interface Log {
  /** What run cells start. */
  readonly children: Children;
  /** What goes on without being asked. */
  readonly due: DueLines;
  readonly schedules: Schedules;
  /** Requests as such, apart from the rows that they lead to. */
  readonly requests: Requests;
  /** The given version of a runbook, or its newest one; undefined when there is none. */
  runbook(runbookId: string, version?: number): Promise<Runbook | undefined>;
  /**
   * Stores an immutable version; the same content again is `exists`, other content is `conflict`.
   */
  pushRunbook(runbook: Runbook): Promise<'created' | 'exists' | 'conflict'>;
  /** Every runbook version, newest first within an id. */
  runbooks(): Promise<ListedRunbook[]>;
  /** Stores the instance; returns the stored one, and whether this call stored it. */
  startInstance(instance: NewInstance): Promise<{ instance: Instance; created: boolean }>;
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
  /**
   * Records the next revision of a claim.
   *
   * @throws ClaimExhausted when there is none
   */
  claim(claim: NewClaim): Promise<Claim>;
  claimStatus(claimId: string): Promise<Claim | undefined>;
  /**
   * Reads a claim and judges a moment, in one statement. A claim that was committed before the
   * moment is in every reading in which the moment has come.
   */
  readWait(claimId: string | undefined, due: Due): Promise<WaitReading>;
  /** Evidence for one attempt, oldest first. */
  lateOutcomes(instanceId: string, cellId: string, attempt: number): Promise<LateOutcome[]>;
  /** Stores the evidence; storing it again has no effect. */
  addLateOutcome(late: LateOutcome): Promise<void>;
  addRefusal(refusal: Refusal): Promise<void>;
  /** The highest token in the log, and the row that has it; undefined for an empty log. */
  highestToken(): Promise<TokenPlace | undefined>;
  /**
   * Instances whose projection says `running` or `in_doubt` and has not moved for `quietMs`, oldest
   * first.
   *
   * @param after the last one of the previous page
   */
  unsettled(limit: number, quietMs: number, after?: Unsettled): Promise<Unsettled[]>;
  /**
   * Writes lines of the projection, for instances at rest. Skips an instance whose log has moved on
   * or is being appended to.
   */
  project(lines: readonly ProjectionLine[]): Promise<void>;
  list(filter: {
    status?: string;
    runbookId?: string;
    parent?: string;
    after?: string;
    limit: number;
  }): Promise<ListedInstance[]>;
  /** Resolves when Postgres answers and has the right schema and namespace. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** A claim has the highest revision that there is, which only another client can have written. */
export class ClaimExhausted extends Error {
  override readonly name = 'ClaimExhausted';
}

/**
 * Postgres could not be reached or did not answer in time. A write may have been applied or not.
 */
export class LogUnavailable extends Error {
  override readonly name = 'LogUnavailable';
}
