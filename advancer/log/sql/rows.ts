import type { Row, WireRow } from '../../../src/execution/row.ts';
import { exactInteger } from '../../../src/ids.ts';
import type { FencingToken } from '../../../src/ids.ts';
import type { Queryable } from '../connections.ts';
import { WIRE_ROW, fromWire } from './wire.ts';

/** Rows of an instance after `afterSeq`, in order. */
export async function rowsAfter(
  db: Queryable,
  instanceId: string,
  afterSeq: number,
): Promise<Row[]> {
  const lines = await db.query<{ row: WireRow }>(
    `select ${WIRE_ROW} as row from leasehold.executions e
       where e.instance_id = $1 and e.seq > $2 order by e.seq`,
    [instanceId, afterSeq],
  );
  return lines.map((line) => fromWire(line.row));
}

/** The newest row of an instance; undefined for an empty log. */
export async function newestRow(db: Queryable, instanceId: string): Promise<Row | undefined> {
  const [line] = await db.query<{ row: WireRow }>(
    `select ${WIRE_ROW} as row from leasehold.executions e
       where e.instance_id = $1 order by e.seq desc limit 1`,
    [instanceId],
  );
  return line && fromWire(line.row);
}

/** The highest token of any row or receipt; 0 when there is none. */
export async function highestToken(db: Queryable): Promise<FencingToken> {
  const [line] = await db.query<{ token: string }>(
    `select greatest(
       (select max(fencing_token) from leasehold.executions where kind not in ('completed', 'failed')),
       (select max(fencing_token) from leasehold.requests where not with_rows), 0) as token`,
  );
  return exactInteger(line?.token ?? 0);
}
