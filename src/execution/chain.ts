import { failedAfterEffect } from './outcome.ts';
import { INTERRUPT_REASONS, VERDICTS, type NewRow } from './row.ts';

/** Why the log refuses a row, with the SQLSTATE that the guard in the database raises for it. */
export type ChainBreach =
  /** LH001: the row at `seq - 1` does not exist. */
  | { code: 'LH001'; rule: 'gap'; detail: string }
  /** LH002: the token is below the predecessor's. */
  | { code: 'LH002'; rule: 'stale_token'; detail: string }
  /** LH003: this row may not follow its predecessor. */
  | { code: 'LH003'; rule: 'order'; detail: string };

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
    return opens(row) && row.attempt === 1
      ? undefined
      : order(`${describe(row)} cannot be the first row`);
  }
  if (predecessor === undefined) {
    return { code: 'LH001', rule: 'gap', detail: `there is no row at seq ${row.seq - 1}` };
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

/**
 * Whether `row` may come right after `before`. Tokens are checked by the caller, except that an
 * outcome, and all that only the attempt's own process can know, must carry the attempt's token.
 */
function follows(before: ChainRow, row: ChainRow): boolean {
  const sameAttempt = row.cellId === before.cellId && row.attempt === before.attempt;
  const nextAttempt =
    row.kind === 'started' && row.cellId === before.cellId && row.attempt === before.attempt + 1;
  const nextCell = opens(row) && row.cellId !== before.cellId && row.attempt === 1;
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
      if (row.kind !== 'decided' || !sameAttempt) return false;
      if (before.body['reason'] === 'not_started') return row.body['as'] === 'rerun';
      // The effect happened: nobody can decide that its next attempt is a new one.
      if (before.body['happened'] === true && row.body['as'] === 'failed')
        return row.body['happened'] === true;
      return isVerdict(row.body['as']);
    case 'decided':
      switch (before.body['as']) {
        case 'rerun':
          return nextAttempt;
        case 'failed':
          return nextAttempt && !failedAfterEffect(before);
        default:
          return nextCell;
      }
    case 'failed':
      return nextAttempt && !failedAfterEffect(before);
    case 'completed':
    case 'satisfied':
      return nextCell;
    case 'refuted':
      return false;
  }
}

function opens(row: ChainRow): boolean {
  return row.kind === 'started' || row.kind === 'satisfied' || row.kind === 'refuted';
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
