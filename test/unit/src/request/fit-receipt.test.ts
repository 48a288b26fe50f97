import { describe, expect, it } from 'vitest';

import { fitReceipt } from '../../../../src/request/fit-receipt.ts';
import type { Receipt } from '../../../../src/request/receipt.ts';

const receipt = (steps: number, message?: string): Receipt => ({
  requestId: 'q1',
  instanceId: 'i',
  outcome: 'halted',
  steps: Array.from({ length: steps }, (_, n) => ({
    seq: n + 1,
    cellId: `cell-${n}`,
    kind: 'satisfied',
    attempt: 1,
  })),
  nextCellId: 'last',
  holder: { replicaId: 'r-1', fencingToken: 7 },
  ...(message === undefined ? {} : { error: { code: 'halted', message } }),
});
const bytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

describe('a receipt', () => {
  it('that fits is left as it is', () => {
    for (const one of [receipt(0), receipt(1_000), receipt(3, 'x'.repeat(20_000))])
      expect(fitReceipt(one, 1_000_000)).toBe(one);
    const tight = receipt(10);
    expect(fitReceipt(tight, bytes(tight) + 64)).toEqual(tight);
  });

  it.each([1_000, 5_000, 60_000])('is cut to %d bytes: the newest steps are kept', (maxBytes) => {
    const fitted = fitReceipt(receipt(2_000), maxBytes);
    expect(bytes(fitted)).toBeLessThanOrEqual(maxBytes);
    expect(bytes(fitted)).toBeGreaterThan(maxBytes - 400);
    expect(fitted).toMatchObject({ outcome: 'halted', stepsTruncated: true });
    expect(fitted.steps.at(-1)?.seq).toBe(2_000);
  });

  it('says where the rest of a long reason is', () => {
    const fitted = fitReceipt(receipt(3, 'x'.repeat(40_000)), 30_000);
    expect(bytes(fitted)).toBeLessThanOrEqual(30_000);
    expect(fitted.error?.message).toMatch(
      /^x{16384}… \(23616 more characters: ask for the status of cell last\)$/,
    );
    expect(fitted.steps).toHaveLength(3);
    expect(fitted.stepsTruncated).toBeUndefined();
  });

  it('measures what JSON makes of a text, not its characters', () => {
    const fitted = fitReceipt(receipt(500, '\u0001'.repeat(3_000)), 25_000);
    expect(bytes(fitted)).toBeLessThanOrEqual(25_000);
  });
});
