import type { Client } from 'pg';
import { describe, expect, it } from 'vitest';

import type { Queryable } from '../../../../advancer/log/connections.ts';
import { migrate } from '../../../../advancer/log/migrate.ts';
import { shippedFunctions, sqlFunction } from '../../../../advancer/log/function-files.ts';
import { shippedMigrations } from '../../../../advancer/log/migration-files.ts';
import { CursorRefused, PostgresRowPages } from '../../../../advancer/log/row-pages.ts';
import { cursorAfter, formatCursor, parseCursor } from '../../../../src/request/row-cursor.ts';
import type { RowCursor } from '../../../../src/request/row-cursor.ts';
import { seeded } from '../../../harness/random.ts';
import { freshDatabase } from '../../../harness/servers.ts';
import { connect, databaseOf, logDatabase, NAMESPACE } from './fixture.ts';

const ROOM = { limit: 1_000, maxBytes: 1_000_000 };

/** Statements on one connection, each noted with its values. */
function recording(client: Client): Queryable & { sent: { text: string; values: unknown[] }[] } {
  const sent: { text: string; values: unknown[] }[] = [];
  return {
    sent,
    async query<R extends object>(text: string, values: readonly unknown[] = []) {
      sent.push({ text, values: [...values] });
      return (await client.query<R>(text, [...values])).rows;
    },
  };
}

interface World {
  app: Client;
  owner: Client;
  superuser: Client;
  url: string;
  pages: PostgresRowPages;
  sent: { text: string; values: unknown[] }[];
}

async function world(): Promise<World> {
  const database = await logDatabase();
  const app = await connect(database.appUrl);
  const db = recording(app);
  return {
    app: await connect(database.appUrl),
    owner: await connect(database.ownerUrl),
    superuser: await connect(database.superuserUrl),
    url: database.superuserUrl,
    pages: new PostgresRowPages(db),
    sent: db.sent,
  };
}

/** Appends intents and outcomes of cells in turn, as any client may. */
async function append(client: Client, instanceId: string, seq: number, body = {}): Promise<void> {
  const isIntent = seq % 2 === 1;
  await client.query(
    `insert into leasehold.executions (instance_id, seq, fencing_token, replica_id, kind, cell_id, body)
       values ($1, $2, 1, 'r-1', $3, $4, $5)`,
    [
      instanceId,
      seq,
      isIntent ? 'started' : 'completed',
      `c${Math.ceil(seq / 2)}`,
      JSON.stringify(body),
    ],
  );
}

async function appendUpTo(client: Client, instanceId: string, from: number, to: number) {
  for (let seq = from; seq <= to; seq += 1) await append(client, instanceId, seq);
}

/** Follows the cursors, as text, until nothing comes any more. */
async function rest(
  pages: PostgresRowPages,
  after: string | undefined,
  size = ROOM,
): Promise<{ keys: string[]; after: string | undefined }> {
  const keys: string[] = [];
  for (let at = after; ;) {
    const { rows, next } = await pages.ofAll(at === undefined ? undefined : parsed(at), size);
    keys.push(...rows.map((row) => `${row.instanceId}/${row.seq}`));
    if (next === undefined) return { keys, after: at };
    at = formatCursor(next);
  }
}

function parsed(text: string): RowCursor {
  const cursor = parseCursor(text);
  if (cursor === undefined) throw new Error(`${text} is no cursor`);
  return cursor;
}

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
    // So many that the two rows are not in the same range.
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
    let busy = writers.length;
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
    const writing = Promise.all(
      writers.map((client, nth) => write(client, nth).finally(() => (busy -= 1))),
    );
    writing.catch(() => undefined);
    const seen: string[] = [];
    let after: string | undefined;
    while (busy > 0) {
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
    const url = await freshDatabase();
    const before = shippedMigrations().filter(({ name }) => name !== 'transaction_ids');
    const functions = shippedFunctions().filter(({ name }) => !OF_THIS_MIGRATION.has(name));
    const old = functions.map((one) =>
      one.name === 'guard_executions' ? sqlFunction(one.name, withoutCheck(one.sql)) : one,
    );
    await migrate({ url, namespace: NAMESPACE, migrations: before, functions: old });
    const { appUrl } = databaseOf(url, NAMESPACE);
    const app = await connect(appUrl);
    await appendUpTo(app, 'old', 1, 3);
    await migrate({ url, namespace: NAMESPACE });
    await appendUpTo(app, 'new', 1, 2);
    await appendUpTo(app, 'old', 4, 4);
    const pages = new PostgresRowPages(recording(await connect(appUrl)));
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

/** The guard as it was before rows had transaction ids. */
function withoutCheck(sql: string): string {
  const before = sql
    .replace(
      '\n        and f.xid = pg_current_xact_id()::text::bigint) is not true',
      ') is not true',
    )
    .replace(/ {2}if exists \(\n {4}select from fresh f where f\.xid[^;]*;\n {2}end if;\n/, '');
  expect(before).not.toContain('xid = ');
  expect(before).not.toContain('f.xid');
  return before;
}

/** What the migration of transaction ids brings. */
const OF_THIS_MIGRATION = new Set(['adopt_transaction_ids', 'fitting_rows']);

describe('a cursor', () => {
  it('of another database, or that is ahead of this one, is refused with the reason', async () => {
    const [here, there] = await Promise.all([world(), world()]);
    await append(here.app, 'a', 1);
    const after = (await rest(here.pages, undefined)).after!;
    await expect(there.pages.ofAll(parsed(after), ROOM)).rejects.toThrow(
      'is a cursor of another database',
    );
    const cursor = parsed(after);
    const ahead = { xmax: cursor.reading!.until.xmax + 1_000_000, open: [] };
    const restored = [
      { ...cursor, timeline: cursor.timeline + 1 },
      { ...cursor, reading: { ...cursor.reading!, until: ahead } },
      { ...cursor, seen: ahead, reading: undefined },
    ] as RowCursor[];
    for (const one of restored) {
      const refused = here.pages.ofAll(one, ROOM);
      await expect(refused).rejects.toThrow(CursorRefused);
      await expect(refused).rejects.toThrow('failed over or was restored');
    }
  });

  it('is refused in a copy from another cluster until it is migrated, and no row is lost', async () => {
    const { app, superuser, pages, url } = await world();
    await appendUpTo(app, 'a', 1, 2);
    const after = (await rest(pages, undefined)).after!;
    // As the rows of a dump: their ids are far ahead here.
    await superuser.query(`begin; set local session_replication_role = replica;
      update leasehold.executions set xid = xid + 1000000000; commit`);
    await superuser.query('update leasehold.meta set system_identifier = 1');
    await expect(pages.ofAll(parsed(after), ROOM)).rejects.toThrow('run `leasehold migrate`');
    await expect(pages.ofAll(undefined, ROOM)).rejects.toThrow('run `leasehold migrate`');
    expect((await migrate({ url, namespace: NAMESPACE })).copied).toBe(true);
    expect((await migrate({ url, namespace: NAMESPACE })).copied).toBe(false);
    await appendUpTo(app, 'a', 3, 3);
    expect((await rest(pages, undefined)).keys).toEqual(['a/1', 'a/2', 'a/3']);
  });
});

describe('the transaction id of a row', () => {
  it('is the one that appends it: the guard refuses any other', async () => {
    const { app } = await world();
    for (const xid of ['1', '9007199254740000', 'null']) {
      await expect(
        app.query(
          `insert into leasehold.executions (instance_id, seq, fencing_token, replica_id, kind, cell_id, xid)
             values ('a', 1, 1, 'r-1', 'started', 'c', ${xid})`,
        ),
      ).rejects.toMatchObject({ code: '23514', column: 'xid' });
    }
  });

  it('finds the newest rows of a large log without going through it', async () => {
    const { app, superuser, pages, sent } = await world();
    await superuser.query(`begin; set local session_replication_role = replica;
      insert into leasehold.executions
          (instance_id, seq, fencing_token, replica_id, kind, cell_id, body, xid)
        select 'i-' || n % 1000, 1 + n / 1000, 1, 'r-1', 'started', 'c', '{"output": "some text"}',
               3 + n / 1000
          from generate_series(0, 99999) n;
      commit`);
    await superuser.query('vacuum analyze leasehold.executions');
    const now = formatCursor(await pages.now());
    await appendUpTo(app, 'new', 1, 2);
    for (const mode of ['force_custom_plan', 'force_generic_plan']) {
      sent.length = 0;
      expect((await rest(pages, now)).keys).toEqual(['new/1', 'new/2']);
      const byXid = sent.filter(({ text }) => text.includes('e.xid >= $1'));
      expect(byXid).toHaveLength(3);
      for (const { text, values } of byXid) {
        await app.query(`set plan_cache_mode = ${mode}`);
        await app.query(`prepare page as ${text}`);
        const list = values.map((value) => literal(value)).join(', ');
        const { rows } = await app.query<{ 'QUERY PLAN': string }>(
          `explain (analyze, costs off, timing off) execute page(${list})`,
        );
        await app.query('deallocate page');
        const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
        expect(plan, mode).toContain('Bitmap Index Scan on executions_by_xid');
        expect(plan, mode).not.toContain('Seq Scan on executions');
      }
    }
  });
});

function literal(value: unknown): string {
  if (Array.isArray(value)) return `'{${value.join(',')}}'`;
  return typeof value === 'number' ? String(value) : `'${String(value)}'`;
}
