import type { Json, JsonObject } from '../json.ts';
import type { NotStarted } from './not-started.ts';
import { failedAfterEffect, isRefusal } from './outcome.ts';
import type { Row } from './row.ts';

/** Which attempt was decided, how, and by whom. */
interface Decision {
  attempt: number;
  as: string;
  /** An agent's id, or who decides without a person. */
  by: string;
  /** Its row. */
  seq: number;
}

/** What the log says about one cell. */
export interface CellRecord {
  /** The newest attempt's number. */
  attempts: number;
  /**
   * The run number in the key of the next attempt: one more than the cell's definite refusals ever,
   * including those that were decided as failed. It never falls.
   */
  run: number;
  /** Failures since the last decision by an agent, for the retry budget. */
  failures: number;
  /**
   * Whether the newest failure, or the doubt after it, came although the effect is known to have
   * happened. What a person decides about the cell afterwards does not change that it is to be
   * undone.
   */
  happened: boolean;
  /** How long the receiver of the newest attempt asked to wait. */
  retryAfterMs: number;
  /**
   * Interruptions since the last definite outcome or a person's decision, without those that are
   * `not_started`.
   */
  interruptions: number;
  /**
   * The newest attempt with an unknown outcome, until it is known or an agent has decided: also if
   * policy has the cell run again.
   */
  unsettled: number | undefined;
  /** The newest decision. */
  decision: Decision | undefined;
  /** The newest attempts whose effects never began; undefined if the newest one's did. */
  notStarted: NotStarted | undefined;
  /** Undefined while the cell is not finished. */
  result: 'satisfied' | 'skipped' | 'refuted' | undefined;
  /** The output of a satisfied cell; null for a skipped one. */
  output: Json | undefined;
  /**
   * The output of an effect that happened although the cell is not satisfied, for what undoes the
   * cell. Undefined if there is none.
   */
  leftOutput: Json | undefined;
  /** The newest definite failure; undefined once a later row of the cell supersedes it. */
  failure: Json | undefined;
  /** Why the cell was skipped: the body of the row that says so. */
  skipped: JsonObject | undefined;
}

/** The record of a cell that no row names yet. */
export function newRecord(): CellRecord {
  return {
    attempts: 0,
    run: 1,
    failures: 0,
    happened: false,
    retryAfterMs: 0,
    interruptions: 0,
    unsettled: undefined,
    decision: undefined,
    notStarted: undefined,
    result: undefined,
    output: undefined,
    leftOutput: undefined,
    failure: undefined,
    skipped: undefined,
  };
}

/** An attempt is opened, whose intent records this key. */
export function begin(cell: CellRecord, key: string): void {
  cell.failure = undefined;
  cell.retryAfterMs = 0;
  // Never below a number that was used, whatever wrote it.
  cell.run = Math.max(cell.run, runOf(key));
}

/** Its newest attempt was closed as interrupted; `replicaId` is the replica that made it. */
export function interrupt(cell: CellRecord, row: Row, replicaId: string): void {
  cell.retryAfterMs = retryAfterMsOf(row);
  if (row.body['reason'] === 'not_started') {
    neverBegan(cell, replicaId, row);
    return;
  }
  if (row.body['happened'] === true) {
    cell.happened = true;
    cell.leftOutput = row.body['output'];
  }
  cell.interruptions += 1;
  cell.unsettled = row.attempt;
  cell.notStarted = undefined;
}

/** The cell is satisfied. */
export function succeed(cell: CellRecord, output: Json): void {
  cell.result = 'satisfied';
  cell.output = output;
  cell.leftOutput = undefined;
  cell.interruptions = 0;
  cell.unsettled = undefined;
  cell.notStarted = undefined;
  cell.failure = undefined;
}

/** The cell is skipped; `why` is the body of the row that says so. */
export function skip(cell: CellRecord, why: JsonObject): void {
  const { leftOutput } = cell;
  succeed(cell, null);
  cell.leftOutput = leftOutput;
  cell.result = 'skipped';
  cell.skipped = why;
}

/** The cell is refuted, for what this body says. */
export function refute(cell: CellRecord, why: JsonObject): void {
  cell.result = 'refuted';
  cell.failure = why;
}

/** Its newest attempt was decided, whatever follows from that. */
export function noteDecision(cell: CellRecord, { attempt, seq, body }: Row): void {
  const by = textOf(body['by']);
  cell.decision = { attempt, as: textOf(body['as']), by, seq };
  // A policy does not find out what became of the effect.
  if (by !== '@policy') cell.unsettled = undefined;
}

/** A decision has it run again, or judged again. */
export function rerun(cell: CellRecord): void {
  cell.result = undefined;
  cell.failure = undefined;
}

/** Its newest attempt failed, or was decided as failed. */
export function fail(cell: CellRecord, row: Row, failure: Json): void {
  cell.failures += 1;
  if (isRefusal(row)) cell.run += 1;
  cell.happened = failedAfterEffect(row);
  // A decision has no output; that of the attempt that it is about stays.
  if (!cell.happened) cell.leftOutput = undefined;
  else if (row.kind === 'failed') cell.leftOutput = row.body['output'];
  cell.retryAfterMs = retryAfterMsOf(row);
  cell.interruptions = 0;
  cell.unsettled = undefined;
  cell.notStarted = undefined;
  cell.failure = failure;
}

/** The attempt's `started` row names the replica that made it; another may have closed it. */
function neverBegan(cell: CellRecord, replicaId: string, row: Row): void {
  const by = cell.notStarted?.by ?? [];
  const unable = row.body['wrongReplica'] === true && !by.includes(replicaId);
  cell.notStarted = {
    count: (cell.notStarted?.count ?? 0) + 1,
    by: unable ? [...by, replicaId] : by,
    why: textOf(row.body['detail']),
  };
}

/** The run number in a recorded key; 0 if it has none. */
function runOf(key: string): number {
  const run = Number(key.slice(key.lastIndexOf('/') + 1));
  return Number.isSafeInteger(run) ? run : 0;
}

/** How long the receiver asked to wait, in milliseconds. */
function retryAfterMsOf({ body }: Row): number {
  const value = body['retryAfterMs'];
  return typeof value === 'number' ? value : 0;
}

/** A member of a body that is a string in every row that the guard accepts. */
export function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}
