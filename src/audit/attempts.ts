import { isOfInstance, opens, type Row } from '../execution/row.ts';

/**
 * The rows of one attempt of an exec cell. In a correct log `started` and `closings` have at most
 * one row each, and `decisions` one for a doubt and one for a halted cell. What a person decides
 * about another cell that was refuted has decisions only.
 */
export interface Attempt {
  cellId: string;
  attempt: number;
  started: Row[];
  /** `completed`, `failed`, `interrupted`. */
  closings: Row[];
  decisions: Row[];
}

/** The rows of a log, by attempt. */
export function attemptsOf(rows: readonly Row[]): Attempt[] {
  const attempts = new Map<string, Attempt>();
  for (const row of rows) {
    if (isOfInstance(row) || (opens(row) && row.kind !== 'started')) continue;
    const { cellId, attempt } = row;
    const key = `${cellId}/${attempt}`;
    let found = attempts.get(key);
    if (found === undefined) {
      found = { cellId, attempt, started: [], closings: [], decisions: [] };
      attempts.set(key, found);
    }
    if (row.kind === 'started') found.started.push(row);
    else if (row.kind === 'decided') found.decisions.push(row);
    else found.closings.push(row);
  }
  return [...attempts.values()];
}

/** The attempt with this cell and number. */
export function attemptOf(
  attempts: readonly Attempt[],
  at: { cellId: string; attempt: number },
): Attempt | undefined {
  return attempts.find(({ cellId, attempt }) => cellId === at.cellId && attempt === at.attempt);
}

/** The seqs of rows. */
export function seqsOf(...rows: (Row | undefined)[]): number[] {
  return rows.flatMap((row) => (row === undefined ? [] : [row.seq]));
}
