import type { InstanceEvent } from '../../src/request/status-reply.ts';
import type { WireRow } from '../../src/execution/row.ts';
import { suggestion } from '../../src/shell-quote.ts';
import { rowText } from './row.ts';
import { clean } from './table.ts';
import { timeOfDay } from './time.ts';

/** An event as lines of text: its rows, then its receipt. */
export function eventLines({ instanceId, rows, receipt }: InstanceEvent): string[] {
  const lines = rows.flatMap((row) => {
    const where = `${clean(row.instance_id)} #${row.seq}`;
    const holder = `token ${row.fencing_token} ${clean(row.replica_id)}`;
    const line = `${timeOfDay(row.recorded_at)}  ${where}  ${rowText(row)}  [${holder}]`;
    return row.body_truncated === true ? [line, wholeLine(row)] : [line];
  });
  if (receipt === undefined) return lines;
  const request = `request ${clean(String(receipt.requestId))}: ${receipt.outcome}`;
  return [...lines, `          ${clean(instanceId)}  ${request}`];
}

/** Where to find what did not fit in the event. */
function wholeLine({ instance_id, cell_id }: WireRow): string {
  const command = suggestion('status', [instance_id], ['--cell', cell_id]);
  return `          too large for an event; see: ${clean(command)}`;
}
