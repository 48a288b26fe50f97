import type { BusOptions } from '../bus/nats.ts';
import type { Verdict } from '../execution/row.ts';
import type { Json, JsonObject } from '../json.ts';
import type { RowPosition } from '../request/rows.ts';

/** How to connect an agent. */
export interface AgentOptions {
  /** The caller's name; recorded with everything that this agent causes. */
  agentId: string;
  /** Default: `nats://127.0.0.1:4222`. `tls://` enforces TLS; credentials go to `auth`. */
  servers?: string[] | undefined;
  /** Default: `default`. */
  namespace?: string | undefined;
  tls?: BusOptions['tls'];
  auth?: BusOptions['auth'];
  /** Replies are received under this subject, such as `_INBOX.agent-7`. Default: `_INBOX`. */
  inboxPrefix?: string | undefined;
  /** Keeps trying when NATS cannot be reached at first. */
  waitOnFirstConnect?: boolean | undefined;
  connectTimeoutMs?: number | undefined;
  /** Called for lost connections and malformed events. */
  onWarning?: BusOptions['onWarning'];
}

/** What to start. */
export interface StartOptions {
  runbookId: string;
  /** Default: the newest version. */
  version?: number | undefined;
  inputs?: JsonObject | undefined;
  /** Whether it goes on by itself whenever it can. Default: it moves when it is advanced. */
  unattended?: boolean | undefined;
  /** Default: 10 s. */
  timeoutMs?: number | undefined;
}

/** Which version of a runbook to return. */
export interface RunbookOptions {
  /** Default: the newest. */
  version?: number | undefined;
  /** Default: 10 s. */
  timeoutMs?: number | undefined;
}

/** What to return about an instance. */
export interface StatusOptions {
  /** Whether to return the whole log. */
  log?: boolean | undefined;
  /** Returns the receipt recorded under this request id. */
  requestId?: string | undefined;
  /** Returns the whole output of this cell; the others' outputs are cut to 8 KiB each. */
  cellId?: string | undefined;
  /** Default: 10 s. */
  timeoutMs?: number | undefined;
}

/** How far to advance, and how long to wait for the receipt. */
export interface AdvanceOptions {
  /** Default: a fresh UUID. The same id again runs nothing twice and returns the same receipt. */
  requestId?: string | undefined;
  /** The cell that the caller expects to be next; if it is not, the outcome is `out_of_order`. */
  cellId?: string | undefined;
  /** How many exec cells to run at most. */
  maxCells?: number | undefined;
  /** Waits for a run that is under way, instead of being refused as `in_flight`. */
  wait?: boolean | undefined;
  /**
   * The latest time at which the request may begin, by the wall clock. Default: `expiresInMs` from
   * now.
   */
  expiresAt?: string | Date | undefined;
  /** Default: 30 s. */
  expiresInMs?: number | undefined;
  /**
   * How long to wait for the receipt; the run itself may take longer and continues. Default: 5
   * minutes.
   */
  timeoutMs?: number | undefined;
  /** After this much silence, look for the recorded receipt. Default: 3 s. */
  pollMs?: number | undefined;
  /** After this much silence, send the same request again. Default: 10 s. */
  askAgainMs?: number | undefined;
  /** Stops the waiting, not the run. */
  signal?: AbortSignal | undefined;
}

/** Where to begin to watch, and until when. */
export interface WatchOptions {
  /**
   * The position after which rows are returned. One instance: a seq, 0 for the whole log. All: the
   * `cursor` of an earlier watch, 0 for all that there are. Default: `now`.
   */
  after?: RowPosition | undefined;
  /** Ends the watch. */
  signal?: AbortSignal | undefined;
}

/** How far to advance, once the request is served. */
export interface EnqueueOptions {
  /** Default: a fresh UUID. The same id again is stored again, and served once. */
  requestId?: string | undefined;
  /** The cell that the caller expects to be next; if it is not, the outcome is `out_of_order`. */
  cellId?: string | undefined;
  /** How many exec cells to run at most. */
  maxCells?: number | undefined;
  /** The latest time at which the request may begin, by the wall clock. Default: none. */
  expiresAt?: string | Date | undefined;
  /** How long to wait until it is stored. Default: 10 s. */
  timeoutMs?: number | undefined;
}

/** A new status of a claim. */
export interface ClaimOptions {
  status: string;
  evidence?: Json | undefined;
  /** Default: 10 s. */
  timeoutMs?: number | undefined;
}

/** The decision on an attempt in doubt, or on a cell that halted its instance. */
export interface DecideOptions {
  cellId: string;
  /** The attempt in doubt, or that halted; any other is a `conflict`. */
  attempt: number;
  as: Verdict;
  reason: string;
  /** The cell's output, with `as: 'succeeded'`. */
  output?: Json | undefined;
  /** Default: 10 s. */
  timeoutMs?: number | undefined;
}

/** Why an instance is cancelled, and what of it. */
export interface CancelOptions {
  reason: string;
  /** Undoes what was satisfied, in reverse order, before the instance is cancelled. */
  undo?: boolean | undefined;
  /** Also cancels the instances that its `run` cells have started. */
  children?: boolean | undefined;
  /** Default: 35 s. A running attempt is ended first. */
  timeoutMs?: number | undefined;
}
