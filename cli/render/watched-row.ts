import type { WireRow } from '../../src/execution/row.ts';
import { suggestion } from '../../src/shell-quote.ts';
import { rowText } from './row.ts';
import { clean } from './table.ts';
import { timeOfDay } from './time.ts';

/** A row as it is watched, with its time, its instance and its holder. */
export function watchedRow(row: WireRow): string[] {
  const where = `${clean(row.instance_id)} #${row.seq}`;
  const holder = `token ${row.fencing_token} ${clean(row.replica_id)}`;
  const line = `${timeOfDay(row.recorded_at)}  ${where}  ${rowText(row)}  [${holder}]`;
  return row.body_truncated === true ? [line, wholeLine(row)] : [line];
}

/** Where to find what did not fit in the message. */
function wholeLine({ instance_id, cell_id }: WireRow): string {
  const command = suggestion('status', [instance_id], ['--cell', cell_id]);
  return `          too large for a message; see: ${clean(command)}`;
}
