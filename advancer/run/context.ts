import type { Leases } from '../../coordinator/leases.ts';
import type { Clock } from '../../src/time/clock.ts';
import type { InstanceStatus } from '../../src/execution/status.ts';
import type { Row } from '../../src/execution/row.ts';
import type { Logger } from '../../src/logger.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { EffectRunner } from '../cells/cells.ts';
import type { Failpoint } from '../failpoints.ts';
import type { Log } from '../log/log.ts';
import type { Attempts, AttemptStatement } from './attempts.ts';
import type { LateProjections } from './late-projections.ts';
import type { RecentReceipts } from './recent-receipts.ts';

/** What one commit added to an instance's log, as it is announced. */
export interface Committed {
  instanceId: string;
  rows: Row[];
  status: InstanceStatus;
  receipt?: Receipt | undefined;
  /** Whether it has ended, and another instance may wait for that. */
  childEnded: boolean;
}

/** What another replica states about an attempt; silence is neither yes nor no. */
export type PeerAnswer = AttemptStatement | 'silent';

/** A question to another replica: whether it runs this attempt. */
export interface PeerQuestion {
  instanceId: string;
  cellId: string;
  attempt: number;
  /** The token of the term that asks. */
  fencingToken: number;
}

/** Events that are counted and served as metrics. */
export type Counted =
  | { what: 'receipt'; outcome: string }
  | { what: 'malformed'; verb: string }
  /** What replicas ask or tell each other, from a sender that could not show that it is one. */
  | { what: 'unauthenticated'; kind: string; reason: string }
  | { what: 'row'; kind: string }
  | { what: 'fenced' }
  | { what: 'late_outcome'; kind: string }
  | { what: 'take_over' }
  | { what: 'declined' }
  /** A reply that was not sent, since the requester wanted it on a subject that is not allowed. */
  | { what: 'refused_reply' }
  /** This replica could not run an instance's next cell, and released its lease. */
  | { what: 'wrong_replica' }
  | { what: 'unknown_append' }
  /** An instance was looked at that may go on by itself; see `Looked`. */
  | { what: 'due'; outcome: string }
  /** This replica recorded a tick of a schedule. */
  | { what: 'tick'; outcome: string }
  /** An enqueued message that cannot be served was put where people see it. */
  | { what: 'poison' }
  /** Something was not taken in, because a limit was reached; see `ReachedLimit`. */
  | { what: 'over_limit'; limit: string };

/** What running an instance needs from outside. The simulation replaces each part. */
export interface RunContext {
  readonly log: Log;
  readonly leases: Leases;
  readonly effects: EffectRunner;
  readonly clock: Clock;
  readonly attempts: Attempts;
  readonly receipts: RecentReceipts;
  readonly projections: LateProjections;
  readonly failpoint: Failpoint | undefined;
  readonly logger: Logger;
  readonly count: (event: Counted) => void;
  /** Asks another replica whether it runs an attempt. Its "no" is binding. */
  readonly askPeer: (
    replicaId: string,
    about: PeerQuestion,
    timeoutMs: number,
  ) => Promise<PeerAnswer>;
  /** Publishes what was committed; best effort. */
  readonly announce: (committed: Committed) => void;
  /** The log of this instance says that its children are to be cancelled: sees to it. */
  readonly cancelChildren: (instanceId: string) => void;
  /** An unattended instance can go on: sees to it. */
  readonly goOn: (instanceId: string) => void;
  /** Asks the instance's holder to settle it; best effort. */
  readonly askToSettle: (instanceId: string) => void;
  /** Reports that Postgres did not answer, so that the replica can release its leases. */
  readonly logTrouble: (cause: unknown) => void;
  /** Ends the process: an invariant is broken, and continuing could do harm. */
  readonly crash: (cause: unknown) => never;
  /** Fires when the replica drains: running attempts end, and none is begun. */
  readonly draining: AbortSignal;
  /** Fires when the drain's time is up: running attempts are aborted. */
  readonly abort: AbortSignal;
  /**
   * How long an intent may stay unknown before its request is answered `unavailable`, in
   * milliseconds.
   */
  readonly appendPatienceMs: number;
  /**
   * How long an intent may stay unknown before the replica checks whether Postgres answers, in
   * milliseconds.
   */
  readonly appendSuspectMs: number;
  /**
   * How long Postgres may be unavailable with an attempt in hand before the session is ended, in
   * milliseconds.
   */
  readonly stepDownAfterMs: number;
}
