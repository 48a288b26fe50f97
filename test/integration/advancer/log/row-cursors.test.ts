import { describe, expect, it } from 'vitest';

import { migrate } from '../../../../advancer/log/migrate.ts';
import { CursorRefused } from '../../../../advancer/log/row-pages.ts';
import { formatCursor } from '../../../../src/request/row-cursor.ts';
import type { RowCursor } from '../../../../src/request/row-cursor.ts';
import { NAMESPACE } from './fixture.ts';
import { append, appendUpTo, parsed, rest, ROOM, world } from './row-pages-fixture.ts';

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
        expect(plan, `at ${mode}`).toContain('Bitmap Index Scan on executions_by_xid');
        expect(plan, `at ${mode}`).not.toContain('Seq Scan on executions');
      }
    }
  });
});

function literal(value: unknown): string {
  if (Array.isArray(value)) return `'{${value.join(',')}}'`;
  return typeof value === 'number' ? String(value) : `'${String(value)}'`;
}
