import { setTimeout as sleep } from 'node:timers/promises';

import { describe, expect, it, onTestFinished, type TestContext } from 'vitest';

import { migrate } from '../../../../advancer/log/migrate.ts';
import { pgBouncer, startPgBouncer } from '../../../harness/pgbouncer.ts';
import type { PgBouncer, PgBouncerKind, PgBouncerOptions } from '../../../harness/pgbouncer.ts';
import { freshDatabase } from '../../../harness/servers.ts';
import { connect, databaseOf, entryOf, freshId, log, newRow, setForApp } from './fixture.ts';

// The settings that docs/operations.md names are not used here: PgBouncer's own defaults must do.

/** PgBouncer in front of a migrated database; skips the test, with the reason, if there is none. */
async function pooled(context: TestContext, kind: PgBouncerKind, options: PgBouncerOptions) {
  const program = await pgBouncer(context, kind);
  const superuserUrl = await freshDatabase();
  await migrate({ url: superuserUrl, namespace: 'pooled' });
  const direct = databaseOf(superuserUrl, 'pooled');
  const pooler: PgBouncer = await startPgBouncer(program, superuserUrl, options);
  onTestFinished(() => pooler.stop());
  return { direct, pooler, database: { ...direct, appUrl: pooler.urlOf(direct.appUrl) } };
}

async function connectWhenFree(url: string): Promise<Awaited<ReturnType<typeof connect>>> {
  for (;;) {
    try {
      return await connect(url);
    } catch (cause) {
      if (!String(cause).includes('no more connections')) throw cause;
      await sleep(50);
    }
  }
}

describe.each(['old', 'new'] as const)('PgBouncer (%s) in session mode', (kind) => {
  it('carries the log', async (context) => {
    const { database } = await pooled(context, kind, { poolMode: 'session' });
    const replica = log(database, { appendTimeoutMs: 2_000 });
    await replica.open('app');
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, () => replica.append(entryOf([newRow(freshId(), 1, 'started')]))),
    );
    expect(new Set(outcomes.map(({ kind: outcome }) => outcome))).toEqual(new Set(['appended']));
  });

  it('does not hide a setting that weakens the log, even if it ignores startup parameters', async (context) => {
    const { database, direct } = await pooled(context, kind, {
      poolMode: 'session',
      settings: ['ignore_startup_parameters = extra_float_digits, options, statement_timeout'],
    });
    await setForApp(direct.superuserUrl, 'synchronous_commit', 'off');
    await expect(log(database).open('app')).rejects.toThrow(
      /synchronous_commit is off, not on or remote_apply.*run `leasehold migrate`/,
    );
    await migrate({ url: direct.superuserUrl, namespace: 'pooled' });
    // A pooler keeps its connections to the server; one that it opens now has the settings.
    await (
      await connect(direct.superuserUrl)
    ).query(
      `select pg_terminate_backend(pid) from pg_stat_activity
         where usename = 'leasehold_app' and datname = current_database()`,
    );
    const again = log(database, { appendTimeoutMs: 2_000 });
    await expect.poll(() => again.open('app').then(() => 'open', String)).toBe('open');
  });

  it('names its own limit when it has no connection left', async (context) => {
    const { database } = await pooled(context, kind, {
      poolMode: 'session',
      settings: ['max_client_conn = 1'],
    });
    // PgBouncer may not have noticed yet that the connection which awaited its start is closed.
    const first = await connectWhenFree(database.appUrl);
    await expect(log(database).open('app')).rejects.toThrow(
      /no connection is left: .*no more connections allowed.*max_client_conn/,
    );
    await first.end();
  });

  it('lets the owner migrate', async (context) => {
    const { direct, pooler } = await pooled(context, kind, { poolMode: 'session' });
    const report = await migrate({ url: pooler.urlOf(direct.ownerUrl), namespace: 'pooled' });
    expect(report.applied).toEqual([]);
  });
});

describe('PgBouncer in transaction mode', () => {
  it('before 1.21 is refused by name, with what to set', async (context) => {
    const { database } = await pooled(context, 'old', {
      poolMode: 'transaction',
      settings: ['default_pool_size = 1'],
    });
    await expect(log(database, { appendTimeoutMs: 2_000 }).open('app')).rejects.toThrow(
      /a pooler in transaction mode .*(?:42P05|26000).*PgBouncer 1\.21 or newer with max_prepared_statements.*pool_mode = session/,
    );
  });

  it('before 1.21 still serves tools, whose statements have no names', async (context) => {
    const { database } = await pooled(context, 'old', { poolMode: 'transaction' });
    const tool = log(database, { ownSettings: true });
    await tool.check();
    expect(await tool.list({ limit: 10 })).toEqual([]);
  });

  it('from 1.21 carries the log of several replicas over few connections', async (context) => {
    const { database, direct } = await pooled(context, 'new', {
      poolMode: 'transaction',
      settings: ['default_pool_size = 3', 'max_prepared_statements = 200'],
    });
    const replicas = ['a', 'b', 'c'].map((name) =>
      log(database, { replicaId: name, appendTimeoutMs: 5_000 }),
    );
    for (const replica of replicas) await replica.open('app');
    const ids = Array.from({ length: 300 }, () => freshId());
    const outcomes = await Promise.all(
      ids.map((id, index) =>
        replicas[index % 3]!.append(
          entryOf([newRow(id, 1, 'started', { replicaId: 'abc'[index % 3]! })]),
        ),
      ),
    );
    expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['appended']));
    const client = await connect(direct.superuserUrl);
    const { rows } = await client.query<{ rows: number; sessions: number }>(
      `select (select count(*)::int from leasehold.executions) as rows,
         (select count(*)::int from pg_stat_activity
            where usename = 'leasehold_app' and datname = current_database()) as sessions`,
    );
    expect(rows[0]!.rows).toBe(ids.length);
    expect(rows[0]!.sessions).toBeLessThanOrEqual(3);
  });

  it('is found out by check when another client changes the session', async (context) => {
    const { database } = await pooled(context, 'new', {
      poolMode: 'transaction',
      settings: ['default_pool_size = 1'],
    });
    const replica = log(database, { appendTimeoutMs: 2_000 });
    await replica.open('app');
    const other = await connect(database.appUrl);
    await other.query('set synchronous_commit = off');
    await expect(replica.check()).rejects.toThrow(/synchronous_commit is off/);
  });

  it('leaves no setting of a tool or of a migration behind', async (context) => {
    const { database, direct, pooler } = await pooled(context, 'new', {
      poolMode: 'transaction',
      settings: ['default_pool_size = 1'],
    });
    const tool = log(database, { ownSettings: true, appendTimeoutMs: 60_000 });
    await tool.check();
    await migrate({ url: pooler.urlOf(direct.ownerUrl), namespace: 'pooled' });
    const app = await connect(database.appUrl);
    const owner = await connect(pooler.urlOf(direct.ownerUrl));
    const show = async (client: typeof app, what: string): Promise<unknown> =>
      Object.values((await client.query<Record<string, unknown>>(`select ${what}`)).rows[0]!)[0];
    expect(await show(app, `current_setting('statement_timeout')`)).toBe('1500ms');
    expect(await show(owner, 'current_user')).toBe('leasehold_owner');
    expect(await show(owner, `current_setting('role')`)).toBe('none');
  });
});
