import type {
  Awaiting,
  ChildrenView,
  InDoubt,
  InFlight,
  Step,
  UnwindingView,
  Waiting,
} from '../execution/views.ts';

/** Outcomes of requests that were admitted; recorded once, under the request id. */
export const RECORDED_OUTCOMES = [
  'completed',
  'advanced',
  'parked',
  'halted',
  'in_doubt',
  'cancelled',
] as const;
/**
 * Outcomes of requests that were refused: nothing ran, nothing is recorded, and the same request id
 * may be sent again.
 */
export const REFUSED_OUTCOMES = [
  'in_flight',
  'out_of_order',
  'not_found',
  'expired',
  'invalid',
  'unavailable',
] as const;

/** See {@link RECORDED_OUTCOMES}. */
export type RecordedOutcome = (typeof RECORDED_OUTCOMES)[number];
/** See {@link REFUSED_OUTCOMES}. */
export type RefusedOutcome = (typeof REFUSED_OUTCOMES)[number];
/** How a request ended. */
export type Outcome = RecordedOutcome | RefusedOutcome;

/** The replica that holds an instance, and its token. */
export interface Holder {
  replicaId: string;
  fencingToken: number;
}

/** What went wrong. `field` names the input to correct. */
export interface ReceiptError {
  code: string;
  message: string;
  field?: string;
}

/** The typed answer to one advance request. */
export interface Receipt {
  requestId: string | null;
  instanceId: string;
  outcome: Outcome;
  /** Every row written under this request id, by any replica. */
  steps: Step[];
  /** True if only the newest steps fit in the message; the log has all of them. */
  stepsTruncated?: true;
  /**
   * The first cell that is neither satisfied nor prose, or the undo cell that is next; null if
   * there is none.
   */
  nextCellId: string | null;
  holder: Holder | null;
  awaiting?: Awaiting;
  waiting?: Waiting;
  children?: ChildrenView;
  unwinding?: UnwindingView;
  inFlight?: InFlight;
  inDoubt?: InDoubt;
  error?: ReceiptError;
}

/** Whether the log records receipts with this outcome. */
export function isRecorded(outcome: Outcome): outcome is RecordedOutcome {
  return (RECORDED_OUTCOMES as readonly string[]).includes(outcome);
}
