import { describe, expect, it } from 'vitest';

import { RowsQuery } from '../../../../advancer/intake/rows-query.ts';
import { CursorRefused, type RowPages } from '../../../../advancer/log/row-pages.ts';
import { LogUnavailable } from '../../../../advancer/log/log.ts';
import type { Row } from '../../../../src/execution/row.ts';
import type { RowsReply } from '../../../../src/request/rows.ts';
import { SimRowPages } from '../../../simulation/sim-row-pages.ts';

const row = (instanceId: string, seq: number, text = ''): Row => ({
  instanceId,
  seq,
  fencingToken: 1,
  replicaId: 'r-1',
  kind: seq % 2 === 1 ? 'started' : 'completed',
  cellId: 'c',
  attempt: 1,
  requestId: 'q',
  agentId: 'a',
  body: text === '' ? {} : { output: text, small: 1 },
  recordedAt: '2030-01-31T11:00:00.000000Z',
});

function world(rows: Row[], maxBytes = 1024 * 1024, over: Partial<RowPages> = {}) {
  const log = new SimRowPages();
  log.committed.push(...rows);
  const pages = { ...log.as((_name, read) => Promise.resolve(read())), ...over };
  const query = new RowsQuery(pages, { maxBytes: () => maxBytes });
  return {
    log,
    ask: async (body: object) => (await query.answer(body)) as unknown as RowsReply,
    raw: async (body: object) => query.answer(body),
  };
}

const keys = ({ rows }: RowsReply): string[] =>
  rows.map(({ instance_id, seq }) => `${instance_id}/${seq}`);

describe('rows of one instance', () => {
  it('come after a seq, with next as long as there are more', async () => {
    const { ask } = world([1, 2, 3, 4].map((seq) => row('i', seq)));
    const page = await ask({ instanceId: 'i', after: 1, limit: 2 });
    expect(keys(page)).toEqual(['i/2', 'i/3']);
    expect(page.next).toBe(3);
    const last = await ask({ instanceId: 'i', after: 3 });
    expect(keys(last)).toEqual(['i/4']);
    expect(last).not.toHaveProperty('next');
    expect(await ask({ instanceId: 'i', after: 4 })).toEqual({ rows: [] });
    expect(await ask({ instanceId: 'i', after: 'now' })).toEqual({ rows: [], next: 4 });
  });

  it('say so if there is no such instance, or no such row', async () => {
    const { raw } = world([row('i', 1)]);
    for (const after of [0, 3, 'now']) {
      expect(await raw({ instanceId: 'none', after })).toEqual({
        error: { code: 'not_found', message: 'there is no instance none', field: 'instanceId' },
      });
    }
    expect(await raw({ instanceId: 'i', after: 2 })).toMatchObject({
      error: {
        code: 'conflict',
        field: 'after',
        message: expect.stringContaining('has no row 2, its newest is 1') as string,
      },
    });
  });
});

describe('rows of all instances', () => {
  it('come once each, page by page, and next leads to those that follow', async () => {
    const { ask, log } = world(['a', 'b', 'c'].flatMap((id) => [row(id, 1), row(id, 2)]));
    const seen: string[] = [];
    let after: string | number = 0;
    for (;;) {
      const page: RowsReply = await ask({ after, limit: 4 });
      seen.push(...keys(page));
      if (page.next === undefined) break;
      after = page.next;
    }
    expect(seen).toEqual(['a/1', 'a/2', 'b/1', 'b/2', 'c/1', 'c/2']);
    log.committed.push(row('d', 1));
    expect(keys(await ask({ after }))).toEqual(['d/1']);
    const now = await ask({ after: 'now' });
    expect(now.rows).toEqual([]);
    log.committed.push(row('e', 1));
    expect(keys(await ask({ after: now.next! }))).toEqual(['e/1']);
  });

  it('of a cursor that cannot be followed are refused with a way out', async () => {
    const refusing = (cause: Error): Partial<RowPages> => ({
      ofAll: () => Promise.reject(cause),
      now: () => Promise.reject(cause),
    });
    const restored = world([], 1e6, refusing(new CursorRefused('was restored', true)));
    expect(await restored.raw({ after: 'x' })).toEqual({
      error: {
        code: 'conflict',
        field: 'after',
        message:
          'after: was restored; begin again with the oldest row (0), with "now", or with one ' +
          'instance and its last seq',
      },
    });
    const copied = world([], 1e6, refusing(new CursorRefused('was copied', false)));
    expect(await copied.raw({ after: 'now' })).toMatchObject({
      error: { code: 'unavailable', field: 'after' },
    });
    const down = world([], 1e6, refusing(new LogUnavailable('down')));
    await expect(down.raw({})).rejects.toThrow(LogUnavailable);
  });
});

describe('a reply', () => {
  it('fits in a message, and what does not comes with the next one', async () => {
    const rows = Array.from({ length: 40 }, (_, nth) => row('i', nth + 1, 'x'.repeat(1_000)));
    const { ask } = world(rows, 8_000);
    for (const instanceId of ['i', undefined]) {
      const seen: string[] = [];
      let after: string | number | undefined = 0;
      while (after !== undefined) {
        const page: RowsReply = await ask({ instanceId, after });
        expect(JSON.stringify(page).length).toBeLessThan(8_000);
        seen.push(...keys(page));
        after = page.next;
      }
      expect(seen).toEqual(rows.map(({ seq }) => `i/${seq}`));
    }
  });

  it('has a row that fits in no message without the large members of its body', async () => {
    const { ask } = world([row('i', 1, 'x'.repeat(20_000)), row('i', 2)], 8_000);
    const page = await ask({ instanceId: 'i' });
    expect(JSON.stringify(page).length).toBeLessThan(8_000);
    expect(page.rows).toHaveLength(1);
    expect(page.rows[0]).toMatchObject({ seq: 1, body: { small: 1 }, body_truncated: true });
    expect(page.rows[0]!.body).not.toHaveProperty('output');
    expect(page.next).toBe(1);
  });
});
