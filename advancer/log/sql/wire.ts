import type { Row, WireRow } from '../../../src/execution/row.ts';
import { fromWireRow } from '../../../src/execution/row.ts';
import { exactInteger } from '../../../src/ids.ts';

/** SQL for one row of `leasehold.executions` (alias `e`) as JSON, in its wire form. */
export const WIRE_ROW = `json_build_object(
  'instance_id', e.instance_id, 'seq', e.seq, 'fencing_token', e.fencing_token, 'replica_id', e.replica_id,
  'kind', e.kind, 'cell_id', e.cell_id, 'attempt', e.attempt, 'request_id', e.request_id,
  'agent_id', e.agent_id, 'body', e.body, 'recorded_at', leasehold.iso8601(e.recorded_at))`;

/** The row of a {@link WIRE_ROW}. */
export function fromWire(wire: WireRow): Row {
  exactInteger(wire.seq);
  exactInteger(wire.fencing_token);
  return fromWireRow(wire);
}
