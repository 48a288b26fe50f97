import { storable, storableJson } from '../../src/json.ts';
import type { AppendEntry } from './log.ts';

/**
 * Checks the entry, and returns it as Postgres will store it.
 *
 * @throws TypeError for an inconsistent entry: a bug of the caller; nothing was sent
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
      throw wrong(`row ${row.seq} does not follow the row before it`);
    if (row.fencingToken !== entry.fencingToken || row.replicaId !== entry.replicaId) {
      throw wrong(`row ${row.seq} has another term than the entry`);
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
      agentId: receipt.agentId,
      receipt: storable(receipt.receipt),
      lastSeq: receipt.lastSeq,
    },
    projection: entry.projection,
  };
}

/** The last seq of the instance once the entry is recorded. */
export function lastSeqOf(entry: AppendEntry): number {
  return entry.rows.at(-1)?.seq ?? entry.receipt?.lastSeq ?? 0;
}

/** The requests whose receipts would forbid this entry. */
export function guardedRequests(entry: AppendEntry): string[] {
  const ids = entry.rows.map((row) => row.requestId);
  return [...new Set([entry.receipt?.requestId ?? null, ...ids])].filter((id) => id !== null);
}
