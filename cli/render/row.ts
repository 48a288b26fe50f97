import type { WireRow } from '../../src/execution/row.ts';
import { isJsonObject } from '../../src/json.ts';
import { brief, clean } from './table.ts';

/** A row in one line: `completed charge (attempt 2): {"count":1}`. */
export function rowText(row: WireRow): string {
  const detail = detailText(row);
  // It is about the instance, whichever cell it names.
  if (row.kind === 'unwinding' || row.kind === 'cancelled') return clean(`${row.kind} ${detail}`);
  const attempt = row.attempt > 1 || row.kind === 'interrupted' ? ` (attempt ${row.attempt})` : '';
  return clean(`${row.kind} ${row.cell_id}${attempt}${detail === '' ? '' : `: ${detail}`}`);
}

/** The most useful part of a row's body: the decision, the reason, the error or the output. */
export function detailText(row: WireRow): string {
  const { body } = row;
  if (row.kind === 'unwinding' || row.kind === 'cancelled') {
    const by = typeof body['by'] === 'string' ? `by ${body['by']}` : '';
    return typeof body['reason'] === 'string' ? `${by} (${body['reason']})` : by;
  }
  if (row.kind === 'decided') {
    const by = typeof body['by'] === 'string' ? ` by ${body['by']}` : '';
    const reason = typeof body['reason'] === 'string' ? ` (${body['reason']})` : '';
    const verdict = typeof body['as'] === 'string' ? body['as'] : '?';
    return `${verdict}${by}${reason}`;
  }
  if (typeof body['reason'] === 'string') return body['reason'];
  const error = body['error'];
  if (isJsonObject(error) && typeof error['message'] === 'string') return error['message'];
  if (body['output'] !== undefined) return brief(body['output']);
  return Object.keys(body).length === 0 ? '' : brief(body);
}
