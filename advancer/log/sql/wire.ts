import type { Row, WireRow } from '../../../src/execution/row.ts';
import { fromWireRow } from '../../../src/execution/row.ts';
import { exactInteger } from '../../../src/ids.ts';

/** What to do about a row that no replica can have written. */
const REMOVE_ROW =
  'the owner of the database has to remove it (docs/operations.md, "A row that no replica can have written")';

/** SQL for one row of `leasehold.executions` (alias `e`) as JSON, in its wire form. */
export const WIRE_ROW = `json_build_object(
  'instance_id', e.instance_id, 'seq', e.seq, 'fencing_token', e.fencing_token, 'replica_id', e.replica_id,
  'kind', e.kind, 'cell_id', e.cell_id, 'attempt', e.attempt, 'request_id', e.request_id,
  'agent_id', e.agent_id, 'body', e.body, 'recorded_at', leasehold.iso8601(e.recorded_at))`;

/**
 * The row of a {@link WIRE_ROW}.
 *
 * @throws RangeError that names the row, if one of its numbers cannot be exact
 */
export function fromWire(wire: WireRow): Row {
  try {
    exactInteger(wire.seq);
    exactInteger(wire.fencing_token);
  } catch (cause) {
    const row = `instance ${wire.instance_id}, seq ${wire.seq}, token ${wire.fencing_token}, replica ${wire.replica_id}`;
    const what = `leasehold.executions has a row that no replica can have written: ${row}; ${REMOVE_ROW}`;
    throw new RangeError(what, { cause });
  }
  return fromWireRow(wire);
}
