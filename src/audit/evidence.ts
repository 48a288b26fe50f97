import type { ClaimView } from '../execution/plan.ts';
import type { Row } from '../execution/row.ts';
import type { InstanceStatus } from '../execution/status.ts';
import type { JsonObject } from '../json.ts';
import type { Receipt } from '../request/receipt.ts';
import type { Runbook } from '../runbook/runbook.ts';

/** A receipt as it stands in the log. */
export interface RecordedReceipt {
  requestId: string;
  instanceId: string;
  receipt: Receipt;
  /** The token that it was written under; undefined where only the receipt itself is known. */
  fencingToken?: number | undefined;
  /** The last seq that it rests on; undefined where only the receipt itself is known. */
  lastSeq?: number | undefined;
}

/** What a fenced holder still brought. */
export interface LateEvidence {
  cellId: string;
  attempt: number;
  fencingToken: number;
  replicaId: string;
  kind: 'completed' | 'failed' | 'not_started';
  body: JsonObject;
}

/** A stale write that was refused. */
export interface RefusedWrite {
  seq: number;
  fencingToken: number;
  replicaId: string;
  kind: string;
}

/** One effect as a witness outside saw it begin. */
export interface SeenEffect {
  instanceId: string;
  cellId: string;
  attempt: number;
  fencingToken: number;
  idempotencyKey: string;
  /** ISO 8601, by the witness's clock. */
  at: string;
  /** What the effect told the process that ran it, where that process is known to live. */
  outcome?: 'completed' | 'failed' | undefined;
}

/** What one asking of an agent came to. */
export interface Told {
  requestId: string;
  /**
   * The receipt that it got; undefined when nothing was heard, which says nothing of what happened.
   */
  receipt?: Receipt | undefined;
  /** Whether the request was acknowledged as durable. */
  acknowledged?: boolean | undefined;
}

/**
 * Everything that is known of one instance. What is undefined was not looked at, and the checks
 * that need it say `not checked`.
 */
export interface Evidence {
  instanceId: string;
  /** The instance's record; undefined when there is none. */
  instance: { runbookId: string; version: number; inputs: JsonObject } | undefined;
  /** The pinned version; undefined when it is not there. */
  runbook: Runbook | undefined;
  /** The pinned version's digest, as recorded and as its content gives it. */
  digest?: { recorded: string; computed: string } | undefined;
  /** In order of seq. */
  rows: readonly Row[];
  /** Receipts that name this instance. */
  receipts: readonly RecordedReceipt[];
  lateOutcomes: readonly LateEvidence[];
  refusals: readonly RefusedWrite[];
  /** By request id of this log's rows: the other instance that the request's receipt belongs to. */
  receiptsElsewhere?: ReadonlyMap<string, string> | undefined;
  /** What the log has of a claim's revision. */
  claims?: ((claimId: string, revision: number) => ClaimView) | undefined;
  /** The instance's line in the projection; null when there is none. */
  projection?:
    { status: InstanceStatus; nextCellId: string | null; lastSeq: number } | null | undefined;
  /** Every effect of this instance that a witness saw. */
  witness?: readonly SeenEffect[] | undefined;
  /** By how much the witness's clock may be behind the database's; default 0. */
  witnessSkewMs?: number | undefined;
  /** Everything that agents were told of this instance. */
  told?: readonly Told[] | undefined;
  /**
   * That nothing is under way any more, and all had their time. `quiet`: what needs no person is
   * settled; `ended`: the instance was driven to its end.
   */
  atRest?: 'quiet' | 'ended' | undefined;
  /** ISO 8601, by the database's clock, when the log was read. */
  now?: string | undefined;
}
