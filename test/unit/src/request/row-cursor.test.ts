import { describe, expect, it } from 'vitest';

import {
  below,
  cursorAfter,
  formatCursor,
  isAtEnd,
  parseCursor,
  type RowCursor,
} from '../../../../src/request/row-cursor.ts';
import { RowsMessage } from '../../../../src/request/rows.ts';
import { readMessage } from '../../../../src/request/messages.ts';

const RESTING: RowCursor = {
  database: '7312345678901234567-16384',
  timeline: 3,
  seen: { xmax: 760, open: [745, 750] },
};
const READING: RowCursor = {
  ...RESTING,
  reading: {
    until: { xmax: 9_007_199_254_740_991, open: [751] },
    instanceId: 'a_B-9',
    seq: 12,
    atEnd: false,
  },
};

describe('a cursor as text', () => {
  it('is read as it was written', () => {
    const begun = { ...READING.reading!, instanceId: '', seq: 0 };
    const cursors = [
      RESTING,
      READING,
      { ...READING, reading: begun },
      { ...READING, reading: { ...READING.reading!, atEnd: true } },
      { ...RESTING, seen: { xmax: 0, open: [] } },
    ];
    for (const cursor of cursors) expect(parseCursor(formatCursor(cursor))).toEqual(cursor);
  });

  it('needs no quotes in a shell', () => {
    expect(formatCursor(READING)).toMatch(/^[\w.-]+$/);
  });

  it('differs from any other text', () => {
    const good = formatCursor(READING);
    const others = [
      '',
      'now',
      '7',
      good.slice(1),
      `2${good.slice(1)}`,
      `${good}.more`,
      `${good}.end.end`,
      good.replace('760', '10'),
      good.replace('760', '99999999999999999'),
      good.replace('a_B-9', 'a*'),
      good.replace('.12', '.x'),
      good.replace('.3.', '.-3.'),
      good.split('.').slice(0, 5).join('.'),
      good.replace('7312345678901234567-16384', 'here'),
    ];
    for (const text of others) expect(parseCursor(text), `at ${text}`).toBeUndefined();
  });

  it('gives the cursor after a row of the page that it came with', () => {
    const next = formatCursor({ ...READING, reading: { ...READING.reading!, atEnd: true } });
    expect(isAtEnd(next)).toBe(true);
    const after = cursorAfter(next, { instance_id: 'a', seq: 4 });
    expect(isAtEnd(after)).toBe(false);
    expect(parseCursor(after)).toEqual({
      ...READING,
      reading: { ...READING.reading!, instanceId: 'a', seq: 4 },
    });
  });
});

it('the transactions below an id keep those that are open there', () => {
  const all = { xmax: 20, open: [3, 12] };
  expect(below(all, 12)).toEqual({ xmax: 12, open: [3] });
  expect(below(all, 13)).toEqual({ xmax: 13, open: [3, 12] });
  expect(below(all, 30)).toEqual(all);
});

describe('the body of rows', () => {
  const read = (body: object) =>
    readMessage(RowsMessage, new TextEncoder().encode(JSON.stringify(body)));

  it('takes a seq of one instance, a cursor over all, now and 0', () => {
    const good = [
      {},
      { after: 0 },
      { after: 'now' },
      { after: formatCursor(READING), limit: 1_000 },
      { instanceId: 'i', after: 7, limit: 1 },
      { instanceId: 'i', after: 'now' },
    ];
    for (const body of good)
      expect(read(body), `at ${JSON.stringify(body)}`).toMatchObject({ ok: true });
  });

  it('is refused with the field and what belongs there', () => {
    const bad: [object, string, string][] = [
      [{ after: 7 }, 'after', 'is a seq, which needs an instanceId'],
      [{ after: 'made-up' }, 'after', 'is no cursor: pass the `next` of an earlier reply'],
      [{ after: '' }, 'after', 'is no cursor'],
      [{ after: -1, instanceId: 'i' }, 'after', 'must be at least 0'],
      [{ after: 1.5, instanceId: 'i' }, 'after', 'must be a seq (0 or more) or a cursor'],
      [{ after: 'i', instanceId: 'i' }, 'after', 'must be a seq of the instance'],
      [
        { after: formatCursor(READING), instanceId: 'i' },
        'after',
        'is a cursor over all instances',
      ],
      [{ limit: 0 }, 'limit', 'must be at least 1'],
      [{ limit: 1_001 }, 'limit', 'must be at most 1000'],
      [{ instanceId: 'a b' }, 'instanceId', 'must be 1 to 128 characters'],
      [{ colour: 'red' }, 'colour', 'is not a field'],
    ];
    for (const [body, field, text] of bad) {
      const result = read(body);
      expect(result, `at ${JSON.stringify(body)}`).toMatchObject({
        ok: false,
        error: { code: 'invalid', field, message: expect.stringContaining(text) as string },
      });
    }
  });
});
