import { attemptsOf } from './attribution.ts';
import type { Evidence } from './checker.ts';
import type { RandomCell } from './random-cell.ts';
import { FOLLOWER } from './runbook-of.ts';

/** How an instance can end. */
export type End = 'completed' | 'halted' | 'in_doubt' | 'ready';

/** After this many interruptions in a row, a cell that says `rerun` waits for a person. */
const MOST_RERUNS = 10;

/** The end that the log of an instance amounts to; `ready` if there is work left. */
export function endOf({ cell, rows }: Pick<Evidence, 'cell' | 'rows'>): End {
  const cells = cell.follower ? [cell.cellId, FOLLOWER] : [cell.cellId];
  for (const cellId of cells) {
    const end = endOfCell(cell, rows, cellId);
    if (end !== 'completed') return end;
  }
  return 'completed';
}

function endOfCell(cell: RandomCell, rows: Evidence['rows'], cellId: string): End {
  const last = rows.findLast((row) => row.cellId === cellId);
  switch (last?.kind) {
    case 'completed':
      return 'completed';
    case 'failed':
      return afterFailure(cell, rows, cellId);
    case 'decided': {
      const as = last.body['as'];
      if (as === 'succeeded' || as === 'skipped') return 'completed';
      return as === 'failed' ? afterFailure(cell, rows, cellId) : 'ready';
    }
    case 'interrupted':
      return 'in_doubt';
    default:
      return 'ready';
  }
}

/** Halted, if the effect happened or the retries are used up. */
function afterFailure(cell: RandomCell, rows: Evidence['rows'], cellId: string): End {
  const last = rows.findLast((row) => row.cellId === cellId);
  if (last?.body['happened'] === true) return 'halted';
  let failures = 0;
  for (const { kind, cellId: of, body } of rows) {
    if (of !== cellId) continue;
    if (kind === 'decided' && !String(body['by']).startsWith('@')) failures = 0;
    if (kind === 'failed' || (kind === 'decided' && body['as'] === 'failed')) failures += 1;
  }
  const budget = cellId === cell.cellId ? cell.attempts : 1;
  return failures >= budget ? 'halted' : 'ready';
}

/** What is wrong with the way in which an instance ended; undefined if it ended as it should. */
export function wrongEnd(evidence: Evidence): string | undefined {
  const { cell, status, unavailable } = evidence;
  const end = endOf(evidence);
  if (status !== end)
    return `its status is ${status ?? 'not to be had'}, but its log amounts to ${end}`;
  if (end === 'ready') {
    // Nothing was recorded, so that it can run once a replica has the handler.
    if (cell.obstacle === 'nobody' && evidence.rows.length === 0 && unavailable !== undefined)
      return undefined;
    return 'it has work left, and was not carried on';
  }
  if (cell.obstacle === 'nobody') return `no replica has its handler, but it is ${end}`;
  return end === 'in_doubt' ? wrongDoubt(evidence) : undefined;
}

/** What is wrong with a doubt: something else than a person could settle it. */
export function wrongDoubt({ cell, rows, late }: Evidence): string | undefined {
  const last = rows.at(-1);
  if (last === undefined || last.body['reason'] === 'unverified') return undefined;
  // The process that made the attempt says so, too late for the log.
  const saysSo = late.some(
    ({ cellId, attempt, kind }) =>
      kind === 'unverified' && cellId === last.cellId && attempt === last.attempt,
  );
  if (saysSo) return undefined;
  if (last.body['reason'] === 'not_started') return 'it is in doubt, but nothing was begun';
  const policy = last.cellId === cell.cellId ? cell.policy : 'rerun';
  switch (policy) {
    case 'hold':
      return undefined;
    case 'probe':
      return cell.says === 'truth' ? 'it is in doubt, but its probe can tell' : undefined;
    case 'rerun': {
      const interruptions = interruptionsInARow(rows, last.cellId);
      return interruptions >= MOST_RERUNS
        ? undefined
        : `it is in doubt after ${interruptions} interruptions, but may run again`;
    }
  }
}

function interruptionsInARow(rows: Evidence['rows'], cellId: string): number {
  let count = 0;
  for (const { closing, decisions } of attemptsOf(rows, cellId)) {
    if (closing?.kind === 'failed') count = 0;
    else if (closing?.body['reason'] !== 'not_started') count += 1;
    const definite = decisions.some(
      ({ body }) => body['as'] !== 'rerun' || !String(body['by']).startsWith('@'),
    );
    if (definite) count = 0;
  }
  return count;
}
