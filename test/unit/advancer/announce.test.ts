import { describe, expect, it } from 'vitest';

import { eventParts } from '../../../advancer/announce.ts';
import type { WireRow } from '../../../src/execution/row.ts';
import type { Receipt } from '../../../src/request/receipt.ts';
import type { InstanceEvent } from '../../../src/request/status-reply.ts';

const row = (seq: number, body: WireRow['body'] = {}): WireRow => ({
  instance_id: 'i',
  seq,
  fencing_token: 7,
  replica_id: 'r-1',
  kind: 'completed',
  cell_id: `c${seq}`,
  attempt: 1,
  request_id: 'q1',
  agent_id: 'me',
  body,
  recorded_at: '2030-01-31T12:00:00.000000Z',
});
const receipt: Receipt = {
  requestId: 'q1',
  instanceId: 'i',
  outcome: 'completed',
  steps: [],
  nextCellId: null,
  holder: null,
};
const event = (rows: WireRow[]): InstanceEvent => ({
  instanceId: 'i',
  rows,
  status: 'completed',
  receipt,
});
const bytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

describe('the parts of an event that is too large', () => {
  it('keep the small members of a body whose others are left out, and mark the row', () => {
    const body = { output: 'x'.repeat(50_000), detail: { exitCode: 0 }, happened: true };
    const parts = eventParts(event([row(1, body), row(2, { output: 2 })]), 20_000);
    expect(parts).toEqual([
      {
        ...event([
          { ...row(1, { detail: { exitCode: 0 }, happened: true }), body_truncated: true },
          row(2, { output: 2 }),
        ]),
      },
    ]);
  });

  it.each([2_000, 4_096, 20_000, 65_536])(
    'each fit into %d bytes, have every row once in order, and the receipt in the last one',
    (maxBytes) => {
      const rows = Array.from({ length: 200 }, (_, n) =>
        row(n + 1, { output: 'x'.repeat((n * 977) % 9_000), detail: {} }),
      );
      const steps = rows.map(({ seq, cell_id: cellId, kind }) => {
        return { seq, cellId, kind, attempt: 1 };
      });
      const whole = { ...event(rows), receipt: { ...receipt, steps } };
      const parts = eventParts(whole, maxBytes);
      for (const part of parts) expect(bytes(part)).toBeLessThanOrEqual(maxBytes);
      expect(parts.flatMap((part) => part.rows.map(({ seq }) => seq))).toEqual(
        rows.map(({ seq }) => seq),
      );
      expect(parts.slice(0, -1).some((part) => part.receipt !== undefined)).toBe(false);
      expect(parts.at(-1)?.receipt?.requestId).toBe('q1');
      expect(parts.every(({ status }) => status === 'completed')).toBe(true);
    },
  );

  it('have no receipt if the commit had none', () => {
    const parts = eventParts({ instanceId: 'i', rows: [row(1)], status: 'ready' }, 20_000);
    expect(parts).toEqual([{ instanceId: 'i', rows: [row(1)], status: 'ready' }]);
  });
});
