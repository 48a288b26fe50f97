import type { WireRow } from '../../src/execution/row.ts';
import { jsonOf, type Json, type JsonObject } from '../../src/json.ts';

/** A row of instance `a`. */
export const row = (seq: number): WireRow => ({
  instance_id: 'a',
  seq,
  fencing_token: 7,
  replica_id: 'r-1',
  kind: 'satisfied',
  cell_id: `c${seq}`,
  attempt: 1,
  request_id: null,
  agent_id: null,
  body: {},
  recorded_at: '2030-01-31T12:00:00.000000Z',
});

/** Answers `rows` about instance `a`, one row at a time. */
export function rowsUpTo(last: number): (body: JsonObject) => Json {
  return ({ after }) => {
    if (after === 'now') return { rows: [], next: 0 };
    const seq = Number(after) + 1;
    return seq > last ? { rows: [] } : { rows: [jsonOf(row(seq))], next: seq };
  };
}
