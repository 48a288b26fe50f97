import { isDeepStrictEqual } from 'node:util';

import { describe, expect, it } from 'vitest';
import * as fc from 'fast-check';

import { fitStatus } from '../../../../advancer/intake/status-limits.ts';
import type { CellView } from '../../../../src/execution/status.ts';
import type { WireRow } from '../../../../src/execution/row.ts';
import type { Json } from '../../../../src/json.ts';

const KIB = 1024;
const MAX = 1024 * KIB;

const cell = (cellId: string, output?: Json): CellView => ({
  cellId,
  type: 'exec',
  state: 'satisfied',
  attempt: 1,
  ...(output === undefined ? {} : { output }),
});
const bytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
const row = (seq: number, text: string): WireRow => ({
  instance_id: 'i',
  seq,
  fencing_token: 1,
  replica_id: 'r',
  kind: 'completed',
  cell_id: 'c',
  attempt: 1,
  request_id: null,
  agent_id: null,
  body: { output: text },
  recorded_at: '2030-01-01T00:00:00.000Z',
});

function fitted(...arguments_: Parameters<typeof fitStatus>) {
  const result = fitStatus(...arguments_);
  if (!result.fits) throw new Error(result.why);
  return result;
}

describe('the outputs of a status', () => {
  it('are whole up to 8 KiB of JSON, and above that the beginning of their JSON, marked', () => {
    const whole = 'x'.repeat(8 * KIB - 2);
    const { cells } = fitted({
      cells: [cell('fits', whole), cell('cut', `${whole}x`), cell('object', { a: `"${whole}` })],
      otherBytes: 100,
      maxBytes: MAX,
    });
    expect(cells[0]).toEqual(cell('fits', whole));
    expect(cells[1]?.outputTruncated).toBe(true);
    expect(cells[1]?.output).toMatch(/^"xxxx/);
    expect(bytes(cells[1]?.output)).toBeLessThanOrEqual(8 * KIB);
    expect(cells[2]?.output).toMatch(/^\{"a":"\\"xxxx/);
  });

  it('have 512 KiB together, of which the newest cells get theirs', () => {
    const cells = Array.from({ length: 100 }, (_, n) => cell(`c${n}`, 'x'.repeat(8_000)));
    const shown = fitted({ cells, otherBytes: 100, maxBytes: 4 * MAX }).cells;
    const kept = shown.filter(({ output }) => output !== undefined);
    expect(kept.map(({ cellId }) => cellId)).toEqual(cells.slice(-65).map(({ cellId }) => cellId));
    expect(kept.every(({ outputTruncated }) => outputTruncated === undefined)).toBe(true);
    expect(shown.slice(0, 35).every(({ outputTruncated }) => outputTruncated === true)).toBe(true);
  });

  it('are whole for the cell that was asked for, whatever its size', () => {
    const large = { text: 'x'.repeat(600 * KIB) };
    const shown = fitted({
      cells: [cell('large', large), cell('other', 'x'.repeat(9_000))],
      cellId: 'large',
      otherBytes: 100,
      maxBytes: MAX,
    }).cells;
    expect(shown[0]).toEqual(cell('large', large));
    expect(shown[1]?.outputTruncated).toBe(true);
  });

  it('that no message can carry are named, with their size', () => {
    const cells = [cell('large', 'x'.repeat(MAX))];
    expect(fitStatus({ cells, cellId: 'large', otherBytes: 100, maxBytes: MAX })).toEqual({
      fits: false,
      why: `the output of cell large has ${MAX + 2} bytes`,
    });
  });

  it('make room for the newest rows', () => {
    const log = Array.from({ length: 40 }, (_, n) => row(n + 1, 'x'.repeat(30_000)));
    const cells = Array.from({ length: 100 }, (_, n) => cell(`c${n}`, 'x'.repeat(8_000)));
    const shown = fitted({ cells, log, otherBytes: 100, maxBytes: MAX });
    expect(shown.logTruncated).toBe(true);
    expect(shown.log?.at(-1)?.seq).toBe(40);
    expect(shown.log?.length).toBeGreaterThan(10);
  });
});

it('a status fits in a message, whatever its cells, rows and the limit of the server', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          unit: fc.constantFrom('x', '"', 'é', '😀', '\u0001', '\uD800'),
          length: fc.integer({ min: 0, max: 20_000 }),
        }),
        { maxLength: 40 },
      ),
      fc.integer({ min: 0, max: 20 }),
      fc.constantFrom(16 * KIB, 64 * KIB, MAX),
      (outputs, rows, maxBytes) => {
        const cells = outputs.map(({ unit, length }, n) =>
          cell(`c${n}`, { text: unit.repeat(length) }),
        );
        const log = Array.from({ length: rows }, (_, n) => row(n + 1, 'é'.repeat(n * 2_000)));
        const { fits: _, ...shown } = fitted({ cells, log, otherBytes: 2, maxBytes });
        expect(bytes(shown)).toBeLessThanOrEqual(maxBytes);
        const untrue = shown.cells.filter((one, n) => {
          if (one.outputTruncated !== true) return !isDeepStrictEqual(one, cells[n]);
          return !JSON.stringify(cells[n]?.output).startsWith((one.output ?? '') as string);
        });
        expect(untrue).toEqual([]);
      },
    ),
    { numRuns: 60 },
  );
});

it('a status of too many cells for a message says how large it is', () => {
  const cells = Array.from({ length: 1_000 }, (_, n) => cell(`c${n}`));
  const result = fitStatus({ cells, otherBytes: 100, maxBytes: 64 * KIB });
  expect(result.fits ? '' : result.why).toMatch(
    /^the status has \d+ bytes, without outputs and rows$/,
  );
});
