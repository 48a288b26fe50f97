import type { LateKind, RowKind } from './row.ts';

/*
 * What receipts and `status` replies both show of an instance. The names of the fields are part of
 * the wire format.
 */

/** One row that was written for a request. */
export interface Step {
  seq: number;
  cellId: string;
  kind: RowKind;
  attempt: number;
}

/** An open attempt. */
export interface InFlight {
  cellId: string;
  attempt: number;
  requestId: string | null;
  /** ISO 8601, when the attempt was opened. */
  since: string;
}

/** An interrupted attempt that nobody has decided yet. */
export interface InDoubt {
  cellId: string;
  attempt: number;
  reason: string;
  /** ISO 8601, when it was found interrupted. */
  since: string;
}

/** What is known of a doubt besides what the log says, as `status` shows it. */
export interface DoubtEvidence {
  /** True if the effect itself is known to have happened, and only its `expect` is in doubt. */
  happened?: true;
  /** What the replica that ran the effect reported after its term was over. */
  lateOutcome?: {
    kind: LateKind;
    replicaId: string;
    /** Why a person has to judge it. */
    message?: string;
  };
}

/** The pause that an instance waits for the end of. */
export interface Waiting {
  cellId: string;
  /** ISO 8601. */
  until: string;
}

/** Why an instance is being unwound, and by whom. */
export interface UnwindingView {
  /** An agent's id, or `@policy`. */
  by: string;
  reason: string;
}

/** An attempt that was in doubt when its instance was cancelled. */
export interface LeftDoubt {
  cellId: string;
  attempt: number;
}

/** Why an instance was cancelled, and what was left. */
export interface CancelledView extends UnwindingView {
  left: (LeftDoubt & DoubtEvidence)[];
}

/** How many of the instances that a run cell started have ended. */
export interface ChildrenView {
  cellId: string;
  ended: number;
  total: number;
}

/** The instance, and its run cell, that started an instance. */
export interface ParentView {
  instanceId: string;
  cellId: string;
  /** Which element of the cell's list it is for, from 0; absent if the cell has no list. */
  n?: number;
}

/** The schedule, and its tick, that started an instance. */
export interface TickOriginView {
  scheduleId: string;
  /** ISO 8601, in UTC. */
  tick: string;
}

/** The claim that an await cell waits for. */
export interface Awaiting {
  cellId: string;
  claimId: string;
  statuses: string[];
  /** Null when the claim was never made. */
  currentStatus: string | null;
  /** ISO 8601, the deadline; absent if there is none. */
  until?: string;
}
