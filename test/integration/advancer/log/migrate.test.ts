import { describe, expect, it } from 'vitest';

import { shippedFunctions } from '../../../../advancer/log/function-files.ts';
import { migrate } from '../../../../advancer/log/migrate.ts';
import { labelOf, migration, shippedMigrations } from '../../../../advancer/log/migration-files.ts';
import { ensureRoles } from '../../../../advancer/log/roles.ts';
import { PermanentMismatch } from '../../../../advancer/log/schema-check.ts';
import { freshDatabase } from '../../../harness/servers.ts';
import { NAMESPACE, codeOf, connect, databaseOf, log, logDatabase, urlAs } from './fixture.ts';

const names = shippedMigrations().map(labelOf);
const functionNames = shippedFunctions().map((one) => one.name);

describe('migrate', () => {
  it('applies everything once; doing it again changes nothing', async () => {
    const url = await freshDatabase();
    const first = await migrate({ url, namespace: 'one' });
    expect({ ...first, functions: first.functions.toSorted() }).toEqual({
      applied: names,
      functions: functionNames,
      kept: [],
      version: names.length,
      namespace: 'one',
      reserved: [],
      withoutPassword: [],
      copied: false,
    });
    const again = { ...first, applied: [], functions: [] };
    expect(await migrate({ url, namespace: 'one' })).toEqual(again);
    expect(await migrate({ url: urlAs(url, 'leasehold_owner'), namespace: 'one' })).toEqual(again);
  });

  it('names the runbooks whose cells have ids that now name what undoes a cell', async () => {
    const url = await freshDatabase();
    await migrate({ url, namespace: 'one' });
    const client = await connect(url);
    const store = (id: string, cells: string[], digest = 'd'): Promise<unknown> =>
      client.query(
        `insert into leasehold.runbooks (runbook_id, version, cells, digest) values ($1, 1, $2, $3)`,
        [id, JSON.stringify(cells.map((cell) => ({ id: cell, prose: '' }))), digest],
      );
    await store('fine', ['a', 'undo', 'undoing-a', 'redo-undo-a']);
    await store('old', ['a', 'undo-a', 'b', 'undo-']);
    for (const [instanceId, status] of Object.entries({ x: 'halted', y: 'completed' })) {
      await client.query(
        `insert into leasehold.instances (instance_id, runbook_id, version, agent_id)
           values ($1, 'old', 1, 'ann')`,
        [instanceId],
      );
      await client.query(
        `insert into leasehold_projection.instances
             (instance_id, runbook_id, version, status, last_seq, updated_at)
           values ($1, 'old', 1, $2, 0, now())`,
        [instanceId, status],
      );
    }
    const { reserved } = await migrate({ url, namespace: 'one' });
    expect(reserved).toEqual([
      { runbookId: 'old', version: 1, cellIds: ['undo-a', 'undo-'], unfinished: 1 },
    ]);
  });

  it('works as the owner alone, once the roles are there', async () => {
    const url = await freshDatabase();
    await ensureRoles(await connect(url), {});
    await ensureRoles(await connect(url), {});
    const report = await migrate({ url: urlAs(url, 'leasehold_owner'), namespace: 'one' });
    expect(report.applied).toEqual(names);
  });

  it('gives everything to the owner, no matter which role ran it', async () => {
    const client = await connect((await logDatabase()).superuserUrl);
    const { rows } = await client.query(
      `select distinct pg_get_userbyid(relowner) as owner from pg_class
         where relnamespace in ('leasehold'::regnamespace, 'leasehold_projection'::regnamespace)`,
    );
    expect(rows).toEqual([{ owner: 'leasehold_owner' }]);
  });

  it('orders index keys by their bytes, since an update of the operating system may change any other order', async () => {
    const client = await connect((await logDatabase()).superuserUrl);
    const { rows } = await client.query<{ order: string; keys: number }>(
      `select o.collname as order, count(*)::int as keys
         from pg_index i
         join pg_class t on t.oid = i.indrelid
         cross join lateral unnest(i.indcollation::oid[]) as k (order_id)
         join pg_collation o on o.oid = k.order_id
         where t.relnamespace in ('leasehold'::regnamespace, 'leasehold_projection'::regnamespace)
           and t.relname not in ('meta', 'migrations')
         group by 1`,
    );
    expect(rows).toEqual([{ order: 'C', keys: expect.any(Number) as number }]);
    expect(rows[0]?.keys).toBeGreaterThan(10);
  });

  it('may run several times at once, in several databases', async () => {
    const urls = await Promise.all([freshDatabase(), freshDatabase(), freshDatabase()]);
    const reports = await Promise.all(
      [...urls, ...urls, ...urls].map((url) => migrate({ url, namespace: 'one' })),
    );
    expect(reports.filter((report) => report.applied.length === names.length)).toHaveLength(3);
    expect(reports.filter((report) => report.applied.length === 0)).toHaveLength(6);
  });

  it('refuses another namespace, and says which it is', async () => {
    const url = await freshDatabase();
    await migrate({ url, namespace: 'one' });
    await expect(migrate({ url, namespace: 'two' })).rejects.toThrow(
      /belongs to namespace "one", not "two".*LEASEHOLD_NAMESPACE=one/,
    );
  });

  it('refuses a migration whose text has changed since it was applied', async () => {
    const url = await freshDatabase();
    await migrate({ url, namespace: 'one' });
    const migrations = shippedMigrations().map((one) =>
      one.version === 2 ? migration(2, one.name, `${one.sql}\n-- touched`) : one,
    );
    await expect(migrate({ url, namespace: 'one', migrations })).rejects.toThrow(
      /0002_append_only.*never changes/,
    );
  });

  it('applies all of a run or nothing', async () => {
    const url = await freshDatabase();
    await migrate({ url, namespace: 'one' });
    const next = names.length + 1;
    const migrations = [
      ...shippedMigrations(),
      migration(next, 'good', 'create table leasehold.extra (x int)'),
      migration(next + 1, 'bad', 'create table leasehold.extra (x int)'),
    ];
    await expect(migrate({ url, namespace: 'one', migrations })).rejects.toThrow(/already exists/);
    const better = migrations.slice(0, -1);
    expect((await migrate({ url, namespace: 'one', migrations: better })).version).toBe(next);
  });

  it('is refused to the application role', async () => {
    const database = await logDatabase();
    await expect(migrate({ url: database.appUrl, namespace: NAMESPACE })).rejects.toThrow(
      /leasehold_app may not migrate: set LEASEHOLD_OWNER_DATABASE_URL/,
    );
  });
});

describe('a database with the numbering from before the baseline', () => {
  const message =
    /unreleased version.*cannot be upgraded: create a new database.*run `leasehold migrate` on it/;

  async function oldDatabase(): Promise<string> {
    const url = await freshDatabase();
    await ensureRoles(await connect(url), {});
    const client = await connect(urlAs(url, 'leasehold_owner'));
    await client.query(
      `create schema leasehold;
       create table leasehold.meta (
         one boolean primary key default true check (one),
         namespace text not null,
         recorded_at timestamptz not null default clock_timestamp());
       create table leasehold.migrations (
         version int primary key,
         name text not null,
         checksum text not null,
         recorded_at timestamptz not null default clock_timestamp());
       insert into leasehold.meta (namespace) values ('one');
       insert into leasehold.migrations (version, name, checksum)
         select nr, name, md5(name)
           from unnest(array['tables', 'append_only', 'guard', 'projection', 'cheaper_appends',
             'lines_and_receipts', 'order_of_bytes']) with ordinality as m (name, nr);
       grant usage on schema leasehold to leasehold_app;
       grant select on leasehold.meta, leasehold.migrations to leasehold_app;`,
    );
    return url;
  }

  it('is refused by migrate, which says what to do', async () => {
    await expect(migrate({ url: await oldDatabase(), namespace: 'one' })).rejects.toThrow(message);
  });

  it('is refused by a replica, which does not wait for it to change', async () => {
    const failure = await log(databaseOf(await oldDatabase(), 'one'))
      .check()
      .catch((cause: unknown) => cause);
    expect(failure).toBeInstanceOf(PermanentMismatch);
    expect(failure).toMatchObject({ message: expect.stringMatching(message) as string });
  });
});

describe('check', () => {
  it('passes on a migrated database of its namespace', async () => {
    await expect(log(await logDatabase()).check()).resolves.toBeUndefined();
  });

  it('says what to do on a database that was never migrated', async () => {
    const url = await freshDatabase();
    await ensureRoles(await connect(url), {});
    await expect(log(databaseOf(url, 'one')).check()).rejects.toThrow(/leasehold migrate/);
  });

  it('names both namespaces when the database is another’s', async () => {
    const database = await logDatabase();
    await expect(log({ ...database, namespace: 'other' }).check()).rejects.toThrow(
      /belongs to namespace "log-tests", not "other"/,
    );
  });

  it('refuses an older schema and accepts a newer one', async () => {
    const url = await freshDatabase();
    const database = databaseOf(url, 'one');
    await migrate({
      url,
      namespace: 'one',
      migrations: shippedMigrations().slice(0, -1),
      functions: shippedFunctions(),
    });
    await expect(log(database).check()).rejects.toThrow(
      new RegExp(
        `schema version ${names.length - 1}, this program needs ${names.length}: run \`leasehold migrate\``,
      ),
    );
    await migrate({
      url,
      namespace: 'one',
      migrations: [...shippedMigrations(), migration(names.length + 1, 'later', 'select 1')],
    });
    await expect(log(database).check()).resolves.toBeUndefined();
  });
});

it('the application role can read what was migrated, and change none of it', async () => {
  const app = await connect((await logDatabase()).appUrl);
  expect(
    await codeOf(
      app.query('select * from leasehold.meta, leasehold.migrations, leasehold.functions'),
    ),
  ).toBe('ok');
  expect(await codeOf(app.query(`update leasehold.meta set namespace = 'mine'`))).toBe('42501');
  expect(await codeOf(app.query(`insert into leasehold.migrations values (99, 'x', 'y')`))).toBe(
    '42501',
  );
  expect(await codeOf(app.query(`insert into leasehold.functions values ('x', 'y')`))).toBe(
    '42501',
  );
  expect(await codeOf(app.query('create table leasehold.mine (x int)'))).toBe('42501');
  expect(await codeOf(app.query('alter table leasehold.executions disable trigger guard'))).toBe(
    '42501',
  );
  const guard = shippedFunctions().find((one) => one.name === 'guard_executions')!;
  expect(await codeOf(app.query(guard.sql))).toBe('42501');
});
