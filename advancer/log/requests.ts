import type { Outcome, Receipt } from '../../src/request/receipt.ts';

/** The ids of a request. */
export interface RequestIds {
  instanceId: string;
  requestId: string;
}

/** What the log knows of a request. */
export interface RequestState {
  /** Undefined as long as it has none. It may be another instance's. */
  receipt: Receipt | undefined;
  /** Whether its instance exists. */
  hasInstance: boolean;
}

/** A refusal of a request on an instance that nobody need hold. */
export interface UnheldReceipt extends RequestIds {
  /** Who sent the request; null if nobody can tell. */
  agentId: string | null;
  /** Its outcome is `not_found`, `expired` or `invalid`, and it names no holder. */
  receipt: Receipt;
}

/** What came of recording a refusal. */
export type Refused =
  | 'recorded'
  /** The request has a receipt already. */
  | 'receipted'
  /** The instance exists, or its log is not empty: the request is for its holder. */
  | 'moved_on';

/** A recorded request as `requests` shows it. */
export interface ListedRequest extends RequestIds {
  outcome: Outcome;
  /** Null if nobody can tell, and for receipts of earlier releases. */
  agentId: string | null;
  /** 0 if it needed no lease. */
  fencingToken: number;
  /** The last seq that the receipt rests on. */
  lastSeq: number;
  recordedAt: string;
}

/** Which recorded requests to list. */
export interface RequestFilter {
  requestId?: string | undefined;
  instanceId?: string | undefined;
  agentId?: string | undefined;
  outcome?: string | undefined;
  limit: number;
}

/**
 * The part of the log that is about requests as such. Every method throws `LogUnavailable` when
 * Postgres cannot be asked; `refuse` may have recorded the receipt then, and may be repeated.
 */
export interface Requests {
  /** What the log knows of a request, read at one moment. */
  state(ids: RequestIds): Promise<RequestState>;
  /** Records a refusal under no lease. The guard admits it only where none is needed. */
  refuse(refusal: UnheldReceipt): Promise<Refused>;
  /** Recorded requests, newest first. */
  list(filter: RequestFilter): Promise<ListedRequest[]>;
}
