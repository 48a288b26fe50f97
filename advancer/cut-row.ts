import type { WireRow } from '../src/execution/row.ts';
import type { JsonObject } from '../src/json.ts';

/** The row with the smallest members of its body, as many as fit. */
export function cutRow(row: WireRow, maxBytes: number): WireRow {
  if (bytesOf(row.body) <= maxBytes) return row;
  const members = Object.entries(row.body)
    .map(([name, value]) => ({ name, value, bytes: bytesOf({ [name]: value }) }))
    .sort((a, b) => a.bytes - b.bytes);
  const body: JsonObject = {};
  let leftBytes = maxBytes;
  for (const { name, value, bytes } of members) {
    leftBytes -= bytes;
    if (leftBytes < 0) break;
    body[name] = value;
  }
  return { ...row, body, body_truncated: true };
}

/** The size of a value as JSON. */
export function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
