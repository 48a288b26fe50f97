import type { InstanceEvent } from '../../src/request/status-reply.ts';
import { rowText } from './row.ts';
import { clean } from './table.ts';
import { timeOfDay } from './time.ts';

/** An event as lines of text: its rows, then its receipt. */
export function eventLines({ instanceId, rows, receipt }: InstanceEvent): string[] {
  const lines = rows.map((row) => {
    const where = `${clean(row.instance_id)} #${row.seq}`;
    const holder = `token ${row.fencing_token} ${clean(row.replica_id)}`;
    return `${timeOfDay(row.recorded_at)}  ${where}  ${rowText(row)}  [${holder}]`;
  });
  if (receipt === undefined) return lines;
  const request = `request ${clean(String(receipt.requestId))}: ${receipt.outcome}`;
  return [...lines, `          ${clean(instanceId)}  ${request}`];
}
