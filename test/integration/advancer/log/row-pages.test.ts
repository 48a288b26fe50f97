import type { Client } from 'pg';
import { describe, expect, it } from 'vitest';

import { cursorAfter, formatCursor } from '../../../../src/request/row-cursor.ts';
import { seeded } from '../../../harness/random.ts';
import { connect } from './fixture.ts';
import { append, appendUpTo, parsed, rest, ROOM, world } from './row-pages-fixture.ts';

/** Takes ids of transactions that write nothing into the log. */
function useTransactionIds(client: Client, count: number): Promise<unknown> {
  return client.query(`do $$ begin
    create temporary table if not exists used (n int);
    for n in 1..${count} loop
      begin
        insert into used values (n);
      exception when others then raise;
      end;
    end loop;
  end $$`);
}

describe('pages of all rows', () => {
  it('have each row once, those of an instance in order, whatever the size of a page', async () => {
    const { app, pages } = await world();
    for (const instanceId of ['b', 'a', 'c-1']) await appendUpTo(app, instanceId, 1, 3);
    for (const limit of [1, 2, 4, 1_000]) {
      const old = await rest(pages, undefined, { ...ROOM, limit });
      expect(old.keys, `by ${limit}`).toEqual(
        ['a', 'b', 'c-1'].flatMap((id) => [1, 2, 3].map((seq) => `${id}/${seq}`)),
      );
    }
    let { after } = await rest(pages, undefined);
    await appendUpTo(app, 'b', 4, 5);
    await appendUpTo(app, 'd', 1, 2);
    const newer = await rest(pages, after, { ...ROOM, limit: 1 });
    expect(newer.keys).toEqual(['b/4', 'b/5', 'd/1', 'd/2']);
    ({ after } = newer);
    expect(await rest(pages, after)).toEqual({ keys: [], after });
  });

  it('can be gone on with after any row of a page', async () => {
    const { app, pages } = await world();
    await appendUpTo(app, 'a', 1, 1);
    const { after } = await rest(pages, undefined);
    await appendUpTo(app, 'a', 2, 4);
    await appendUpTo(app, 'b', 1, 2);
    const { rows, next } = await pages.ofAll(parsed(after!), ROOM);
    const keys = rows.map((row) => `${row.instanceId}/${row.seq}`);
    for (const [nth, row] of rows.entries()) {
      const from = cursorAfter(formatCursor(next!), { instance_id: row.instanceId, seq: row.seq });
      expect((await rest(pages, from)).keys, `after ${keys[nth]}`).toEqual(keys.slice(nth + 1));
    }
  });

  it('begin with what is committed from now on, if that is asked', async () => {
    const { app, pages } = await world();
    await appendUpTo(app, 'a', 1, 2);
    const now = formatCursor(await pages.now());
    await appendUpTo(app, 'a', 3, 3);
    expect((await rest(pages, now)).keys).toEqual(['a/3']);
  });

  it('include a row whose transaction was open while the cursor moved on', async () => {
    const { app, superuser: late, pages } = await world();
    await late.query('begin');
    await append(late, 'late', 1);
    await appendUpTo(app, 'a', 1, 2);
    let { keys, after } = await rest(pages, undefined);
    expect(keys).toEqual(['a/1', 'a/2']);
    await useTransactionIds(app, 3_000);
    await appendUpTo(app, 'a', 3, 4);
    ({ keys, after } = await rest(pages, after));
    expect(keys).toEqual(['a/3', 'a/4']);
    await append(late, 'late', 2);
    await late.query('commit');
    await appendUpTo(app, 'a', 5, 5);
    ({ keys, after } = await rest(pages, after, { ...ROOM, limit: 1 }));
    expect(keys.toSorted()).toEqual(['a/5', 'late/1', 'late/2']);
    expect((await rest(pages, after)).keys).toEqual([]);
  });

  it('keep the order of an instance where a later row has the older transaction', async () => {
    const { app, superuser, pages } = await world();
    await append(app, 'first', 1);
    let { after } = await rest(pages, undefined);
    await superuser.query('begin');
    await superuser.query('select pg_current_xact_id()');
    // Enough of them that the two rows are not in the same range.
    await useTransactionIds(app, 5_000);
    await append(app, 'turned', 1);
    await append(superuser, 'turned', 2);
    await superuser.query('commit');
    await appendUpTo(app, 'turned', 3, 3);
    const { keys } = await rest(pages, after, { ...ROOM, limit: 1 });
    expect(keys).toEqual(['turned/1', 'turned/2', 'turned/3']);
    ({ after } = await rest(pages, after));
    expect((await rest(pages, after)).keys).toEqual([]);
  });

  it('miss none of what random transactions write at the same time', async () => {
    const { pages, url } = await world();
    const seed = Math.floor(Math.random() * 2 ** 31);
    const random = seeded(seed);
    const writers = await Promise.all(Array.from({ length: 6 }, () => connect(url)));
    const written: string[] = [];
    const write = async (client: Client, nth: number): Promise<void> => {
      let seqs = new Map<string, number>();
      for (let transaction = 0; transaction < 40; transaction += 1) {
        await client.query('begin');
        const attempted = new Map(seqs);
        const keys: string[] = [];
        for (let row = Math.floor(random() * 4); row >= 0; row -= 1) {
          const instanceId = `w${nth}-${Math.floor(random() * 3)}`;
          const seq = (attempted.get(instanceId) ?? 0) + 1;
          await append(client, instanceId, seq);
          attempted.set(instanceId, seq);
          keys.push(`${instanceId}/${seq}`);
        }
        if (random() < 0.2) await client.query(`select pg_sleep(${(random() / 20).toFixed(3)})`);
        if (random() < 0.2) await client.query('rollback');
        else {
          await client.query('commit');
          seqs = attempted;
          written.push(...keys);
        }
      }
    };
    const writing = Promise.all(writers.map(write));
    const over = new AbortController();
    writing.finally(() => over.abort()).catch(() => undefined);
    const seen: string[] = [];
    let after: string | undefined;
    while (!over.signal.aborted) {
      const limit = 1 + Math.floor(random() * 20);
      const page = await rest(pages, after, { ...ROOM, limit });
      seen.push(...page.keys);
      ({ after } = page);
    }
    await writing;
    seen.push(...(await rest(pages, after)).keys);
    expect(seen.toSorted(), `seed ${seed}`).toEqual(written.toSorted());
    const newest = new Map<string, number>();
    for (const key of seen) {
      const [instanceId = '', seq] = key.split('/');
      expect(Number(seq), `${key}, seed ${seed}`).toBe((newest.get(instanceId) ?? 0) + 1);
      newest.set(instanceId, Number(seq));
    }
  });

  it('begin with the rows from before transaction ids were kept', async () => {
    const { app, superuser, pages } = await world();
    await appendUpTo(app, 'old', 1, 3);
    await superuser.query(`begin; set local session_replication_role = replica;
      update leasehold.executions set xid = null; commit`);
    await appendUpTo(app, 'new', 1, 2);
    await appendUpTo(app, 'old', 4, 4);
    const { keys, after } = await rest(pages, undefined, { ...ROOM, limit: 2 });
    expect(keys).toEqual(['new/1', 'new/2', 'old/1', 'old/2', 'old/3', 'old/4']);
    await appendUpTo(app, 'old', 5, 5);
    expect((await rest(pages, after)).keys).toEqual(['old/5']);
  });

  it('end where a page is large enough, and read nothing beyond that', async () => {
    const { app, pages } = await world();
    const text = 'x'.repeat(10_000);
    for (let seq = 1; seq <= 6; seq += 1) await append(app, 'a', seq, { text });
    const size = { limit: 100, maxBytes: 25_000 };
    const page = await pages.ofAll(undefined, size);
    expect(page.rows.map(({ seq }) => seq)).toEqual([1, 2]);
    expect((await rest(pages, undefined, size)).keys).toHaveLength(6);
    const tiny = await pages.ofAll(undefined, { limit: 100, maxBytes: 1 });
    expect(tiny.rows.map(({ seq }) => seq)).toEqual([1]);
    expect(await pages.ofInstance('a', 0, size)).toMatchObject({ more: true });
    expect(await pages.ofInstance('a', 4, size)).toMatchObject({ more: false });
  });
});
