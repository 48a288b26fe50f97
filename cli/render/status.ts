import type { CellView } from '../../src/execution/status.ts';
import type { StatusReply } from '../../src/request/status-reply.ts';
import {
  awaitingText,
  doubtLines,
  flightText,
  haltLines,
  unwindingText,
  waitingText,
} from './receipt.ts';
import { childrenCommand, childrenText, parentText, tickText } from './children.ts';
import { detailText } from './row.ts';
import { suggestion } from '../../src/shell-quote.ts';
import { brief, clean, cut, table } from './table.ts';
import type { Style } from './table.ts';
import { timeOfDay } from './time.ts';

/**
 * The status of an instance as text.
 *
 * @param cellId of the cell whose output is shown whole
 */
export function statusText(
  reply: StatusReply,
  style: Style,
  nowMs: number,
  cellId?: string,
): string {
  const { instanceId, runbookId, version, status, holder, lastSeq, parent, schedule } = reply;
  const held =
    holder === null
      ? 'not held'
      : `held by ${holder.replicaId}, fencing token ${holder.fencingToken}`;
  const hasTitles = reply.cells.some(({ title }) => title !== undefined);
  const lines = [
    ...(reply.title === undefined ? [] : [clean(reply.title)]),
    clean(`${instanceId}  ${runbookId} v${version}  ${status}`),
    clean(`${held}; ${lastSeq} ${lastSeq === 1 ? 'row' : 'rows'} in the log`),
    ...(reply.unattended === true ? ['unattended: it goes on by itself whenever it can'] : []),
    ...(parent === undefined ? [] : [clean(parentText(parent))]),
    ...(schedule === undefined ? [] : [clean(tickText(schedule))]),
    '',
    table(
      ['CELL', ...(hasTitles ? ['TITLE'] : []), 'TYPE', 'STATE', 'ATTEMPT', 'OUTPUT'],
      reply.cells.map((cell) => [
        cell.cellId === reply.nextCellId ? `> ${cell.cellId}` : `  ${cell.cellId}`,
        ...(hasTitles ? [cut(cell.title ?? '', 40)] : []),
        cell.type,
        cell.state,
        cell.attempt,
        outputText(cell),
      ]),
      style,
    ),
  ];
  const more = [
    ...reply.cells.flatMap((cell) => errorLines(reply, cell)),
    ...stateLines(reply, nowMs),
  ];
  if (reply.receipt !== undefined) {
    more.push(
      `request ${String(reply.receipt.requestId)} has its receipt: ${reply.receipt.outcome}`,
    );
  }
  if (more.length > 0) lines.push('', ...more.map(clean));
  const asked = reply.cells.find((cell) => cell.cellId === cellId);
  if (asked !== undefined) lines.push('', ...wholeOutput(asked));
  if (reply.log !== undefined) lines.push('', logTable(reply.log, style));
  return lines.join('\n');
}

/** What the instance is doing, waits for, or came to, and what can be done. */
function stateLines(reply: StatusReply, nowMs: number): string[] {
  const { instanceId, inFlight, awaiting, waiting, children, inDoubt, unwinding, cancelled } =
    reply;
  const lines: string[] = [];
  if (inFlight !== undefined) lines.push(flightText(inFlight, nowMs));
  if (awaiting !== undefined) lines.push(awaitingText(awaiting, nowMs));
  if (waiting !== undefined) lines.push(waitingText(waiting, nowMs));
  if (children !== undefined)
    lines.push(`${childrenText(children)} (see: ${childrenCommand(instanceId)})`);
  if (reply.due === true) {
    lines.push(`due: what it waits for is there (next: ${suggestion('advance', [instanceId])})`);
  }
  if (unwinding !== undefined && cancelled === undefined) lines.push(unwindingText(unwinding));
  if (inDoubt !== undefined) lines.push(...doubtLines(instanceId, inDoubt, nowMs));
  const halted = reply.cells.find(({ cellId }) => cellId === reply.nextCellId);
  if (reply.status === 'halted' && halted?.attempt !== undefined)
    lines.push(...haltLines(instanceId, halted.cellId, halted.attempt));
  if (cancelled !== undefined) lines.push(...cancelledLines(cancelled));
  return lines;
}

/** By whom and why it was cancelled, and what nobody knows of it. */
function cancelledLines({ by, reason, left }: NonNullable<StatusReply['cancelled']>): string[] {
  return [
    `cancelled by ${by}: ${reason}`,
    ...left.map(({ cellId, attempt, happened, lateOutcome }) => {
      const late =
        lateOutcome === undefined
          ? ''
          : `; ${lateOutcome.replicaId} reported ${lateOutcome.kind} later`;
      const known =
        happened === true ? 'its effect happened' : 'whether its effect happened is unknown';
      return `attempt ${attempt} of ${cellId} was left in doubt: ${known}${late}`;
    }),
  ];
}

function outputText({ output, outputTruncated }: CellView): string {
  if (outputTruncated !== true) return output === undefined ? '' : brief(output, 50);
  // What was cut is the text of its JSON.
  return typeof output === 'string' ? cut(output, 50) : '(too long, see --cell)';
}

/** Why a cell did not succeed, whole, and what can be done. */
function errorLines({ instanceId, status }: StatusReply, cell: CellView): string[] {
  const { cellId, state, attempt, error } = cell;
  if (error === undefined) return [];
  const attempts = attempt === undefined || attempt === 1 ? '' : ` (attempt ${attempt})`;
  const code = error.code === undefined ? '' : ` (${error.code})`;
  return [
    `${cellId} ${state}${attempts}: ${error.message}${code}`,
    ...(status === 'halted' ? [`see: ${suggestion('status', [instanceId], ['--log'])}`] : []),
  ];
}

function wholeOutput({ cellId, output }: CellView): string[] {
  if (output === undefined) return [clean(`${cellId} has no output`)];
  return [clean(`output of ${cellId}:`), ...JSON.stringify(output, null, 2).split('\n').map(clean)];
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
