import { describe, expect, it } from 'vitest';

import {
  ConfigError,
  readAgentConfig,
  readConfig,
  readMigrateConfig,
} from '../../../../src/config/config.ts';
import type { Environment } from '../../../../src/config/config.ts';
import { enough, file } from './config-files.ts';

function problems(env: Environment): readonly string[] {
  try {
    readConfig(env, file);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the configuration', () => {
  it('has the defaults of the contract', () => {
    expect(readConfig(enough)).toEqual({
      namespace: 'default',
      nats: { servers: ['nats://127.0.0.1:4222'], replyPrefixes: ['_INBOX.', '_R_.'] },
      etcd: { urls: ['http://127.0.0.1:2379'] },
      databaseUrl: enough.LEASEHOLD_DATABASE_URL,
      replicaName: 'replica',
      leaseTtlS: 5,
      httpHost: '127.0.0.1',
      httpPort: 0,
      logLevel: 'info',
      logFormat: undefined,
      drainS: 8,
      databaseRole: 'app',
      httpAllow: undefined,
      agentIds: 'claimed',
      commandEnv: [],
      commandUser: undefined,
      secrets: { dir: undefined, variables: {} },
      handlers: undefined,
      failpoints: undefined,
      idleReleaseMs: 60_000,
      maxHoldings: 100_000,
      limits: {
        requests: 50_000,
        requestsPerAgent: 10_000,
        requestsPerInstance: 1_000,
        messageBytes: 67_108_864,
        messageBytesPerAgent: 16_777_216,
        queriesPerAgent: 16,
      },
      streams: {
        replicas: 1,
        storage: 'file',
        maxMessages: 1_000_000,
        maxBytes: undefined,
        maxPoison: 10_000,
      },
      warnings: [],
    });
  });

  it('reads what is set', () => {
    const config = readConfig({
      ...enough,
      LEASEHOLD_NATS_URLS: 'nats://a:4222, nats://b:4222',
      LEASEHOLD_NAMESPACE: 'prod',
      LEASEHOLD_LEASE_TTL_S: '10',
      LEASEHOLD_HTTP_PORT: '8080',
      LEASEHOLD_LOG_LEVEL: 'debug',
      LEASEHOLD_IDLE_RELEASE_S: '5',
      LEASEHOLD_MAX_HOLDINGS: '10',
      LEASEHOLD_MAX_REQUESTS: '11',
      LEASEHOLD_MAX_REQUESTS_PER_AGENT: '12',
      LEASEHOLD_MAX_REQUESTS_PER_INSTANCE: '13',
      LEASEHOLD_MAX_MESSAGE_BYTES: '2000000',
      LEASEHOLD_MAX_MESSAGE_BYTES_PER_AGENT: '1500000',
      LEASEHOLD_MAX_QUERIES_PER_AGENT: '1',
      LEASEHOLD_QUEUE_REPLICAS: '3',
      LEASEHOLD_QUEUE_STORAGE: 'memory',
      LEASEHOLD_QUEUE_MAX_MESSAGES: '14',
      LEASEHOLD_QUEUE_MAX_BYTES: '2000001',
      LEASEHOLD_QUEUE_MAX_POISON: '15',
      LEASEHOLD_HANDLERS: './handlers.ts',
      LEASEHOLD_REPLICA_NAME: 'blue',
      LEASEHOLD_FAILPOINTS: '',
    });
    expect(config).toMatchObject({
      nats: { servers: ['nats://a:4222', 'nats://b:4222'] },
      namespace: 'prod',
      leaseTtlS: 10,
      httpPort: 8080,
      logLevel: 'debug',
      idleReleaseMs: 5_000,
      maxHoldings: 10,
      limits: {
        requests: 11,
        requestsPerAgent: 12,
        requestsPerInstance: 13,
        messageBytes: 2_000_000,
        messageBytesPerAgent: 1_500_000,
        queriesPerAgent: 1,
      },
      streams: {
        replicas: 3,
        storage: 'memory',
        maxMessages: 14,
        maxBytes: 2_000_001,
        maxPoison: 15,
      },
      handlers: './handlers.ts',
      replicaName: 'blue',
      failpoints: undefined,
    });
  });

  it.each([
    ['LEASEHOLD_MAX_REQUESTS', '0', 'from 2 to 10000000'],
    ['LEASEHOLD_MAX_REQUESTS_PER_AGENT', 'many', 'from 2 to 10000000'],
    ['LEASEHOLD_MAX_REQUESTS_PER_INSTANCE', '-1', 'from 2 to 10000000'],
    // Less than the largest message.
    ['LEASEHOLD_MAX_MESSAGE_BYTES', '1000', 'from 1048576 to 1073741824'],
    ['LEASEHOLD_MAX_MESSAGE_BYTES_PER_AGENT', '1.5', 'from 1048576 to 1073741824'],
    ['LEASEHOLD_MAX_QUERIES_PER_AGENT', '0', 'from 1 to 1000'],
    ['LEASEHOLD_QUEUE_REPLICAS', '0', 'from 1 to 5'],
    ['LEASEHOLD_QUEUE_MAX_MESSAGES', 'all', 'from 1 to 1000000000'],
    ['LEASEHOLD_QUEUE_MAX_BYTES', '1000', 'from 1048576 to 1099511627776'],
    ['LEASEHOLD_QUEUE_MAX_POISON', '0', 'from 1 to 10000000'],
  ])('rejects %s=%s', (name, value, range) => {
    const problem = `${name} must be a whole number ${range}, not "${value}"`;
    expect(problems({ ...enough, [name]: value })).toEqual([problem]);
  });

  it('reports all problems at once, by variable and with the fix', () => {
    expect(problems({ LEASEHOLD_LEASE_TTL_S: 'five' })).toEqual([
      expect.stringMatching(/^LEASEHOLD_NATS_URLS is not set; set it to a URL such as nats:/),
      expect.stringMatching(/^LEASEHOLD_ETCD_URLS is not set; set it to a URL such as http:/),
      expect.stringMatching(
        /^LEASEHOLD_DATABASE_URL is not set; set it to a URL such as postgres:/,
      ),
      'LEASEHOLD_LEASE_TTL_S must be a whole number from 2 to 3600, not "five"',
    ]);
  });

  it.each([
    [{ LEASEHOLD_NAMESPACE: 'a.b' }, /^LEASEHOLD_NAMESPACE must be 1 to 128 characters/],
    [{ LEASEHOLD_HTTP_PORT: '65536' }, /^LEASEHOLD_HTTP_PORT must be a whole number/],
    [{ LEASEHOLD_HTTP_PORT: '-1' }, /^LEASEHOLD_HTTP_PORT must be a whole number/],
    [
      { LEASEHOLD_HTTP_ALLOW: 'a.example,ftp://b' },
      /^LEASEHOLD_HTTP_ALLOW entry 2 "ftp:\/\/b" must begin with http:\/\/ or https:\/\//,
    ],
    [{ LEASEHOLD_LEASE_TTL_S: '0' }, /^LEASEHOLD_LEASE_TTL_S must/],
    [{ LEASEHOLD_LOG_LEVEL: 'loud' }, /^LEASEHOLD_LOG_LEVEL must be one of fatal/],
    [{ LEASEHOLD_LOG_FORMAT: 'xml' }, /^LEASEHOLD_LOG_FORMAT must be one of json, pretty/],
    [{ LEASEHOLD_DRAIN_S: '-1' }, /^LEASEHOLD_DRAIN_S must be a whole number from 0 to 3600/],
    [{ LEASEHOLD_NATS_URLS: 'nats://a,tls://b' }, /^LEASEHOLD_NATS_URLS mixes/],
    [{ LEASEHOLD_ETCD_URLS: 'http://a,https://b' }, /^LEASEHOLD_ETCD_URLS mixes/],
    [
      { LEASEHOLD_ETCD_URLS: 'http://a:1,http://b:2/v3' },
      /^LEASEHOLD_ETCD_URLS its entry 2 has a path/,
    ],
    [{ LEASEHOLD_REPLICA_NAME: 'a b' }, /^LEASEHOLD_REPLICA_NAME must be/],
    [
      { LEASEHOLD_NATS_URLS: 'nats://a,http://b' },
      /^LEASEHOLD_NATS_URLS its entry 2 must be a URL/,
    ],
    [{ LEASEHOLD_ETCD_URLS: ',' }, /^LEASEHOLD_ETCD_URLS must be a URL/],
    [
      { LEASEHOLD_ETCD_CERT_FILE: '/there/cert' },
      /^LEASEHOLD_ETCD_KEY_FILE is required with LEASEHOLD_ETCD_CERT_FILE/,
    ],
    [
      { LEASEHOLD_NATS_CA_FILE: '/gone' },
      /^LEASEHOLD_NATS_CA_FILE names a file that cannot be read: ENOENT/,
    ],
    [
      { LEASEHOLD_NATS_USERNAME: 'u' },
      /^LEASEHOLD_NATS_PASSWORD is required with LEASEHOLD_NATS_USERNAME/,
    ],
    [
      { LEASEHOLD_NATS_TOKEN: 't', LEASEHOLD_NATS_CREDS_FILE: '/there/creds' },
      /^LEASEHOLD_NATS_CREDS_FILE cannot be used together with LEASEHOLD_NATS_TOKEN/,
    ],
    [{ LEASEHOLD_ETCD_CA_FILE: '/there/ca' }, /^LEASEHOLD_ETCD_URLS must be https/],
    [{ LEASEHOLD_NATS_CREDS_FILE: '/gone' }, /^LEASEHOLD_NATS_CREDS_FILE names a file/],
    [{ LEASEHOLD_NATS_CA_FILE: '/there/text' }, /^LEASEHOLD_NATS_CA_FILE holds no certificate/],
    [
      { LEASEHOLD_NATS_CERT_FILE: '/there/cert', LEASEHOLD_NATS_KEY_FILE: '/there/other-key' },
      /^LEASEHOLD_NATS_CERT_FILE and LEASEHOLD_NATS_KEY_FILE do not belong together/,
    ],
    [
      { LEASEHOLD_NATS_CERT_FILE: '/there/cert', LEASEHOLD_NATS_KEY_FILE: '/there/text' },
      /^LEASEHOLD_NATS_KEY_FILE holds no private key/,
    ],
    [
      { LEASEHOLD_DATABASE_URL: 'postgres://h/d?sslmode=require&sslrootcert=/gone' },
      /^LEASEHOLD_DATABASE_URL is wrong: sslrootcert .*cannot be read: ENOENT/,
    ],
    [
      { LEASEHOLD_DATABASE_URL: 'postgres://h/d?sslmode=verify' },
      /^LEASEHOLD_DATABASE_URL has sslmode=verify; write one of disable, /,
    ],
    [
      { LEASEHOLD_NATS_INBOX_PREFIX: '_INBOX.>' },
      /^LEASEHOLD_NATS_INBOX_PREFIX must be .*wildcard/,
    ],
    [
      { LEASEHOLD_NATS_INBOX_PREFIX: 'replies' },
      /^LEASEHOLD_NATS_INBOX_PREFIX is under none of _INBOX\., _R_\. \(LEASEHOLD_NATS_REPLY/,
    ],
    [
      { LEASEHOLD_NATS_REPLY_PREFIXES: '$JS.API' },
      /^LEASEHOLD_NATS_REPLY_PREFIXES must list .*belongs to the NATS server/,
    ],
  ])('refuses %j', (env, message) => {
    expect(problems({ ...enough, ...env })).toContainEqual(expect.stringMatching(message));
  });

  it('does not repeat a password in its messages', () => {
    const env = {
      ...enough,
      LEASEHOLD_DATABASE_URL: 'mysql://u:hunter2@h/d',
      LEASEHOLD_NATS_URLS: 'u:hunter2@h',
    };
    expect(problems(env)).toHaveLength(2);
    expect(problems(env).join()).not.toContain('hunter2');
  });

  it('reads where replies arrive, and where a replica sends them', () => {
    const env = {
      ...enough,
      LEASEHOLD_NATS_INBOX_PREFIX: '_INBOX.replicas',
      LEASEHOLD_NATS_REPLY_PREFIXES: '_INBOX.replicas,_INBOX.agents.',
    };
    expect(readConfig(env).nats).toMatchObject({
      inboxPrefix: '_INBOX.replicas',
      replyPrefixes: ['_INBOX.replicas.', '_INBOX.agents.'],
    });
    expect(readAgentConfig({ LEASEHOLD_NATS_INBOX_PREFIX: 'mine' }).nats.inboxPrefix).toBe('mine');
  });

  it('requires of an agent only NATS and the namespace, and has defaults for both', () => {
    expect(readAgentConfig({})).toEqual({
      namespace: 'default',
      nats: { servers: ['nats://127.0.0.1:4222'] },
      agentId: undefined,
    });
    expect(() => readAgentConfig({ LEASEHOLD_AGENT_ID: 'a b' })).toThrow(
      /^LEASEHOLD_AGENT_ID must be/,
    );
  });

  it('requires only the owner for migrate', () => {
    const ownerDatabaseUrl = 'postgres://o@h/d';
    expect(readMigrateConfig({ LEASEHOLD_OWNER_DATABASE_URL: ownerDatabaseUrl })).toEqual({
      namespace: 'default',
      ownerDatabaseUrl,
      databaseUrl: undefined,
      passwords: { app: undefined, owner: undefined },
    });
    expect(() => readMigrateConfig({})).toThrow(/LEASEHOLD_OWNER_DATABASE_URL is not set/);
  });

  it('warns of unknown variables, but not of the local servers and the cells', () => {
    const { warnings } = readConfig({
      ...enough,
      LEASEHOLD_LEASE_TTL: '3',
      LEASEHOLD_ETCD_BIN: 'x',
      LEASEHOLD_CACHE_DIR: 'x',
      LEASEHOLD_NATS_SERIES: 'x',
      LEASEHOLD_OUTPUT_FILE: 'x',
      LEASEHOLD_WHATEVER: 'x',
      OTHER: 'x',
    });
    expect(warnings).toEqual([
      'LEASEHOLD_LEASE_TTL is not a variable of Leasehold and is ignored; did you mean LEASEHOLD_LEASE_TTL_S?',
      'LEASEHOLD_WHATEVER is not a variable of Leasehold and is ignored',
    ]);
  });
});
