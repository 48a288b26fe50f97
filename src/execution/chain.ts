import { isUndoCellId } from '../runbook/undo.ts';
import { failedAfterEffect } from './outcome.ts';
import { INTERRUPT_REASONS, isOfInstance, opens, VERDICTS, type NewRow } from './row.ts';

/** Why the log refuses a row, with the SQLSTATE that the guard in the database raises for it. */
export type ChainBreach =
  /** LH001: the row at `seq - 1` does not exist. */
  | { code: 'LH001'; rule: 'gap'; detail: string }
  /** LH002: the token is below the predecessor's. */
  | { code: 'LH002'; rule: 'stale_token'; detail: string }
  /** LH003: this row may not follow its predecessor. */
  | { code: 'LH003'; rule: 'order'; detail: string }
  /** LH007: the instance is cancelled, and nothing follows that. */
  | { code: 'LH007'; rule: 'cancelled'; detail: string };

/** What the chain rule reads of a row. */
export type ChainRow = Pick<
  NewRow,
  'seq' | 'fencingToken' | 'kind' | 'cellId' | 'attempt' | 'body'
>;

/**
 * The chain rule: whether `row` may be written at its seq, given the row before it.
 *
 * A predecessor never changes, so the answer holds no matter what other processes write at the same
 * time: fencing needs no lock. A trigger enforces the same rule in the database
 * (`advancer/log/functions/chain_breach.sql`); a property test compares the two.
 *
 * @param predecessor the row at `row.seq - 1`, or undefined if there is none
 * @returns undefined if the row is allowed
 */
export function chainBreach(
  predecessor: ChainRow | undefined,
  row: ChainRow,
): ChainBreach | undefined {
  if (row.seq === 1) {
    return mayBeFirst(row) ? undefined : order(`${describe(row)} cannot be the first row`);
  }
  if (predecessor === undefined) {
    return { code: 'LH001', rule: 'gap', detail: `there is no row at seq ${row.seq - 1}` };
  }
  if (predecessor.kind === 'cancelled') {
    return {
      code: 'LH007',
      rule: 'cancelled',
      detail: `${describe(row)} comes after the cancellation at seq ${predecessor.seq}`,
    };
  }
  if (row.fencingToken < predecessor.fencingToken) {
    return {
      code: 'LH002',
      rule: 'stale_token',
      detail: `token ${row.fencingToken} is below ${predecessor.fencingToken}, the token at seq ${predecessor.seq}`,
    };
  }
  return follows(predecessor, row)
    ? undefined
    : order(`${describe(row)} may not follow ${describe(predecessor)}`);
}

function mayBeFirst(row: ChainRow): boolean {
  return row.attempt === 1 && (isOfInstance(row) || (opens(row) && !isUndoCellId(row.cellId)));
}

/**
 * Whether `row` may come right after `before`. Tokens are checked by the caller, except that an
 * outcome, and all that only the attempt's own process can know, must carry the attempt's token.
 */
function follows(before: ChainRow, row: ChainRow): boolean {
  const sameAttempt = row.cellId === before.cellId && row.attempt === before.attempt;
  if (row.kind === 'cancelled') return sameAttempt && before.kind !== 'started';
  if (row.kind === 'unwinding') return sameAttempt && mayUnwindAfter(before);
  switch (before.kind) {
    case 'started':
      if (row.kind === 'completed' || row.kind === 'failed') {
        return sameAttempt && row.fencingToken === before.fencingToken;
      }
      if (row.kind !== 'interrupted' || !sameAttempt) return false;
      // Others can find a crash; only the process that opened the attempt can know the rest.
      if (row.body['reason'] === 'crash') return true;
      return row.fencingToken === before.fencingToken && isInterruptReason(row.body['reason']);
    case 'interrupted':
      return row.kind === 'decided' && sameAttempt && settles(before, row);
    case 'decided':
      switch (before.body['as']) {
        case 'rerun':
          return opensAgain(before, row);
        case 'failed':
          return followsFailure(before, row);
        default:
          return opensNext(before, row);
      }
    case 'failed':
      return followsFailure(before, row);
    case 'refuted':
      return row.kind === 'decided' && sameAttempt && repairs(row);
    case 'completed':
    case 'satisfied':
    case 'skipped':
      return opensNext(before, row);
    case 'unwinding':
      return row.kind === 'started' && row.attempt === 1 && isUndoCellId(row.cellId);
    case 'cancelled':
      return false;
  }
}

/** At most one row of a log says `unwinding`: after it, only undo cells and `cancelled` follow. */
function mayUnwindAfter({ kind, cellId }: ChainRow): boolean {
  return (
    kind !== 'started' && kind !== 'interrupted' && kind !== 'unwinding' && !isUndoCellId(cellId)
  );
}

/** Whether a decision may settle this doubt. */
function settles(doubt: ChainRow, { body }: ChainRow): boolean {
  if (doubt.body['reason'] === 'not_started') return body['as'] === 'rerun';
  // The effect happened: nobody can decide that its next attempt is a new one.
  if (doubt.body['happened'] === true && body['as'] === 'failed') return body['happened'] === true;
  return isVerdict(body['as']);
}

/** Whether a decision may follow a failure or a refuted cell: by an agent, and not failed again. */
function repairs({ body: { as, by } }: ChainRow): boolean {
  return isVerdict(as) && as !== 'failed' && typeof by === 'string' && !by.startsWith('@');
}

function followsFailure(before: ChainRow, row: ChainRow): boolean {
  if (row.cellId !== before.cellId) return false;
  if (row.kind === 'decided') return row.attempt === before.attempt && repairs(row);
  // The effect happened, although the cell failed: there are no retries.
  const isRetry = row.kind === 'started' && row.attempt === before.attempt + 1;
  return isRetry && !failedAfterEffect(before);
}

/** The cell runs again, or is judged again. An undo cell has attempts only. */
function opensAgain(before: ChainRow, row: ChainRow): boolean {
  const isNext = row.cellId === before.cellId && row.attempt === before.attempt + 1;
  return isNext && (isUndoCellId(row.cellId) ? row.kind === 'started' : opens(row));
}

/** Another cell begins: an undo cell if and only if the one before is. */
function opensNext(before: ChainRow, row: ChainRow): boolean {
  if (row.cellId === before.cellId || row.attempt !== 1) return false;
  return isUndoCellId(before.cellId)
    ? row.kind === 'started' && isUndoCellId(row.cellId)
    : opens(row) && !isUndoCellId(row.cellId);
}

function isInterruptReason(value: unknown): boolean {
  return (INTERRUPT_REASONS as readonly unknown[]).includes(value);
}

function isVerdict(value: unknown): boolean {
  return (VERDICTS as readonly unknown[]).includes(value);
}

function describe(row: ChainRow): string {
  return `${row.kind} (cell ${row.cellId}, attempt ${row.attempt}, token ${row.fencingToken})`;
}

function order(detail: string): ChainBreach {
  return { code: 'LH003', rule: 'order', detail };
}
