import type { WireRow } from '../execution/row.ts';
import type { CellView, InstanceStatus } from '../execution/status.ts';
import type {
  Awaiting,
  CancelledView,
  ChildrenView,
  DoubtEvidence,
  InDoubt,
  InFlight,
  ParentView,
  TickOriginView,
  UnwindingView,
  Waiting,
} from '../execution/views.ts';
import type { Holder, Receipt } from './receipt.ts';

/** The answer to `status.<instanceId>`: derived from the log at one moment. */
export interface StatusReply {
  instanceId: string;
  runbookId: string;
  version: number;
  /** The heading of the runbook for people; absent if it has none. */
  title?: string;
  status: InstanceStatus;
  /**
   * The first cell that is neither satisfied nor prose, or the undo cell that is next; null if
   * there is none.
   */
  nextCellId: string | null;
  /** As the answering replica last saw it; null if no replica holds the instance. */
  holder: Holder | null;
  /** 0 for an empty log. */
  lastSeq: number;
  /** Whether it goes on by itself whenever it can. Absent in replies of older versions. */
  unattended?: boolean;
  /** True if what an attended instance waited for is there: it moves at its next request. */
  due?: true;
  cells: CellView[];
  awaiting?: Awaiting;
  waiting?: Waiting;
  /** The instances that its run cell waits for. */
  children?: ChildrenView;
  /** Set from when it begins to be unwound; `cancelled` follows once everything is undone. */
  unwinding?: UnwindingView;
  cancelled?: CancelledView;
  /** The run cell that started it; absent if none did. */
  parent?: ParentView;
  /** The schedule that started it; absent if none did. */
  schedule?: TickOriginView;
  inFlight?: InFlight;
  inDoubt?: InDoubt & DoubtEvidence;
  /** The log, if the request asked for it. */
  log?: WireRow[];
  /** True if `log` has only the newest rows: the others did not fit in a message. */
  logTruncated?: true;
  /** The recorded receipt of the request named in the question; absent if there is none yet. */
  receipt?: Receipt;
}

/**
 * An event: what one commit added to an instance's log. What is too large for one message comes as
 * several, and the receipt with the last of them.
 */
export interface InstanceEvent {
  instanceId: string;
  rows: WireRow[];
  status: InstanceStatus;
  /** The receipt that was committed with the rows. */
  receipt?: Receipt;
}

/** The answer to `start`. */
export interface StartReply {
  instanceId: string;
  runbookId: string;
  version: number;
  /** False if the same instance had been started before. */
  created: boolean;
}

/** The answer to `claim.<claimId>`. */
export interface ClaimReply {
  claimId: string;
  revision: number;
  status: string;
}

/** The answer to `decide.<instanceId>`. */
export interface DecideReply {
  instanceId: string;
  /** The position of the decision in the log. */
  seq: number;
  as: string;
}

/** The answer to `cancel.<instanceId>`. */
export interface CancelReply {
  instanceId: string;
  /** The position of `cancelled`, or of `unwinding`, in the log. */
  seq: number;
  /** The instance's status after it: not yet `cancelled` if something is to be undone first. */
  status: InstanceStatus;
}
