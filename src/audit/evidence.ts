import type { ClaimView } from '../execution/await.ts';
import type { Ending } from '../execution/children.ts';
import type { LateKind, Row } from '../execution/row.ts';
import type { InstanceStatus } from '../execution/status.ts';
import type { JsonObject } from '../json.ts';
import type { Receipt } from '../request/receipt.ts';
import type { Runbook } from '../runbook/runbook.ts';

/** A receipt as recorded in the log. */
export interface RecordedReceipt {
  requestId: string;
  instanceId: string;
  receipt: Receipt;
  /** The token that it was written under; undefined if only the receipt itself is known. */
  fencingToken?: number | undefined;
  /** The last seq that it rests on; undefined if only the receipt itself is known. */
  lastSeq?: number | undefined;
}

/** What a fenced holder reported of an attempt after its term was over. */
export interface LateEvidence {
  cellId: string;
  attempt: number;
  fencingToken: number;
  replicaId: string;
  kind: LateKind;
  body: JsonObject;
}

/** A stale write that was refused. */
export interface RefusedWrite {
  seq: number;
  fencingToken: number;
  replicaId: string;
  kind: string;
}

/** A revision of a claim. */
export type RecordedClaim = NonNullable<ClaimView> & {
  /** ISO 8601. */
  recordedAt: string;
};

/** An instance that a run cell of this one started. */
export interface ChildEvidence {
  instanceId: string;
  runbookId: string;
  version: number;
  cellId: string;
  /** The position of its element in the cell's list; null without a list. */
  n: number | null;
  /** The attempt of the run cell. */
  attempt: number;
  /** The newest seq of this log when it was inserted, and the token of the term that did. */
  seq: number;
  fencingToken: number;
  /** ISO 8601. */
  recordedAt: string;
  /** Undefined while it has not ended. */
  ending: Ending | undefined;
  /** ISO 8601, when its newest row was recorded, if it has ended. */
  endedAt: string | undefined;
  /** Undefined if they were not read. */
  outputs: JsonObject | undefined;
}

/** One effect, as a witness outside the system saw it begin. */
export interface SeenEffect {
  instanceId: string;
  cellId: string;
  attempt: number;
  fencingToken: number;
  idempotencyKey: string;
  /** ISO 8601, by the witness's clock. */
  at: string;
  /**
   * Whether the receiver performed it; false if it refused. Undefined if the witness does not say.
   */
  happened?: boolean | undefined;
  /** What the effect returned to the process that ran it, if that process is known to be alive. */
  outcome?: 'completed' | 'failed' | 'unverified' | undefined;
}

/** One request that an agent sent, and what it got. */
export interface ClientRequest {
  requestId: string;
  /** The receipt that it got; undefined if there was no answer: the result is then unknown. */
  receipt?: Receipt | undefined;
  /** Whether the request was acknowledged as durable. */
  acknowledged?: boolean | undefined;
}

/**
 * Everything that is known about one instance. What is undefined was not read, and the checks that
 * need it report `not checked`.
 */
export interface Evidence {
  instanceId: string;
  /** The instance's record; undefined when there is none. */
  instance:
    | {
        runbookId: string;
        version: number;
        inputs: JsonObject;
        /** ISO 8601: a wait with an empty log before it began then. */
        recordedAt: string;
        /** Whether it goes on without being asked. */
        unattended?: boolean | undefined;
      }
    | undefined;
  /** The pinned version; undefined when it does not exist. */
  runbook: Runbook | undefined;
  /** The pinned version's digest, as recorded and as computed from its content. */
  digest?: { recorded: string; computed: string } | undefined;
  /** In order of seq. */
  rows: readonly Row[];
  /** Receipts that name this instance. */
  receipts: readonly RecordedReceipt[];
  lateOutcomes: readonly LateEvidence[];
  refusals: readonly RefusedWrite[];
  /** By request id of this log's rows: the other instance that the request's receipt belongs to. */
  receiptsElsewhere?: ReadonlyMap<string, string> | undefined;
  /** A revision of a claim in the log. */
  claims?: ((claimId: string, revision: number) => RecordedClaim | undefined) | undefined;
  /** The instances that its run cells have started. */
  children?: readonly ChildEvidence[] | undefined;
  /** The instance that started it, if one did, and whether its log wants its children cancelled. */
  parent?: { instanceId: string; cancelsChildren: boolean } | null | undefined;
  /** The tick that it says started it, if it says so, and whether that tick says so too. */
  tickOrigin?:
    { scheduleId: string | null; tick: string | null; isStarted: boolean } | null | undefined;
  /** The instance's line in the projection; null when there is none. */
  projection?:
    { status: InstanceStatus; nextCellId: string | null; lastSeq: number } | null | undefined;
  /** What brings an unattended instance back; null when there is nothing. */
  rest?: { dueAt: string | null; claimId: string | null } | null | undefined;
  /** Every effect of this instance that a witness saw. */
  witness?: readonly SeenEffect[] | undefined;
  /** How far the witness's clock may be behind the database's; default 0. */
  witnessSkewMs?: number | undefined;
  /** Every request of agents for this instance. */
  clientHistory?: readonly ClientRequest[] | undefined;
  /**
   * Set if the run is over and replicas had time to settle everything. `quiet`: only what needs a
   * person may be unsettled; `ended`: the instance was driven to its end.
   */
  atRest?: 'quiet' | 'ended' | undefined;
  /** ISO 8601, by the database's clock, when the log was read. */
  now?: string | undefined;
}
