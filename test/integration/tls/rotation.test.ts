import { rename } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { describe, expect, it, onTestFinished } from 'vitest';

import { Connections } from '../../../advancer/log/connections.ts';
import { etcdStore } from '../../../coordinator/etcd/store.ts';
import { connectBus } from '../../../src/bus/nats.ts';
import { readAgentConfig, readEtcdConfig, etcdConnection } from '../../../src/config/config.ts';
import { querySql } from '../../../tools/stack/postgres-wire.ts';
import type { Server } from '../../../tools/stack/server-process.ts';
import { TestAuthority } from '../../harness/certificates.ts';
import {
  CertificateFolder,
  startTlsEtcd,
  startTlsNats,
  startTlsPostgres,
} from '../../harness/tls-servers.ts';

/** The variables of one server whose certificates are in the folder. */
function variables(server: 'NATS' | 'ETCD', url: string, folder: CertificateFolder) {
  const prefix = `LEASEHOLD_${server}`;
  return {
    [`${prefix}_URLS`]: url,
    [`${prefix}_CA_FILE`]: folder.path('ca'),
    [`${prefix}_CERT_FILE`]: folder.path('client'),
    [`${prefix}_KEY_FILE`]: folder.path('clientKey'),
  };
}

interface Load {
  /** Resolves once calls succeed again, all of them. */
  succeeds: () => Promise<void>;
  failures: () => string[];
}

/** Calls without a pause, four at a time, until the test is over. */
function load(call: () => Promise<unknown>): Load {
  const failures: string[] = [];
  const state = { succeeded: 0, over: false };
  const caller = async (): Promise<void> => {
    while (!state.over) {
      try {
        await call();
        state.succeeded += 1;
      } catch (cause) {
        state.succeeded = 0;
        failures.push(String(cause));
        await sleep(20);
      }
    }
  };
  const callers = [caller(), caller(), caller(), caller()];
  onTestFinished(async () => {
    state.over = true;
    await Promise.all(callers);
  });
  return {
    failures: () => failures,
    async succeeds() {
      state.succeeded = 0;
      while (state.succeeded < 50) await sleep(10);
    },
  };
}

/**
 * Replaces the authority and every certificate while calls go on, then restarts the server, which
 * breaks all connections: afterwards, nobody who used an old file could connect.
 */
async function rotate(
  server: Server,
  folder: CertificateFolder,
  calls: Load,
): Promise<{ failuresBeforeRestart: string[] }> {
  await calls.succeeds();
  await folder.replace(new TestAuthority());
  await calls.succeeds();
  const failuresBeforeRestart = [...calls.failures()];
  await server.restart();
  await calls.succeeds();
  return { failuresBeforeRestart };
}

/** Watches what the load puts: how many events came, and why the watch broke. */
function watch(store: ReturnType<typeof etcdStore>): { seen: number; broken: string[] } {
  const watched = { seen: 0, broken: [] as string[] };
  store.watch(
    '/x/',
    1,
    (events) => (watched.seen += events.length),
    (why) => watched.broken.push(why),
  );
  return watched;
}

describe('certificates that are replaced under load are used from the next connection on', () => {
  it('to NATS', async () => {
    const folder = await CertificateFolder.open(new TestAuthority());
    const server = await startTlsNats(folder);
    const url = server.url.replace('nats:', 'tls:');
    const bus = await connectBus({
      ...readAgentConfig(variables('NATS', url, folder)).nats,
      name: 'test',
    });
    onTestFinished(() => bus.close());
    bus.subscribe('echo', (message) => message.reply('here'));
    const calls = load(async () => {
      const reply = await bus.request('echo', {}, 5_000);
      if (reply.kind !== 'reply') throw new Error(reply.kind);
    });
    expect(await rotate(server, folder, calls)).toEqual({ failuresBeforeRestart: [] });
  });

  it('to etcd', async () => {
    const folder = await CertificateFolder.open(new TestAuthority());
    const server = await startTlsEtcd(folder);
    const config = readEtcdConfig(variables('ETCD', server.url, folder));
    const warnings: string[] = [];
    const store = etcdStore({
      ...etcdConnection(config),
      callTimeoutMs: 5_000,
      onWarning: (message) => void warnings.push(message),
    });
    onTestFinished(() => store.close());
    const { leaseId } = await store.grant(600);
    const watched = watch(store);
    const calls = load(async () => {
      await store.put(leaseId, '/x/a', 'b');
      await store.renew(leaseId);
    });
    await calls.succeeds();
    // etcd reads its own certificate for each connection, but the authority only when it starts: it
    // does not accept the new client's certificate yet, and nothing may change for the client.
    await folder.replace(new TestAuthority());
    await sleep(2_500);
    await calls.succeeds();
    expect(calls.failures()).toEqual([]);
    await server.restart();
    await calls.succeeds();
    expect(watched.broken).toHaveLength(1);
    expect(watched.seen).toBeGreaterThan(0);
    // At most that a certificate and its key did not match while they were being replaced.
    expect(warnings.filter((one) => !one.includes('do not belong together'))).toEqual([]);
  });

  it('to etcd, which accepts both the old and the new one, without a broken watch', async () => {
    const authority = new TestAuthority();
    const folder = await CertificateFolder.open(authority);
    const server = await startTlsEtcd(folder);
    const config = readEtcdConfig(variables('ETCD', server.url, folder));
    const store = etcdStore({ ...etcdConnection(config), callTimeoutMs: 5_000 });
    onTestFinished(() => store.close());
    await folder.replaceClient(authority.issue({ name: 'old', untilS: 4 }));
    const { leaseId } = await store.grant(600);
    const watched = watch(store);
    const calls = load(() => store.put(leaseId, '/x/a', 'b'));
    await calls.succeeds();
    await folder.replaceClient(authority.issue({ name: 'new' }));
    await sleep(5_000);
    const before = watched.seen;
    await calls.succeeds();
    expect(watched.seen).toBeGreaterThan(before);
    expect(watched.broken).toEqual([]);
    expect(calls.failures()).toEqual([]);
    await server.restart();
    await calls.succeeds();
  });

  it('to Postgres, also while a file is missing', async () => {
    const folder = await CertificateFolder.open(new TestAuthority());
    const server = await startTlsPostgres(folder);
    await querySql(server.url, 'CREATE ROLE leasehold_app LOGIN');
    const url = new URL(server.url);
    url.username = 'leasehold_app';
    url.search = new URLSearchParams({
      sslmode: 'verify-full',
      sslrootcert: folder.path('ca'),
      sslcert: folder.path('client'),
      sslkey: folder.path('clientKey'),
    }).toString();
    const warnings: string[] = [];
    const db = new Connections({
      url: url.href,
      applicationName: 'test',
      max: 4,
      queryTimeoutMs: 5_000,
      connectTimeoutMs: 5_000,
      ownSettings: true,
      onWarning: (text) => void warnings.push(text),
    });
    onTestFinished(() => db.close());
    const calls = load(() => db.query('select 1'));
    expect(await rotate(server, folder, calls)).toEqual({ failuresBeforeRestart: [] });
    // All connections end, and new ones are opened by whatever wants one, inside the pool too.
    await rename(folder.path('clientKey'), `${folder.path('clientKey')}.away`);
    await querySql(
      server.url,
      `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'leasehold_app'`,
    );
    await calls.succeeds();
    expect(warnings.at(-1)).toMatch(
      /^sslkey in LEASEHOLD_DATABASE_URL names a file .*; going on with what was read before/,
    );
  });
});
