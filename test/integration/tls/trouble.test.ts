import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { run } from '../../../cli/program.ts';
import { connectBus } from '../../../src/bus/nats.ts';
import { readAgentConfig } from '../../../src/config/config.ts';
import { locateServer } from '../../../tools/stack/locate.ts';
import { startNats } from '../../../tools/stack/nats-server.ts';
import { querySql } from '../../../tools/stack/postgres-wire.ts';
import { TestAuthority, type Certificate } from '../../harness/certificates.ts';
import { TestTerminal } from '../../harness/test-terminal.ts';
import {
  CertificateFolder,
  startTlsEtcd,
  startTlsNats,
  startTlsPostgres,
} from '../../harness/tls-servers.ts';

/** Runs a command line that fails because it cannot connect; returns what people read. */
async function failing(line: string[], env: Record<string, string>): Promise<string> {
  const terminal = new TestTerminal(env);
  expect(await run([...line, '--json'], terminal)).toBe(5);
  expect(JSON.parse(terminal.outText)).toMatchObject({ error: { code: 'unavailable' } });
  expect(terminal.errText).not.toMatch(/is running|hunter2/);
  return terminal.errText;
}

const authority = new TestAuthority();
const expired = authority.issue({ name: 'leasehold_app', fromS: -7_200, untilS: -3_600 });
const foreign = new TestAuthority().issue({ name: 'leasehold_app' });
const otherCa = new TestAuthority().ca;

/** How the sentence goes on, for each way in which a certificate can be wrong. */
const CASES: readonly [what: string, own: Certificate | undefined, ca: string, sentence: RegExp][] =
  [
    ['missing', undefined, authority.ca, /requires a client certificate: set (\S+ in )?(\S+)/],
    ['expired', expired, authority.ca, /the certificate in .* expired on .*: renew it/],
    ['from another authority', foreign, authority.ca, /does not accept the certificate in .*: it/],
    [
      'right, but the server is from another authority',
      authority.issue({ name: 'leasehold_app' }),
      otherCa,
      /the server's certificate is not from the authority in /,
    ],
  ];

describe('a sentence about TLS names the variable', () => {
  let folder: CertificateFolder;

  async function files(own: Certificate | undefined, ca: string) {
    await writeFile(folder.path('ca'), ca);
    if (own !== undefined) await folder.replaceClient(own);
    return {
      ca: folder.path('ca'),
      ...(own !== undefined && { cert: folder.path('client'), key: folder.path('clientKey') }),
    };
  }

  const named = (prefix: string, paths: { ca: string; cert?: string; key?: string }) => ({
    [`${prefix}_CA_FILE`]: paths.ca,
    ...(paths.cert !== undefined && { [`${prefix}_CERT_FILE`]: paths.cert }),
    ...(paths.key !== undefined && { [`${prefix}_KEY_FILE`]: paths.key }),
  });

  it('when NATS and the command line disagree', async () => {
    folder = await CertificateFolder.open(authority);
    const server = await startTlsNats(folder);
    const url = server.url.replace('nats:', 'tls:');
    for (const [what, own, ca, sentence] of CASES) {
      const env = { LEASEHOLD_NATS_URLS: url, ...named('LEASEHOLD_NATS', await files(own, ca)) };
      const err = await failing(['status', 'i'], env);
      expect(`${what}: ${err}`).toMatch(sentence);
      expect(`${what}: ${err}`).toMatch(/LEASEHOLD_NATS_(CERT|CA)_FILE/);
    }
  });

  it('when a certificate expires while a client is connected to NATS', async () => {
    folder = await CertificateFolder.open(authority);
    const server = await startTlsNats(folder);
    const env = {
      LEASEHOLD_NATS_URLS: server.url.replace('nats:', 'tls:'),
      ...named('LEASEHOLD_NATS', await files(authority.issue(), authority.ca)),
    };
    const warnings: string[] = [];
    const bus = await connectBus({
      ...readAgentConfig(env).nats,
      name: 'test',
      connectTimeoutMs: 500,
      onWarning: (message) => void warnings.push(message),
    });
    onTestFinished(() => bus.close());
    await folder.replaceClient(expired);
    await server.restart();
    await expect
      .poll(() => warnings.at(-1), { timeout: 20_000 })
      .toMatch(/certificate in LEASEHOLD_NATS_CERT_FILE expired on .*: renew it\. Reconnecting/);
    await folder.replaceClient(authority.issue());
    await expect.poll(() => bus.connected(), { timeout: 20_000 }).toBe(true);
  });

  it('when etcd and the command line disagree', async () => {
    folder = await CertificateFolder.open(authority);
    const server = await startTlsEtcd(folder);
    for (const [what, own, ca, sentence] of CASES) {
      const env = {
        LEASEHOLD_ETCD_URLS: server.url,
        ...named('LEASEHOLD_ETCD', await files(own, ca)),
      };
      const err = await failing(['replicas'], env);
      expect(`${what}: ${err}`).toMatch(sentence);
      expect(`${what}: ${err}`).toMatch(/LEASEHOLD_ETCD_(CERT|CA)_FILE/);
    }
    const plain = await failing(['replicas'], {
      LEASEHOLD_ETCD_URLS: server.url.replace('https', 'http'),
    });
    expect(plain).toMatch(/if it requires TLS, write https:\/\/ in LEASEHOLD_ETCD_URLS/);
  });

  it('when Postgres and the command line disagree', async () => {
    folder = await CertificateFolder.open(authority);
    const server = await startTlsPostgres(folder);
    await querySql(server.url, 'CREATE ROLE leasehold_app LOGIN');
    const target = (paths: { ca: string; cert?: string; key?: string } | undefined): string => {
      const url = new URL(server.url);
      url.username = 'leasehold_app';
      if (paths === undefined) return url.href;
      url.searchParams.set('sslmode', 'verify-full');
      url.searchParams.set('sslrootcert', paths.ca);
      if (paths.cert !== undefined) url.searchParams.set('sslcert', paths.cert);
      if (paths.key !== undefined) url.searchParams.set('sslkey', paths.key);
      return url.href;
    };
    for (const [what, own, ca, sentence] of CASES) {
      const url = target(await files(own, ca));
      const err = await failing(['list'], { LEASEHOLD_DATABASE_URL: url });
      expect(`${what}: ${err}`).toMatch(sentence);
      expect(`${what}: ${err}`).toMatch(/(sslcert|sslrootcert) in LEASEHOLD_DATABASE_URL/);
      const owner = await failing(['migrate'], { LEASEHOLD_OWNER_DATABASE_URL: url });
      expect(`${what}: ${owner}`).toMatch(/(sslcert|sslrootcert) in LEASEHOLD_OWNER_DATABASE_URL/);
    }
    const plain = await failing(['list'], { LEASEHOLD_DATABASE_URL: target(undefined) });
    expect(plain).toMatch(/requires TLS: write sslmode=verify-full in LEASEHOLD_DATABASE_URL/);
  });
});

describe('a sentence about authentication names the variable', () => {
  it('when NATS does not know the user', async () => {
    const folder = await CertificateFolder.open(authority);
    const configFile = join(folder.dir, 'users.conf');
    await writeFile(configFile, 'authorization { users: [{user: a, password: b}] }\n');
    const server = await startNats(await locateServer('nats'), folder.workspace, { configFile });
    try {
      for (const credentials of [
        {},
        { LEASEHOLD_NATS_USERNAME: 'a', LEASEHOLD_NATS_PASSWORD: 'hunter2' },
      ]) {
        const err = await failing(['status', 'i'], {
          LEASEHOLD_NATS_URLS: server.url,
          ...credentials,
        });
        expect(err).toMatch(/does not accept the credentials: set LEASEHOLD_NATS_USERNAME/);
      }
    } finally {
      await server.stop();
    }
  });

  it('when Postgres does not accept the password', async () => {
    const folder = await CertificateFolder.open(authority);
    const server = await startTlsPostgres(folder);
    const hba = 'host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n';
    await writeFile(join(folder.workspace.dir, 'postgres', 'data', 'pg_hba.conf'), hba);
    await querySql(server.url, `CREATE ROLE leasehold_app LOGIN PASSWORD 'other'`);
    await querySql(server.url, 'SELECT pg_reload_conf()');
    for (const user of ['leasehold_app:hunter2', 'leasehold_app']) {
      const url = server.url.replace('postgres@', `${user}@`);
      await expect
        .poll(() => failing(['list'], { LEASEHOLD_DATABASE_URL: url }))
        .toMatch(/credentials: set the user and the password in LEASEHOLD_DATABASE_URL/);
    }
  });
});
