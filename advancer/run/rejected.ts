import type { NewRow } from '../../src/execution/row.ts';
import type { Rejected } from '../log/log.ts';
import { appendUntilDefinite } from './append.ts';
import type { RunContext } from './context.ts';
import { closeForNoRequest, keepRefusedRows, rowsBeforeOpening, type Closed } from './evidence.ts';
import { reduced } from './reduced-row.ts';
import { closedLine } from './rest.ts';

/**
 * Closes the attempt of an entry that Postgres refused for what it holds. An attempt that has ended
 * must not stay open for it: its closing rows are sent without what would follow them, then, if it
 * is the data, with less of it. What happened stays what happened: a success is recorded as a
 * success whose output is lost.
 *
 * If nothing is accepted, the attempt stays open in the log and ends here: then its outcome is
 * unknown, and the replica that leads next records it so.
 *
 * @returns `closed` if the log has moved on by this, so that reading it again leads on; `left` if
 *   nothing was written
 */
export async function closeRejected(
  context: RunContext,
  log: Closed,
  rows: readonly NewRow[],
  { why, ofData }: Rejected,
): Promise<'closed' | 'left'> {
  const { logger, leases } = context;
  const { instanceId, token } = log.holding;
  logger.error({ instanceId, token, why }, 'Postgres refuses to record what comes next');
  const closing = rowsBeforeOpening(rows);
  if (closing.length === 0) return 'left';
  const smaller = [closing, ...(ofData ? [closing.map((row) => reduced(row, why))] : [])];
  for (const entry of smaller) {
    const outcome = await appendUntilDefinite(context, {
      instanceId,
      fencingToken: token,
      replicaId: leases.replicaId,
      rows: entry,
      projection: closedLine(entry, log.unattended),
    });
    switch (outcome.kind) {
      case 'appended':
      case 'already_recorded':
        return 'closed';
      case 'rejected':
        continue;
      case 'conflict':
      case 'fenced':
        await keepRefusedRows(context, entry, outcome.detail);
        return 'closed';
      case 'receipted':
        await closeForNoRequest(context, log, entry, outcome.receipt.requestId);
        return 'closed';
    }
  }
  const { cellId, attempt, kind } = closing[0]!;
  logger.error(
    { instanceId, cellId, attempt, kind, why },
    'Postgres refuses to record how an attempt ended; its outcome is recorded as unknown later',
  );
  await keepRefusedRows(context, closing, why);
  return 'left';
}
