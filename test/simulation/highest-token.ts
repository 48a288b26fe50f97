import type { TokenPlace } from '../../advancer/log/log.ts';
import type { Row } from '../../src/execution/row.ts';

/** The highest token of some rows, and the row that has it. */
export function highestToken(rows: readonly Row[]): TokenPlace | undefined {
  let highest: Row | undefined;
  for (const row of rows) if (row.fencingToken > (highest?.fencingToken ?? 0)) highest = row;
  if (highest === undefined) return undefined;
  const { instanceId, seq, replicaId, fencingToken } = highest;
  const token = BigInt(fencingToken);
  return { token, table: 'executions', instanceId, key: String(seq), replicaId };
}
