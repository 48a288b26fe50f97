import { describe, expect, it } from 'vitest';

import { migrate } from '../../../../advancer/log/migrate.ts';
import { migration, shippedMigrations } from '../../../../advancer/log/migration-files.ts';
import { ensureRoles, urlAs } from '../../../../advancer/log/roles.ts';
import { freshDatabase } from '../../../harness/servers.ts';
import { NAMESPACE, codeOf, connect, log, logDatabase } from './fixture.ts';

const names = shippedMigrations().map((one) => `000${one.version}_${one.name}`);

describe('migrate', () => {
  it('applies everything once; doing it again changes nothing', async () => {
    const url = await freshDatabase();
    expect(await migrate({ url, namespace: 'one' })).toEqual({
      applied: names,
      version: names.length,
      namespace: 'one',
    });
    const again = { applied: [], version: names.length, namespace: 'one' };
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

describe('check', () => {
  it('passes on a migrated database of its namespace', async () => {
    await expect(log(await logDatabase()).check()).resolves.toBeUndefined();
  });

  it('names the mend on a database that was never migrated', async () => {
    const url = await freshDatabase();
    await ensureRoles(url);
    const database = {
      namespace: 'one',
      superuserUrl: url,
      ownerUrl: url,
      appUrl: urlAs(url, 'leasehold_app'),
    };
    await expect(log(database).check()).rejects.toThrow(/leasehold migrate/);
  });

  it('names both namespaces when it is another’s', async () => {
    const database = await logDatabase();
    await expect(log({ ...database, namespace: 'other' }).check()).rejects.toThrow(
      /belongs to namespace "log-tests", not "other"/,
    );
  });

  it('refuses an older schema and takes a newer one', async () => {
    const url = await freshDatabase();
    const database = {
      namespace: 'one',
      superuserUrl: url,
      ownerUrl: url,
      appUrl: urlAs(url, 'leasehold_app'),
    };
    await migrate({ url, namespace: 'one', migrations: shippedMigrations().slice(0, -1) });
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

it('the application role can read who it belongs to and change nothing of it', async () => {
  const app = await connect((await logDatabase()).appUrl);
  expect(await codeOf(app.query('select * from leasehold.meta, leasehold.migrations'))).toBe('ok');
  expect(await codeOf(app.query(`update leasehold.meta set namespace = 'mine'`))).toBe('42501');
  expect(await codeOf(app.query(`insert into leasehold.migrations values (99, 'x', 'y')`))).toBe(
    '42501',
  );
  expect(await codeOf(app.query('create table leasehold.mine (x int)'))).toBe('42501');
  expect(await codeOf(app.query('alter table leasehold.executions disable trigger guard'))).toBe(
    '42501',
  );
});
