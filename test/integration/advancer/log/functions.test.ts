import { describe, expect, it } from 'vitest';

import { shippedFunctions, sqlFunction } from '../../../../advancer/log/function-files.ts';
import type { SqlFunction } from '../../../../advancer/log/function-files.ts';
import { migrate } from '../../../../advancer/log/migrate.ts';
import { labelOf, migration, shippedMigrations } from '../../../../advancer/log/migration-files.ts';
import { freshDatabase } from '../../../harness/servers.ts';
import { connect, databaseOf, log, logDatabase } from './fixture.ts';

/** The shipped functions, with the text of one of them changed. */
function shippedBut(name: string, edit: (text: string) => string): SqlFunction[] {
  return shippedFunctions().map((one) =>
    one.name === name ? sqlFunction(name, edit(one.sql)) : one,
  );
}

describe('functions of the log', () => {
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
    expect(rows).toHaveLength(shippedFunctions().length + 1);
  });

  it('are not replaced by an older program: it keeps the later text, and reports it', async () => {
    const url = await freshDatabase();
    await migrate({ url, namespace: 'one' });
    const later = shippedBut('refuse_change', (text) =>
      text.replace('Append a row', 'Append another row'),
    );
    await migrate({ url, namespace: 'one', functions: later });
    expect(await migrate({ url, namespace: 'one' })).toMatchObject({
      functions: [],
      kept: ['refuse_change'],
    });
    const client = await connect(url);
    const { rows } = await client.query(
      `select prosrc from pg_proc where proname = 'refuse_change'`,
    );
    expect(JSON.stringify(rows)).toContain('Append another row');
  });

  it('that a migration requires are applied before it', async () => {
    const url = await freshDatabase();
    await migrate({ url, namespace: 'one' });
    const answer = sqlFunction(
      'answer',
      'create or replace function leasehold.answer() returns int language sql return 42;\n',
    );
    const next = shippedMigrations().length + 1;
    const dependent = migration(
      next,
      'dependent',
      '-- requires: answer\ncreate table leasehold.extra (x int default leasehold.answer())',
    );
    const migrations = [...shippedMigrations(), dependent];
    await expect(migrate({ url, namespace: 'one', migrations })).rejects.toThrow(
      /\d_dependent requires the function answer, which has no file/,
    );
    const functions = [...shippedFunctions(), answer];
    expect(await migrate({ url, namespace: 'one', migrations, functions })).toMatchObject({
      applied: [labelOf(dependent)],
      functions: ['answer'],
    });
  });

  it('are applied together with the migrations of a run, or nothing is', async () => {
    const url = await freshDatabase();
    await migrate({ url, namespace: 'one' });
    const migrations = [
      ...shippedMigrations(),
      migration(shippedMigrations().length + 1, 'good', 'select 1'),
    ];
    const functions = shippedBut('refuse_change', (text) => text.replace('begin', 'begins'));
    await expect(migrate({ url, namespace: 'one', migrations, functions })).rejects.toThrow(
      /syntax error/,
    );
    expect((await migrate({ url, namespace: 'one' })).version).toBe(shippedMigrations().length);
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
      /signature.*\(text,text\) and leasehold\.refuse_malformed\(text,name\).*numbered migration/,
    );
    const renamed = shippedBut('refuse_malformed', (text) =>
      text.replaceAll('column_name', 'column_label'),
    );
    await expect(migrate({ url, namespace: 'one', functions: renamed })).rejects.toThrow(
      /signature.*refuse_malformed: cannot change name of input.*numbered migration/,
    );
    expect(await signatures()).toEqual(before);

    const migrations = [
      ...shippedMigrations(),
      migration(
        shippedMigrations().length + 1,
        'wider',
        'drop function if exists leasehold.refuse_malformed(text, text)',
      ),
    ];
    await migrate({ url, namespace: 'one', migrations, functions: wider });
    expect(await signatures()).toEqual(['leasehold.refuse_malformed(text,name)']);
    await migrate({ url: await freshDatabase(), namespace: 'one', migrations, functions: wider });
  });

  it('refuses functions that are out of date, and accepts later ones', async () => {
    const url = await freshDatabase();
    const database = databaseOf(url, 'one');
    const other = shippedBut(
      'guard_requests',
      (text) => `${text}-- Another release.
`,
    );
    await migrate({ url, namespace: 'one', functions: other });
    await expect(log(database).check()).rejects.toThrow(
      'the functions of the database are out of date (guard_requests): run `leasehold migrate`',
    );
    await migrate({ url, namespace: 'one' });
    await expect(log(database).check()).resolves.toBeUndefined();
    const later = shippedBut(
      'guard_requests',
      (text) => `${text}-- A later release.
`,
    );
    await migrate({ url, namespace: 'one', functions: later });
    await expect(log(database).check()).resolves.toBeUndefined();
  });
});
