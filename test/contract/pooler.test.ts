import { describe, expect, it, onTestFinished, type TestContext } from 'vitest';

import { freePort } from '../../tools/stack/free-port.ts';
import { querySql } from '../../tools/stack/postgres-wire.ts';
import { pgBouncer, startPgBouncer } from '../harness/pgbouncer.ts';
import type { PgBouncerKind, PgBouncerOptions } from '../harness/pgbouncer.ts';
import { notReadyFor, readiness } from '../harness/readiness.ts';
import { TestCluster } from '../harness/replicas.ts';

/** What docs/operations.md asks for in transaction mode; session mode needs nothing. */
const TRANSACTION = ['default_pool_size = 8', 'max_prepared_statements = 200'];

/** A namespace without replicas, and the URL of its database through PgBouncer. */
async function pooled(context: TestContext, kind: PgBouncerKind, options: PgBouncerOptions) {
  const program = await pgBouncer(context, kind);
  const cluster = await TestCluster.start();
  const pooler = await startPgBouncer(program, cluster.servers.superuserUrl, options);
  onTestFinished(async () => {
    await cluster.stop();
    await pooler.stop();
  });
  const env = { LEASEHOLD_DATABASE_URL: pooler.urlOf(cluster.env['LEASEHOLD_DATABASE_URL']!) };
  await cluster.pushRunbook({
    runbook: 'three',
    version: 1,
    cells: [
      { id: 'one', exec: { command: ['echo', '1'] } },
      { id: 'two', exec: { command: ['sh', '-c', 'exit 3'] }, expect: [{ exitCode: 3 }] },
      { id: 'three', assert: [{ cell: 'one', pointer: '/stdout', equals: '1\n' }] },
    ],
  });
  return { cluster, env };
}

describe.each([
  ['old', 'session', []],
  ['new', 'transaction', TRANSACTION],
] as const)('behind PgBouncer (%s) in %s mode', (kind, poolMode, settings) => {
  it('replicas start, are ready, advance, take over and drain', async (context) => {
    const { cluster, env } = await pooled(context, kind, { poolMode, settings });
    const first = await cluster.startReplica('a', env);
    expect((await readiness(first)).code).toBe(200);
    const ids = Array.from({ length: 20 }, (_, nth) => `i-${nth}`);
    await Promise.all(ids.map((id) => cluster.start(id, 'three')));
    const begun = await Promise.all(
      ids.map((id) => cluster.advance(id, `${id}-1`, { maxCells: 1 })),
    );
    expect(new Set(begun.map(({ outcome }) => outcome))).toEqual(new Set(['advanced']));
    const second = await cluster.startReplica('b', env);
    first.terminate();
    expect(await first.exited).toEqual({ code: 0, signal: null });
    const ended = await Promise.all(ids.map((id) => cluster.advance(id, `${id}-2`)));
    expect(new Set(ended.map(({ outcome }) => outcome))).toEqual(new Set(['completed']));
    expect(new Set(ended.map(({ holder }) => holder?.replicaId))).toEqual(
      new Set([second.replicaId]),
    );
    const { code, stdout } = await cluster.cli(['audit'], env);
    expect({ code, stdout }).toMatchObject({ code: 0 });
  });
});

describe.each([
  ['old', 'session', []],
  ['new', 'transaction', TRANSACTION],
] as const)('behind PgBouncer (%s) in %s mode', (kind, poolMode, settings) => {
  it('that ignores startup parameters, a replica with weak settings is not ready and says why, until they are set', async (context) => {
    const { cluster, env } = await pooled(context, kind, {
      poolMode,
      settings: [
        ...settings,
        'ignore_startup_parameters = extra_float_digits, options, statement_timeout',
      ],
    });
    const { superuserUrl } = cluster.servers;
    const database = new URL(superuserUrl).pathname.slice(1);
    await querySql(
      superuserUrl,
      `alter role leasehold_app in database "${database}" set synchronous_commit to off`,
    );
    const port = await freePort();
    const starting = cluster.startReplica('a', { ...env, LEASEHOLD_HTTP_PORT: String(port) });
    starting.catch(() => undefined);
    const weak =
      /^Postgres: .*synchronous_commit is off, not on or remote_apply.*leasehold migrate/;
    expect((await notReadyFor(weak, `http://127.0.0.1:${port}`)).code).toBe(503);
    await cluster.cli(['migrate'], { LEASEHOLD_OWNER_DATABASE_URL: superuserUrl });
    // The pooler keeps its connections to the server; those that it opens now have the settings.
    await querySql(
      superuserUrl,
      `select pg_terminate_backend(pid) from pg_stat_activity
         where usename = 'leasehold_app' and datname = current_database()`,
    );
    const replica = await starting;
    expect(await readiness(replica)).toMatchObject({ code: 200, reasons: [] });
    await cluster.start('i-1', 'three');
    expect(await cluster.advance('i-1', 'r-1')).toMatchObject({ outcome: 'completed' });
  });
});

describe('behind PgBouncer (old) in transaction mode', () => {
  it('a replica is not ready and names the pooler, with what to set', async (context) => {
    const { cluster, env } = await pooled(context, 'old', {
      poolMode: 'transaction',
      settings: ['default_pool_size = 1'],
    });
    const port = await freePort();
    cluster.startReplica('a', { ...env, LEASEHOLD_HTTP_PORT: String(port) }).catch(() => undefined);
    const reason = /^Postgres: a pooler in transaction mode .*pool_mode = session/;
    expect((await notReadyFor(reason, `http://127.0.0.1:${port}`)).code).toBe(503);
  });
});
