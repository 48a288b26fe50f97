import type { StatusReply } from '../../src/request/status-reply.ts';
import { awaitingText, doubtLines, flightText } from './receipt.ts';
import { detailText } from './row.ts';
import { brief, clean, cut, table } from './table.ts';
import type { Style } from './table.ts';
import { timeOfDay } from './time.ts';

/** The status of an instance as text. */
export function statusText(reply: StatusReply, style: Style, nowMs: number): string {
  const { instanceId, runbookId, version, status, holder, lastSeq, inFlight, awaiting, inDoubt } =
    reply;
  const held =
    holder === null
      ? 'not held'
      : `held by ${holder.replicaId}, fencing token ${holder.fencingToken}`;
  const lines = [
    clean(`${instanceId}  ${runbookId} v${version}  ${status}`),
    clean(`${held}; ${lastSeq} ${lastSeq === 1 ? 'row' : 'rows'} in the log`),
    '',
    table(
      ['CELL', 'TYPE', 'STATE', 'ATTEMPT', 'OUTPUT'],
      reply.cells.map(({ cellId, type, state, attempt, output }) => [
        cellId === reply.nextCellId ? `> ${cellId}` : `  ${cellId}`,
        type,
        state,
        attempt,
        output === undefined ? '' : brief(output, 50),
      ]),
      style,
    ),
  ];
  const more: string[] = [];
  if (inFlight !== undefined) more.push(flightText(inFlight, nowMs));
  if (awaiting !== undefined) {
    more.push(awaitingText(awaiting));
  }
  if (inDoubt !== undefined) more.push(...doubtLines(instanceId, inDoubt, nowMs));
  if (reply.receipt !== undefined) {
    more.push(
      `request ${String(reply.receipt.requestId)} has its receipt: ${reply.receipt.outcome}`,
    );
  }
  if (more.length > 0) lines.push('', ...more.map(clean));
  if (reply.log !== undefined) lines.push('', logTable(reply.log, style));
  return lines.join('\n');
}

function logTable(log: NonNullable<StatusReply['log']>, style: Style): string {
  return table(
    ['SEQ', 'TIME', 'TOKEN', 'REPLICA', 'KIND', 'CELL', 'ATTEMPT', 'DETAIL'],
    log.map((row) => [
      row.seq,
      timeOfDay(row.recorded_at),
      row.fencing_token,
      row.replica_id,
      row.kind,
      row.cell_id,
      row.attempt,
      cut(detailText(row), 50),
    ]),
    style,
  );
}
