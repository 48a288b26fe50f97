import type { Row, WireRow } from '../../../src/execution/row.ts';
import type { Queryable } from '../connections.ts';
import type { TokenPlace } from '../log.ts';
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

/** The highest token of any row or receipt, and where it is; undefined when there is none. */
export async function highestToken(db: Queryable): Promise<TokenPlace | undefined> {
  const [line] = await db.query<Omit<TokenPlace, 'token'> & { token: string }>(
    `select * from (
       (select 'executions' as "table", instance_id as "instanceId", seq::text as key,
               replica_id as "replicaId", fencing_token as token
          from leasehold.executions where kind not in ('completed', 'failed')
          order by fencing_token desc limit 1)
       union all
       (select 'requests', instance_id, request_id, receipt #>> '{holder,replicaId}', fencing_token
          from leasehold.requests where not with_rows order by fencing_token desc limit 1)) highest
       order by token desc limit 1`,
  );
  return line && { ...line, token: BigInt(line.token) };
}
