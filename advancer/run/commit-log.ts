import { failureText } from '../../src/execution/cell-error.ts';
import type { Row } from '../../src/execution/row.ts';
import type { Logger } from '../../src/logger.ts';
import type { Failpoint } from '../failpoints.ts';
import type { Committed } from './context.ts';

/**
 * Logs what an operator wants to know of a commit: doubts, decisions, halts and cancellations. An
 * ordinary commit costs a look at the kinds of its rows.
 */
export function logCommit(logger: Logger, { rows, status }: Committed): void {
  for (const row of rows) {
    switch (row.kind) {
      case 'interrupted': {
        const { reason, detail } = row.body;
        logger.info({ ...placeOf(row), reason, detail }, 'an attempt was interrupted');
        break;
      }
      case 'decided': {
        const { as, by, reason } = row.body;
        logger.info({ ...placeOf(row), as, by, reason }, 'an attempt was decided');
        break;
      }
      case 'unwinding': {
        const { by, reason } = row.body;
        logger.info({ ...placeOf(row), by, reason }, 'the instance is being unwound');
        break;
      }
      case 'cancelled': {
        const { by, reason, left } = row.body;
        logger.info({ ...placeOf(row), by, reason, left }, 'the instance was cancelled');
        break;
      }
      case 'failed':
      case 'refuted':
      case 'skipped':
      case 'started':
      case 'completed':
      case 'satisfied':
    }
  }
  const last = rows.at(-1);
  if (last === undefined) return;
  if (status === 'halted') {
    const why = last.kind === 'refuted' ? last.body : (last.body['error'] ?? last.body['reason']);
    logger.info({ ...placeOf(last), why: failureText(why ?? null) }, 'the instance halted');
  } else if (status === 'in_doubt') {
    logger.info(placeOf(last), 'the instance is in doubt');
  }
}

/** What tells an event of an attempt from all others. */
export function placeOf(
  row: Pick<Row, 'instanceId' | 'cellId' | 'attempt' | 'fencingToken' | 'requestId'>,
): {
  instanceId: string;
  cellId: string;
  attempt: number;
  token: number;
  requestId: string | null;
} {
  const { instanceId, cellId, attempt, fencingToken, requestId } = row;
  return { instanceId, cellId, attempt, token: fencingToken, requestId };
}

/** The failpoint after the outcomes among the rows of a commit. */
export async function failAfterOutcome(failpoint: Failpoint, rows: readonly Row[]): Promise<void> {
  for (const { kind, instanceId, cellId, attempt, requestId } of rows) {
    if (kind !== 'completed' && kind !== 'failed') continue;
    await failpoint('after_outcome', { instanceId, cellId, attempt, requestId });
  }
}
