import { describe, expect, it } from 'vitest';

import { shippedFunctions, sqlFunction } from '../../../../advancer/log/function-files.ts';
import type { SqlFunction } from '../../../../advancer/log/function-files.ts';
import { migrate } from '../../../../advancer/log/migrate.ts';
import { labelOf, migration, shippedMigrations } from '../../../../advancer/log/migration-files.ts';
import { ensureRoles, urlAs } from '../../../../advancer/log/roles.ts';
import { PermanentMismatch } from '../../../../advancer/log/schema-check.ts';
import { freshDatabase } from '../../../harness/servers.ts';
import { NAMESPACE, codeOf, connect, log, logDatabase } from './fixture.ts';
import type { LogDatabase } from './fixture.ts';

const names = shippedMigrations().map(labelOf);
const functionNames = shippedFunctions().map((one) => one.name);

/** The database of that URL, migrated or not. */
function databaseOf(url: string): LogDatabase {
  return { namespace: 'one', superuserUrl: url, ownerUrl: url, appUrl: urlAs(url, 'leasehold_app') };
}

/** The shipped functions, one of them with another text. */
function shippedBut(name: string, edit: (text: string) => string): SqlFunction[] {
  return shippedFunctions().map((one) => (one.name === name ? sqlFunction(name, edit(one.sql)) : one));
}

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
    });
    const again = { applied: [], functions: [], kept: [], version: names.length, namespace: 'one' };
    expect(await migrate({ url, namespace: 'one' })).toEqual(again);
    expect(await migrate({ url: urlAs(url, 'leasehold_owner'), namespace: 'one' })).toEqual(again);
  });

  it('works as the owner alone, once the roles are there', async () => {
    const url = await freshDatabase();
    await ensureRoles(url);
    await ensureRoles(url);
    const report = await migrate({ url: urlAs(url, 'leasehold_owner'), namespace: 'one' });
    expect(report.applied).toEqual(names);
  });

  it('gives everything to the owner, whoever ran it', async () => {
    const client = await connect((await logDatabase()).superuserUrl);
    const { rows } = await client.query(
      `select distinct pg_get_userbyid(relowner) as owner from pg_class
         where relnamespace in ('leasehold'::regnamespace, 'leasehold_projection'::regnamespace)`,
    );
    expect(rows).toEqual([{ owner: 'leasehold_owner' }]);
  });

  it('orders what indexes hold by its bytes: the order of the database is the operating system’s to change', async () => {
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

  it('may be run by several at once, in several databases', async () => {
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

describe('functions', () => {
  it('are recorded with the checksums of their files, and belong to the owner', async () => {
    const client = await connect((await logDatabase()).superuserUrl);
    const { rows: recorded } = await client.query(
      'select name, checksum from leasehold.functions order by name',
    );
    expect(recorded).toEqual(shippedFunctions().map(({ name, checksum }) => ({ name, checksum })));
    const { rows: owners } = await client.query(
      `select distinct pg_get_userbyid(proowner) as owner from pg_proc
         where pronamespace in ('leasehold'::regnamespace, 'leasehold_projection'::regnamespace)`,
    );
    expect(owners).toEqual([{ owner: 'leasehold_owner' }]);
  });

  it('are applied again when their text changes, and only then', async () => {
    const url = await freshDatabase();
    await migrate({ url, namespace: 'one' });
    const client = await connect(url);
    const versions = async () => {
      const { rows } = await client.query<{ name: string; xmin: string; body: string }>(
        `select proname as name, xmin, prosrc as body from pg_proc
           where pronamespace in ('leasehold'::regnamespace, 'leasehold_projection'::regnamespace)`,
      );
      return new Map(rows.map((row) => [row.name, row]));
    };
    const before = await versions();
    await migrate({ url, namespace: 'one' });
    expect(await versions()).toEqual(before);

    const functions = shippedBut('refuse_change', (text) =>
      text.replace('Append a row', 'Append another row'),
    );
    expect(await migrate({ url, namespace: 'one', functions })).toMatchObject({
      applied: [],
      functions: ['refuse_change'],
      kept: [],
    });
    const after = await versions();
    expect(after.get('refuse_change')!.body).toContain('Append another row');
    before.delete('refuse_change');
    after.delete('refuse_change');
    expect(after).toEqual(before);
    const again = await migrate({ url, namespace: 'one', functions });
    expect(again).toMatchObject({ functions: [], kept: [] });
    const { rows } = await client.query('select 1 from leasehold.functions');
    expect(rows).toHaveLength(functionNames.length + 1);
  });

  it('are not put back by an older program: it keeps the later text, and says so', async () => {
    const url = await freshDatabase();
    await migrate({ url, namespace: 'one' });
    const later = shippedBut('refuse_change', (text) => text.replace('Append a row', 'Append another row'));
    await migrate({ url, namespace: 'one', functions: later });
    expect(await migrate({ url, namespace: 'one' })).toMatchObject({
      functions: [],
      kept: ['refuse_change'],
    });
    const client = await connect(url);
    const { rows } = await client.query(`select prosrc from pg_proc where proname = 'refuse_change'`);
    expect(JSON.stringify(rows)).toContain('Append another row');
  });

  it('that a migration requires are applied before it', async () => {
    const url = await freshDatabase();
    await migrate({ url, namespace: 'one' });
    const answer = sqlFunction(
      'answer',
      'create or replace function leasehold.answer() returns int language sql return 42;\n',
    );
    const next = names.length + 1;
    const needy = migration(
      next,
      'needy',
      '-- requires: answer\ncreate table leasehold.extra (x int default leasehold.answer())',
    );
    const migrations = [...shippedMigrations(), needy];
    await expect(migrate({ url, namespace: 'one', migrations })).rejects.toThrow(
      /0005_needy requires the function answer, which has no file/,
    );
    const functions = [...shippedFunctions(), answer];
    expect(await migrate({ url, namespace: 'one', migrations, functions })).toMatchObject({
      applied: ['0005_needy'],
      functions: ['answer'],
    });
  });

  it('are applied together with the migrations of a run, or nothing is', async () => {
    const url = await freshDatabase();
    await migrate({ url, namespace: 'one' });
    const migrations = [...shippedMigrations(), migration(names.length + 1, 'good', 'select 1')];
    const functions = shippedBut('refuse_change', (text) => text.replace('begin', 'begins'));
    await expect(migrate({ url, namespace: 'one', migrations, functions })).rejects.toThrow(/syntax error/);
    expect((await migrate({ url, namespace: 'one' })).version).toBe(names.length);
  });

  it('keep their signature, unless a numbered migration drops the old one', async () => {
    const url = await freshDatabase();
    await migrate({ url, namespace: 'one' });
    const client = await connect(url);
    const signatures = async () => {
      const { rows } = await client.query<{ text: string }>(
        `select oid::regprocedure::text as text from pg_proc where proname = 'refuse_malformed'`,
      );
      return rows.map((row) => row.text);
    };
    const before = ['leasehold.refuse_malformed(text,text)'];
    expect(await signatures()).toEqual(before);

    const wider = shippedBut('refuse_malformed', (text) =>
      text.replace('column_name text\n', 'column_name name\n'),
    );
    await expect(migrate({ url, namespace: 'one', functions: wider })).rejects.toThrow(
      /signature.*refuse_malformed\(text,text\) and leasehold\.refuse_malformed\(text,name\).*numbered migration that drops/,
    );
    const renamed = shippedBut('refuse_malformed', (text) => text.replaceAll('column_name', 'column_label'));
    await expect(migrate({ url, namespace: 'one', functions: renamed })).rejects.toThrow(
      /signature.*refuse_malformed: cannot change name of input parameter.*numbered migration that drops/,
    );
    expect(await signatures()).toEqual(before);

    const migrations = [
      ...shippedMigrations(),
      migration(names.length + 1, 'wider', 'drop function if exists leasehold.refuse_malformed(text, text)'),
    ];
    await migrate({ url, namespace: 'one', migrations, functions: wider });
    expect(await signatures()).toEqual(['leasehold.refuse_malformed(text,name)']);
    await migrate({ url: await freshDatabase(), namespace: 'one', migrations, functions: wider });
  });
});

describe('a database with the numbering from before the baseline', () => {
  const message =
    /unreleased version.*cannot be upgraded: create a new database and run `leasehold migrate` on it/;

  async function oldDatabase(): Promise<string> {
    const url = await freshDatabase();
    await ensureRoles(url);
    const client = await connect(urlAs(url, 'leasehold_owner'));
    await client.query(
      `create schema leasehold;
       create table leasehold.meta (one boolean primary key default true check (one), namespace text not null,
         recorded_at timestamptz not null default clock_timestamp());
       create table leasehold.migrations (version int primary key, name text not null, checksum text not null,
         recorded_at timestamptz not null default clock_timestamp());
       insert into leasehold.meta (namespace) values ('one');
       insert into leasehold.migrations (version, name, checksum)
         select nr, name, md5(name) from unnest(array['tables', 'append_only', 'guard', 'projection',
           'cheaper_appends', 'lines_and_receipts', 'order_of_bytes']) with ordinality as m (name, nr);
       grant usage on schema leasehold to leasehold_app;
       grant select on leasehold.meta, leasehold.migrations to leasehold_app;`,
    );
    return url;
  }

  it('is refused by migrate, which says what to do', async () => {
    await expect(migrate({ url: await oldDatabase(), namespace: 'one' })).rejects.toThrow(message);
  });

  it('is refused by a replica, which does not wait for it to change', async () => {
    const failure = await log(databaseOf(await oldDatabase()))
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
    await ensureRoles(url);
    await expect(log(databaseOf(url)).check()).rejects.toThrow(/leasehold migrate/);
  });

  it('names both namespaces when the database is another’s', async () => {
    const database = await logDatabase();
    await expect(log({ ...database, namespace: 'other' }).check()).rejects.toThrow(
      /belongs to namespace "log-tests", not "other"/,
    );
  });

  it('refuses an older schema and takes a newer one', async () => {
    const url = await freshDatabase();
    const database = databaseOf(url);
    await migrate({
      url,
      namespace: 'one',
      migrations: shippedMigrations().slice(0, -1),
      // The schema of the others comes with the last migration.
      functions: shippedFunctions().filter((one) => one.schema === 'leasehold'),
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

  it('refuses functions that are out of date, and takes later ones', async () => {
    const url = await freshDatabase();
    const database = databaseOf(url);
    const other = shippedBut('guard_requests', (text) => `${text}-- Another release.\n`);
    await migrate({ url, namespace: 'one', functions: other });
    await expect(log(database).check()).rejects.toThrow(
      'the functions of the database are out of date (guard_requests): run `leasehold migrate`',
    );
    await migrate({ url, namespace: 'one' });
    await expect(log(database).check()).resolves.toBeUndefined();
    const later = shippedBut('guard_requests', (text) => `${text}-- A later release.\n`);
    await migrate({ url, namespace: 'one', functions: later });
    await expect(log(database).check()).resolves.toBeUndefined();
  });
});

it('the application role can read whose the database is and what it has, and change none of it', async () => {
  const app = await connect((await logDatabase()).appUrl);
  expect(
    await codeOf(app.query('select * from leasehold.meta, leasehold.migrations, leasehold.functions')),
  ).toBe('ok');
  expect(await codeOf(app.query(`update leasehold.meta set namespace = 'mine'`))).toBe('42501');
  expect(await codeOf(app.query(`insert into leasehold.migrations values (99, 'x', 'y')`))).toBe('42501');
  expect(await codeOf(app.query(`insert into leasehold.functions values ('x', 'y')`))).toBe('42501');
  expect(await codeOf(app.query('create table leasehold.mine (x int)'))).toBe('42501');
  expect(await codeOf(app.query('alter table leasehold.executions disable trigger guard'))).toBe('42501');
  const guard = shippedFunctions().find((one) => one.name === 'guard_executions')!;
  expect(await codeOf(app.query(guard.sql))).toBe('42501');
});
