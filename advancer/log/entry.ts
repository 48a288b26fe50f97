import { storableJson } from '../../src/json.ts';
import type { Json } from '../../src/json.ts';
import type { AppendEntry } from './log.ts';

/**
 * The entry as Postgres will store it, after a check of its shape.
 *
 * @throws TypeError for an entry that contradicts itself: a bug of the caller's, and nothing was
 *   sent
 */
export function preparedEntry(entry: AppendEntry): AppendEntry {
  const { instanceId, rows, receipt } = entry;
  const wrong = (detail: string): TypeError =>
    new TypeError(`malformed append to instance ${instanceId}: ${detail}`);
  const [first] = rows;
  if (first === undefined && receipt === undefined) throw wrong('neither rows nor a receipt');
  rows.forEach((row, index) => {
    if (row.instanceId !== instanceId)
      throw wrong(`row ${row.seq} belongs to instance ${row.instanceId}`);
    if (row.seq !== rows[0]!.seq + index)
      throw wrong(`row ${row.seq} is not the next after the one before it`);
    if (row.fencingToken !== entry.fencingToken || row.replicaId !== entry.replicaId) {
      throw wrong(`row ${row.seq} is of another term than the entry`);
    }
  });
  const lastRow = rows.at(-1);
  if (receipt !== undefined && lastRow !== undefined && receipt.lastSeq !== lastRow.seq) {
    throw wrong(
      `the receipt rests on seq ${receipt.lastSeq}, but the entry's last row is ${lastRow.seq}`,
    );
  }
  return {
    instanceId,
    fencingToken: entry.fencingToken,
    replicaId: entry.replicaId,
    rows: rows.map((row) => {
      const body = storableJson(row.body);
      return body === row.body ? row : { ...row, body };
    }),
    receipt: receipt && {
      requestId: receipt.requestId,
      receipt: storableJson(
        receipt.receipt as unknown as Json,
      ) as unknown as typeof receipt.receipt,
      lastSeq: receipt.lastSeq,
    },
    projection: entry.projection,
  };
}

/** The last seq that the instance will have once the entry stands. */
export function lastSeqOf(entry: AppendEntry): number {
  return entry.rows.at(-1)?.seq ?? entry.receipt?.lastSeq ?? 0;
}

/** The requests whose receipts would forbid this entry. */
export function guardedRequests(entry: AppendEntry): string[] {
  const ids = entry.rows.map((row) => row.requestId);
  return [...new Set([entry.receipt?.requestId ?? null, ...ids])].filter((id) => id !== null);
}
