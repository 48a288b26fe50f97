/*
 * What an outcome means. Two tables say it, and nothing else does:
 *
 * - ENDINGS puts every way in which an effect can end into a class;
 * - OUTCOMES says how a class is recorded, and which idempotency key the next attempt gets.
 *
 * `docs/outcomes.md` has the same tables, and a test compares them.
 */

import type { JsonObject } from '../json.ts';
import type { NewRow } from './row.ts';

/** What is known of an effect that has ended. */
export type OutcomeClass =
  /** It happened. */
  | 'succeeded'
  /** The receiver got it and said no. */
  | 'refused'
  /** Nothing was sent, and nothing was run. */
  | 'notBegun'
  /** Nothing was sent, for a reason that lies with this replica: another one can run the cell. */
  | 'wrongReplica'
  /** It may have happened. */
  | 'unknown';

interface EndingLine {
  /** The ending in words, as the docs have it. */
  readonly text: string;
  readonly class: OutcomeClass;
}

/** Every way in which an effect can end. */
export const ENDINGS = {
  // Any effect.
  placeholder: { text: 'a placeholder cannot be filled', class: 'notBegun' },
  stopped: { text: 'we stopped it: time-out, shutdown or a lost lease', class: 'unknown' },
  stopped_before: { text: 'we stopped it before it began', class: 'wrongReplica' },
  internal_error: { text: 'the replica failed while it ran', class: 'unknown' },

  // Commands.
  exit_0: { text: 'exit code 0', class: 'succeeded' },
  exit_1_125: { text: 'exit codes 1 to 125', class: 'refused' },
  exit_126_127: { text: 'exit codes 126 and 127', class: 'notBegun' },
  exit_128: { text: 'exit codes from 128', class: 'unknown' },
  signal: { text: 'a signal ended it', class: 'unknown' },
  not_spawned: { text: 'the program cannot be started', class: 'notBegun' },
  spawn_shortage: { text: 'the replica is out of processes or files', class: 'wrongReplica' },
  no_temp_directory: {
    text: 'the replica has no usable temporary directory',
    class: 'wrongReplica',
  },

  // HTTP calls.
  bad_request: { text: 'the request cannot be built, or is not allowed', class: 'notBegun' },
  not_connected: { text: 'no connection could be opened', class: 'notBegun' },
  answered_unsent: {
    text: 'the receiver answered (408, say) or closed before anything was sent',
    class: 'notBegun',
  },
  connect_shortage: { text: 'the replica is out of sockets or files', class: 'wrongReplica' },
  status_1xx: { text: 'status 1xx', class: 'unknown' },
  status_2xx: { text: 'status 2xx', class: 'succeeded' },
  status_3xx: { text: 'status 3xx (never followed)', class: 'unknown' },
  status_4xx: { text: 'status 4xx except 408, 425 and 429', class: 'refused' },
  status_408: { text: 'status 408 after something was sent', class: 'unknown' },
  status_425: { text: 'status 425', class: 'notBegun' },
  status_429: { text: 'status 429', class: 'notBegun' },
  status_5xx: { text: 'status 5xx', class: 'unknown' },
  connection_lost: {
    text: 'the connection was lost before the whole response',
    class: 'unknown',
  },

  // Handlers.
  returned: { text: 'it returned', class: 'succeeded' },
  threw: { text: 'it threw', class: 'refused' },
  threw_not_begun: { text: 'it threw `NotBegun`', class: 'notBegun' },
  threw_unknown: { text: 'it threw `OutcomeUnknown`', class: 'unknown' },
  threw_broken_off: {
    text: 'it threw an error that is, or was caused by, a connection, time-out or abort error, or that says that the machine is short of files, memory or disk space',
    class: 'unknown',
  },
  threw_after_stop: { text: 'it threw after it was asked to stop', class: 'unknown' },
  no_handler: {
    text: 'the replica does not have the handler, or a secret that the effect receives',
    class: 'wrongReplica',
  },
} as const satisfies Record<string, EndingLine>;

/** The name of a line of {@link ENDINGS}. */
export type Ending = keyof typeof ENDINGS;

interface OutcomeLine {
  /** The kind of the row that ends the attempt. */
  readonly row: 'completed' | 'failed' | 'interrupted';
  /** What the row's body says of the class. */
  readonly body: JsonObject;
  /** The idempotency key of the cell's next attempt, if there is one. */
  readonly nextKey: 'same' | 'new';
}

/**
 * How each class is recorded. The reason of an `interrupted` row of the class `unknown` says more:
 * `crash` stands for every ending that we did not cause.
 */
export const OUTCOMES = {
  succeeded: { row: 'completed', body: {}, nextKey: 'same' },
  refused: { row: 'failed', body: {}, nextKey: 'new' },
  notBegun: { row: 'failed', body: { notBegun: true }, nextKey: 'same' },
  wrongReplica: { row: 'interrupted', body: { reason: 'not_started' }, nextKey: 'same' },
  unknown: { row: 'interrupted', body: { reason: 'crash' }, nextKey: 'same' },
} as const satisfies Record<OutcomeClass, OutcomeLine>;

/** A success whose `expect` does not hold: the effect happened, and the cell failed for good. */
export const UNEXPECTED = {
  row: 'failed',
  body: { happened: true },
  nextKey: 'same',
} as const satisfies OutcomeLine;

/** The class of an ending. */
export function classOf(ending: Ending): OutcomeClass {
  return ENDINGS[ending].class;
}

/** Statuses that a cell moves to another class. */
export interface MovedStatuses {
  readonly refused?: readonly number[] | undefined;
  readonly notBegun?: readonly number[] | undefined;
  readonly unknown?: readonly number[] | undefined;
}

/** Exit codes that a cell moves to another class. */
export interface MovedExitCodes {
  readonly refusedExitCodes?: readonly number[] | undefined;
  readonly unknownExitCodes?: readonly number[] | undefined;
}

/** The class of a complete response to a request that was sent. */
export function classOfStatus(status: number, moved: MovedStatuses = {}): OutcomeClass {
  if (moved.refused?.includes(status) === true) return 'refused';
  if (moved.notBegun?.includes(status) === true) return 'notBegun';
  if (moved.unknown?.includes(status) === true) return 'unknown';
  return classOf(endingOfStatus(status));
}

/** The class of a command that ended by itself. */
export function classOfExitCode(exitCode: number, moved: MovedExitCodes = {}): OutcomeClass {
  if (moved.refusedExitCodes?.includes(exitCode) === true) return 'refused';
  if (moved.unknownExitCodes?.includes(exitCode) === true) return 'unknown';
  return classOf(endingOfExitCode(exitCode));
}

function endingOfStatus(status: number): Ending {
  switch (status) {
    case 408:
      return 'status_408';
    case 425:
      return 'status_425';
    case 429:
      return 'status_429';
    default:
  }
  if (status >= 200 && status <= 299) return 'status_2xx';
  if (status >= 300 && status <= 399) return 'status_3xx';
  if (status >= 400 && status <= 499) return 'status_4xx';
  return status < 200 ? 'status_1xx' : 'status_5xx';
}

function endingOfExitCode(exitCode: number): Ending {
  if (exitCode === 0) return 'exit_0';
  if (exitCode >= 128) return 'exit_128';
  return exitCode >= 126 ? 'exit_126_127' : 'exit_1_125';
}

/** What rows say of outcomes. */
type OutcomeRow = Pick<NewRow, 'kind' | 'body'>;

/**
 * Whether the row records that the receiver refused an effect, which gives the next attempt a new
 * idempotency key: `failed`, or `decided` as failed, unless it says that the effect never began or
 * that it happened.
 */
export function isRefusal({ kind, body }: OutcomeRow): boolean {
  if (kind !== 'failed' && !(kind === 'decided' && body['as'] === 'failed')) return false;
  return body['notBegun'] !== true && body['happened'] !== true;
}

/** Whether the row says that the effect happened although the cell failed: it is not run again. */
export function failedAfterEffect({ kind, body }: OutcomeRow): boolean {
  const failed = kind === 'failed' || (kind === 'decided' && body['as'] === 'failed');
  return failed && body['happened'] === true;
}
