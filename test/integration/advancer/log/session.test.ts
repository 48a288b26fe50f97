import { describe, expect, it } from 'vitest';

import { migrate } from '../../../../advancer/log/migrate.ts';
import { LogUnavailable } from '../../../../advancer/log/log.ts';
import { PermanentMismatch } from '../../../../advancer/log/schema-check.ts';
import { freshDatabase } from '../../../harness/servers.ts';
import {
  NAMESPACE,
  appendUntilDefinite,
  connect,
  databaseOf,
  entryOf,
  freshId,
  log,
  logDatabase,
  newRow,
  replicaDatabase,
  replicaLog,
  setForApp,
  urlAs,
} from './fixture.ts';
import type { LogDatabase } from './fixture.ts';

async function refusal(database: LogDatabase, url = database.appUrl): Promise<unknown> {
  return replicaLog(database, { url })
    .open('app')
    .then(
      () => undefined,
      (cause: unknown) => cause,
    );
}

async function endSessions(database: LogDatabase): Promise<void> {
  const client = await connect(database.superuserUrl);
  await client.query(
    `select pg_terminate_backend(pid, 60000) from pg_stat_activity
       where usename = 'leasehold_app' and datname = current_database()`,
  );
}

describe('the settings of a session', () => {
  it.each([
    ['synchronous_commit', 'off', 'synchronous_commit is off, not on or remote_apply'],
    ['synchronous_commit', 'local', 'synchronous_commit is local, not on'],
    ['TimeZone', 'Asia/Tokyo', 'TimeZone is Asia/Tokyo, not UTC'],
    ['DateStyle', 'German', 'DateStyle is German, DMY, not ISO'],
    [
      'default_transaction_isolation',
      'serializable',
      'default_transaction_isolation is serializable, not read committed',
    ],
    ['statement_timeout', '0', 'statement_timeout is 0, not 1500ms'],
    ['statement_timeout', '1min', 'statement_timeout is 1min, not 1500ms'],
    ['array_nulls', 'off', 'array_nulls is off, not on'],
    ['plan_cache_mode', 'auto', 'plan_cache_mode is auto, not force_generic_plan'],
    ['enable_seqscan', 'on', 'enable_seqscan is on, not off'],
    ['session_replication_role', 'replica', 'session_replication_role is replica, not origin'],
  ])('with %s = %s are refused, by name', async (name, value, message) => {
    const database = await replicaDatabase();
    expect(await refusal(database)).toBeUndefined();
    await setForApp(database.superuserUrl, name, value);
    const cause = await refusal(database);
    expect(cause).toBeInstanceOf(LogUnavailable);
    expect(String(cause)).toContain(message);
    expect(String(cause)).toMatch(/run `leasehold migrate`|find out who sets/);
  });

  it('are set again by migrate', async () => {
    const database = await replicaDatabase();
    await setForApp(database.superuserUrl, 'synchronous_commit', 'off');
    await migrate({ url: database.superuserUrl, namespace: NAMESPACE });
    expect(await refusal(database)).toBeUndefined();
  });

  it('hold against the defaults of the database', async () => {
    const database = await replicaDatabase();
    const client = await connect(database.superuserUrl);
    const name = new URL(database.superuserUrl).pathname.slice(1);
    for (const setting of [
      'synchronous_commit = off',
      'timezone = "Asia/Tokyo"',
      'default_transaction_isolation = serializable',
    ]) {
      await client.query(`alter database "${name}" set ${setting}`);
    }
    expect(await refusal(database)).toBeUndefined();
  });

  it('that the URL changes are refused', async () => {
    const database = await replicaDatabase();
    const cause = await refusal(database, `${database.appUrl}?options=-c%20synchronous_commit=off`);
    expect(String(cause)).toMatch(/synchronous_commit is off.*options of LEASEHOLD_DATABASE_URL/);
  });

  it('are verified on each connection that is opened later, before it writes', async () => {
    const database = await replicaDatabase();
    const replica = replicaLog(database);
    await replica.open('app');
    await setForApp(database.superuserUrl, 'synchronous_commit', 'off');
    await endSessions(database);
    const entry = entryOf([newRow(freshId(), 1, 'started')]);
    await expect
      .poll(async () => String(((await replica.append(entry)) as { cause?: unknown }).cause))
      .toContain('synchronous_commit is off');
    const client = await connect(database.superuserUrl);
    const { rows } = await client.query('select from leasehold.executions');
    expect(rows).toHaveLength(0);
    await expect(replica.check()).rejects.toThrow(/synchronous_commit is off/);
    await migrate({ url: database.superuserUrl, namespace: NAMESPACE });
    expect((await appendUntilDefinite(replica, entry)).kind).toBe('appended');
    await replica.check();
  });

  it('that only matter in a power failure are a warning', async () => {
    const database = await replicaDatabase();
    const client = await connect(database.superuserUrl);
    const { rows } = await client.query<{ fsync: string }>('show fsync');
    const warnings: string[] = [];
    const replica = replicaLog(database, {
      onWarning: (text) => warnings.push(text),
    });
    await replica.open('app');
    await replica.check();
    expect(warnings.filter((text) => text.includes('fsync = off'))).toHaveLength(
      rows[0]!.fsync === 'off' ? 1 : 0,
    );
  });
});

describe('a limit on connections', () => {
  async function limited(limit: number): Promise<LogDatabase> {
    const database = await replicaDatabase();
    const client = await connect(database.superuserUrl);
    const name = new URL(database.superuserUrl).pathname.slice(1);
    await client.query(`alter database "${name}" connection limit ${limit}`);
    return database;
  }

  it('is named when none is left', async () => {
    const cause = await refusal(await limited(0));
    expect(String(cause)).toMatch(
      /no connection is left: too many connections for database .*ALTER DATABASE … CONNECTION LIMIT/,
    );
  });

  it('is met by fewer connections, and named in a warning', async () => {
    const warnings: string[] = [];
    const replica = replicaLog(await limited(3), {
      onWarning: (text) => warnings.push(text),
    });
    // Besides the superuser's, the limit allows two: one for reads, one for appends. Connections
    // that prepared the database count until the server has noticed that they ended.
    await expect
      .poll(() => replica.open('app').then(() => 'open', String), { timeout: 30_000 })
      .toBe('open');
    const outcomes = await Promise.all(
      Array.from({ length: 400 }, () => replica.append(entryOf([newRow(freshId(), 1, 'started')]))),
    );
    expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['appended']));
    expect(warnings.join('\n')).toMatch(/only 1 of 4 connections: no connection is left/);
  });

  it('is not approached before connections are needed', async () => {
    const database = await replicaDatabase();
    await replicaLog(database, { replicaId: 'modest' }).open('app');
    const client = await connect(database.superuserUrl);
    const { rows } = await client.query<{ open: number }>(
      `select count(*)::int as open from pg_stat_activity where application_name = 'leasehold-modest'`,
    );
    expect(rows[0]!.open).toBe(2);
  });
});

describe('a role that could change what was recorded', () => {
  it.each([
    ['postgres', 'a superuser'],
    ['leasehold_owner', 'a member of leasehold_owner'],
  ])('%s is refused for good, unless that is asked for', async (role, what) => {
    const database = await replicaDatabase();
    const url = urlAs(database.superuserUrl, role);
    const cause = await refusal(database, url);
    expect(cause).toBeInstanceOf(PermanentMismatch);
    expect(String(cause)).toContain(`connects as ${role}, ${what}`);
    expect(String(cause)).toContain('LEASEHOLD_DATABASE_ROLE=any');
    const replica = replicaLog(database, { url });
    const problem = String(await replica.open('any').catch((error: unknown) => error));
    // The statements in the message are what is missing.
    const statements = /or run: (ALTER ROLE .*)$/.exec(problem)?.[1] ?? '';
    const client = await connect(database.superuserUrl);
    await client.query(statements);
    await replica.open('any');
  });

  it('may use the tools, which bring their own settings', async () => {
    const database = await logDatabase();
    for (const url of [database.superuserUrl, database.ownerUrl]) {
      const tool = log(database, { url, ownSettings: true });
      await tool.check();
      expect(await tool.list({ limit: 1 })).toEqual([]);
    }
  });
});

describe('migrate as the owner', () => {
  it('says what to run if the role of the replicas has no settings', async () => {
    const database = await bareRoles();
    const cause = await migrate({ url: database.ownerUrl, namespace: NAMESPACE }).catch(
      (error: unknown) => error,
    );
    expect(String(cause)).toContain('leasehold_app lacks settings');
    const [, statements = ''] = /or run this:\n([\s\S]*)$/.exec(String(cause)) ?? [];
    const client = await connect(database.superuserUrl);
    await client.query(statements);
    await migrate({ url: database.ownerUrl, namespace: NAMESPACE });
    expect(await refusal(database)).toBeUndefined();
  });

  it('lets the role of the replicas set them, if it has its URL', async () => {
    const database = await bareRoles();
    await migrate({ url: database.ownerUrl, namespace: NAMESPACE, appUrl: database.appUrl });
    expect(await refusal(database)).toBeUndefined();
  });

  /** The roles exist in the server, but were never prepared for this database. */
  async function bareRoles(): Promise<LogDatabase> {
    await logDatabase();
    const superuserUrl = await freshDatabase();
    const client = await connect(superuserUrl);
    const name = new URL(superuserUrl).pathname.slice(1);
    await client.query(`grant create on database "${name}" to leasehold_owner`);
    return databaseOf(superuserUrl, NAMESPACE);
  }
});
