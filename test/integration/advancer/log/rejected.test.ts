import { Client } from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';

import { migrate } from '../../../../advancer/log/migrate.ts';
import { PermanentMismatch } from '../../../../advancer/log/schema-check.ts';
import { freshDatabase } from '../../../harness/servers.ts';
import {
  connect,
  databaseOf,
  databaseOfFile,
  entryOf,
  freshId,
  log,
  logDatabase,
  newReceipt,
  newRow,
} from './fixture.ts';

/** A database whose owner restricts what may be written. */
const database = databaseOfFile();

beforeAll(async () => {
  const owner = new Client({ connectionString: database.ownerUrl });
  await owner.connect();
  await owner.query(`
    alter table leasehold.executions add constraint short_bodies check (length(body::text) < 1000);
    create unique index one_of_a_kind on leasehold.executions ((body ->> 'unique'));
    alter table leasehold.executions enable row level security;
    create policy readable on leasehold.executions for select using (true);
    create policy not_secret on leasehold.executions for insert
      with check (instance_id not like 'secret-%');
    alter table leasehold.requests enable row level security;
    create policy readable on leasehold.requests for select using (true);
    create policy not_secret on leasehold.requests for insert
      with check (request_id not like 'secret-%')`);
  await owner.end();
});

describe('an append that Postgres refuses for what it holds is rejected, with the reason', () => {
  it('for a constraint', async () => {
    const row = newRow(freshId(), 1, 'started', { body: { text: 'x'.repeat(1_000) } });
    expect(await log(database).append(entryOf([row]))).toEqual({
      kind: 'rejected',
      why: expect.stringMatching(/violates check constraint.*SQLSTATE 23514.*short_bodies/),
      ofData: true,
    });
  });

  it('for a unique index that is not ours', async () => {
    const replica = log(database);
    const one = () => newRow(freshId(), 1, 'started', { body: { unique: 'x' } });
    expect((await replica.append(entryOf([one()]))).kind).toBe('appended');
    expect(await replica.append(entryOf([one()]))).toMatchObject({
      kind: 'rejected',
      why: expect.stringContaining('one_of_a_kind'),
    });
  });

  it('for row-level security, which no change of the data would satisfy', async () => {
    const row = newRow(freshId('secret'), 1, 'started');
    expect(await log(database).append(entryOf([row]))).toEqual({
      kind: 'rejected',
      why: expect.stringMatching(/row-level security.*SQLSTATE 42501/),
      ofData: false,
    });
  });

  it('for a receipt, too', async () => {
    const instanceId = freshId();
    const requestId = freshId('secret');
    const receipt = {
      requestId,
      agentId: 'tester',
      lastSeq: 1,
      receipt: newReceipt(requestId, instanceId),
    };
    const entry = entryOf([newRow(instanceId, 1, 'started')], { receipt });
    expect((await log(database).append(entry)).kind).toBe('rejected');
    expect(await log(database).rowsAfter(instanceId, 0)).toEqual([]);
  });

  it('for an id that the guard refuses', async () => {
    expect(await log(database).append(entryOf([newRow('no spaces', 1, 'started')]))).toMatchObject({
      kind: 'rejected',
      why: expect.stringContaining('check constraint'),
    });
  });

  it('and the other entries of its batch are appended', async () => {
    const replica = log(database);
    const ids = Array.from({ length: 20 }, (_, nth) => freshId(nth % 5 === 0 ? 'secret' : 'fine'));
    const outcomes = await Promise.all(
      ids.map((instanceId) => replica.append(entryOf([newRow(instanceId, 1, 'started')]))),
    );
    expect(outcomes.map(({ kind }) => kind)).toEqual(
      ids.map((id) => (id.startsWith('secret') ? 'rejected' : 'appended')),
    );
  });
});

describe('a database that cannot be written to is not usable', () => {
  it('because this role is read-only there', async () => {
    const other = await logDatabase();
    const superuser = await connect(other.superuserUrl);
    const name = new URL(other.superuserUrl).pathname.slice(1);
    await superuser.query(
      `alter role leasehold_app in database ${name} set default_transaction_read_only = on`,
    );
    await expect(log(other).check()).rejects.toThrow(/read-only for this role \(25006\)/);
    const outcome = await log(other).append(entryOf([newRow(freshId(), 1, 'started')]));
    expect(outcome.kind).toBe('unknown');
  });
});

describe('a database whose encoding is not UTF8', () => {
  it('is refused by migrate, before it creates anything', async () => {
    const superuser = await connect(await freshDatabase());
    const name = freshId('latin').replaceAll('-', '_');
    await superuser.query(
      `create database ${name} encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0`,
    );
    const url = new URL(await freshDatabase());
    url.pathname = `/${name}`;
    await expect(migrate({ url: url.href, namespace: 'one' })).rejects.toThrow(
      /encoding is LATIN1, and Leasehold needs UTF8.*ENCODING 'UTF8'/,
    );
    const client = await connect(url.href);
    const { rows } = await client.query(`select to_regnamespace('leasehold') is null as none`);
    expect(rows).toEqual([{ none: true }]);
  });

  it('is refused by a replica for good', async () => {
    const url = await freshDatabase();
    await migrate({ url, namespace: 'log-tests' });
    const superuser = await connect(url);
    // As an older version may have left it.
    await superuser.query(
      `update pg_database set encoding = pg_char_to_encoding('LATIN1') where datname = current_database()`,
    );
    const checked = log(databaseOf(url, 'log-tests')).check();
    await expect(checked).rejects.toThrow(PermanentMismatch);
    await expect(checked).rejects.toThrow(/encoding is LATIN1/);
  });
});
