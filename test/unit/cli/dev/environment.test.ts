import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';

import { readExternalServers, replicaEnv } from '../../../../cli/dev/environment.ts';
import { ConfigError } from '../../../../src/config/config.ts';

const SIZE = { replicas: 3, leaseTtlS: 5 };
const URLS = {
  etcdUrls: ['http://127.0.0.1:1', 'http://127.0.0.1:2'],
  natsUrls: ['nats://127.0.0.1:3'],
  databaseUrl: 'postgres://leasehold_app@127.0.0.1:4/leasehold',
};

function envOf(env: NodeJS.ProcessEnv, index = 1): NodeJS.ProcessEnv {
  return replicaEnv(env, URLS, { index, leaseTtlS: 2, packageDir: '/package' });
}

describe('the environment of leasehold dev', () => {
  it('names no server unless its URL is given, and an empty variable gives none', () => {
    expect(readExternalServers({ LEASEHOLD_ETCD_URLS: ' ' }, SIZE)).toEqual({
      namespace: 'default',
      etcdUrls: undefined,
      natsUrls: undefined,
      databaseUrl: undefined,
      ownerDatabaseUrl: undefined,
    });
  });

  it('names every server whose URL is given', () => {
    const env = {
      LEASEHOLD_NAMESPACE: 'n7',
      LEASEHOLD_ETCD_URLS: 'http://a:1, http://b:2',
      LEASEHOLD_NATS_URLS: 'nats://c:3',
      LEASEHOLD_DATABASE_URL: 'postgres://app@d/x',
      LEASEHOLD_OWNER_DATABASE_URL: 'postgres://owner@d/x',
    };
    expect(readExternalServers(env, SIZE)).toEqual({
      namespace: 'n7',
      etcdUrls: ['http://a:1', 'http://b:2'],
      natsUrls: ['nats://c:3'],
      databaseUrl: 'postgres://app@d/x',
      ownerDatabaseUrl: 'postgres://owner@d/x',
    });
  });

  it.each([
    ['--lease-ttl', {}, { replicas: 3, leaseTtlS: 1 }],
    ['--replicas', {}, { replicas: 100, leaseTtlS: 5 }],
    ['LEASEHOLD_NATS_URLS', { LEASEHOLD_NATS_URLS: 'http://nats:4222' }, SIZE],
    ['LEASEHOLD_NAMESPACE', { LEASEHOLD_NAMESPACE: 'a b' }, SIZE],
    ['LEASEHOLD_LOG_LEVEL', { LEASEHOLD_LOG_LEVEL: 'loud' }, SIZE],
    ['LEASEHOLD_HTTP_ALLOW', { LEASEHOLD_HTTP_ALLOW: 'a.example/x' }, SIZE],
  ])('is refused by name before anything is started: %s', (name, env, size) => {
    expect(() => readExternalServers(env, size)).toThrow(ConfigError);
    expect(() => readExternalServers(env, size)).toThrow(name);
  });
});

describe("a replica's environment", () => {
  it('has the URLs, its own name, the lease time and a free port', () => {
    const first = envOf({});
    expect(first).toMatchObject({
      LEASEHOLD_ETCD_URLS: 'http://127.0.0.1:1,http://127.0.0.1:2',
      LEASEHOLD_NATS_URLS: 'nats://127.0.0.1:3',
      LEASEHOLD_DATABASE_URL: URLS.databaseUrl,
      LEASEHOLD_REPLICA_NAME: 'replica-1',
      LEASEHOLD_LEASE_TTL_S: '2',
      LEASEHOLD_HTTP_PORT: '0',
    });
    expect(envOf({}, 2)['LEASEHOLD_REPLICA_NAME']).toBe('replica-2');
  });

  it('keeps what dev was called with: failpoints, level, a name, a row of ports', () => {
    const env = {
      LEASEHOLD_FAILPOINTS: 'after_intent=freeze',
      LEASEHOLD_LOG_LEVEL: 'debug',
      LEASEHOLD_REPLICA_NAME: 'blue',
      LEASEHOLD_HTTP_PORT: '9000',
    };
    expect(envOf(env, 3)).toMatchObject({
      LEASEHOLD_FAILPOINTS: 'after_intent=freeze',
      LEASEHOLD_LOG_LEVEL: 'debug',
      LEASEHOLD_REPLICA_NAME: 'blue-3',
      LEASEHOLD_HTTP_PORT: '9002',
    });
  });

  it('may call this machine, unless dev was called with a list', () => {
    expect(envOf({})['LEASEHOLD_HTTP_ALLOW']).toBe('0.0.0.0/0,::/0');
    const env = { LEASEHOLD_HTTP_ALLOW: 'https://api.example' };
    expect(envOf(env)).toMatchObject(env);
  });

  it('has the secret of the examples, unless dev was called with it or with files', () => {
    const name = 'LEASEHOLD_SECRET_LEDGER_TOKEN';
    expect(envOf({})[name]).toBe('only-for-the-examples');
    expect(envOf({ [name]: 'a-token-of-mine' })[name]).toBe('a-token-of-mine');
    expect(envOf({ LEASEHOLD_SECRETS_DIR: '/run/secrets' })).not.toHaveProperty(name);
  });

  it("does not have the owner's URL", () => {
    expect(
      envOf({ LEASEHOLD_OWNER_DATABASE_URL: 'postgres://owner:secret@x/y' }),
    ).not.toHaveProperty('LEASEHOLD_OWNER_DATABASE_URL');
  });

  it('has the files that dev was called with, and the examples’ handlers where none are given', () => {
    expect(envOf({})['LEASEHOLD_HANDLERS']).toBe('/package/examples/handlers.mjs');
    // Replicas run where dev was called, so relative paths mean the same to them.
    const env = { LEASEHOLD_HANDLERS: 'mine.mjs', LEASEHOLD_ETCD_CA_FILE: 'ca.pem' };
    expect(envOf(env)).toMatchObject(env);
  });

  it('finds the node that runs it, after whatever stands on the PATH', () => {
    expect(envOf({ PATH: '/bin' })['PATH']).toBe(`/bin:${dirname(process.execPath)}`);
  });
});
