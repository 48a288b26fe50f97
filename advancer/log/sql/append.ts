import type { Row, WireRow } from '../../../src/execution/row.ts';
import { toWireRow } from '../../../src/execution/row.ts';
import { exactInteger } from '../../../src/ids.ts';
import type { Receipt } from '../../../src/request/receipt.ts';
import type { Queryable } from '../connections.ts';
import { guardedRequests, lastSeqOf } from '../entry.ts';
import type { AppendEntry } from '../log.ts';
import type { ReadBack } from '../outcome.ts';
import { WIRE_ROW, fromWire } from './wire.ts';

/**
 * Writes entries of different instances in one statement.
 *
 * @returns for each entry its rows as they stand now, or undefined when it was refused
 */
export async function insertEntries(
  db: Queryable,
  entries: readonly AppendEntry[],
): Promise<(Row[] | undefined)[]> {
  const lines = await db.query<{ entry: number; recorded: boolean; times: string[] }>(
    'select entry, recorded, times from leasehold.append($1::jsonb)',
    [JSON.stringify(entries.map(wireEntry))],
  );
  const verdicts = new Map(lines.map((line) => [line.entry, line]));
  return entries.map((entry, index) => {
    const verdict = verdicts.get(index);
    if (verdict?.recorded !== true) return undefined;
    return entry.rows.map((row, at) => ({ ...row, recordedAt: verdict.times[at]! }));
  });
}

function wireEntry(entry: AppendEntry, index: number): object {
  const { receipt } = entry;
  return {
    entry: index,
    instance_id: entry.instanceId,
    last_seq: lastSeqOf(entry),
    status: entry.projection.status,
    next_cell_id: entry.projection.nextCellId,
    // The database says when.
    rows: entry.rows.map((row) => ({ ...toWireRow({ ...row, recordedAt: '' }), recorded_at: null })),
    receipt:
      receipt === undefined
        ? null
        : {
            request_id: receipt.requestId,
            instance_id: entry.instanceId,
            fencing_token: entry.fencingToken,
            last_seq: receipt.lastSeq,
            receipt: receipt.receipt,
          },
  };
}

/** What stands in an entry's place now: the rows at its seqs and before them, the newest row, its requests' receipts. */
export async function readBack(db: Queryable, entry: AppendEntry): Promise<ReadBack> {
  const first = entry.rows[0]?.seq ?? 0;
  const [line] = await db.query<{
    rows: WireRow[];
    newest: WireRow | null;
    receipts: { requestId: string; receipt: Receipt }[];
  }>(
    `select
       (select coalesce(json_agg(${WIRE_ROW} order by e.seq), '[]') from leasehold.executions e
          where e.instance_id = $1 and e.seq between $2::bigint - 1 and $3) as rows,
       (select ${WIRE_ROW} from leasehold.executions e
          where e.instance_id = $1 order by e.seq desc limit 1) as newest,
       (select coalesce(json_agg(json_build_object('requestId', r.request_id, 'receipt', r.receipt)), '[]')
          from leasehold.requests r where r.request_id = any($4)) as receipts`,
    [entry.instanceId, first, entry.rows.at(-1)?.seq ?? -1, guardedRequests(entry)],
  );
  if (line === undefined) throw new Error('a SELECT without FROM answered no row');
  return {
    rows: line.rows.map(fromWire),
    newest: line.newest === null ? undefined : fromWire(line.newest),
    receipts: line.receipts,
  };
}

/** One line says what a database holds: its namespace and the migrations applied to it. */
export async function readSchemaState(
  db: Queryable,
): Promise<{ namespace: string | null; applied: { version: number; name: string; checksum: string }[] }> {
  const [line] = await db.query<{
    namespace: string | null;
    applied: { version: number; name: string; checksum: string }[];
  }>(
    `select (select namespace from leasehold.meta) as namespace,
       (select coalesce(json_agg(json_build_object('version', version, 'name', name, 'checksum', checksum)
           order by version), '[]') from leasehold.migrations) as applied`,
  );
  if (line === undefined) throw new Error('a SELECT without FROM answered no row');
  return { ...line, applied: line.applied.map((m) => ({ ...m, version: exactInteger(m.version) })) };
}
