import { dirname, delimiter, join, resolve } from 'node:path';

import { ConfigError, readConfig, readMigrateConfig } from '../../src/config/config.ts';

/** What `leasehold dev` was asked for. */
export interface DevOptions {
  replicas: number;
  /** Whole seconds, from 2. */
  leaseTtlS: number;
}

/** Servers that the environment names: these are used instead of started. */
export interface GivenServers {
  namespace: string;
  etcdUrls: string[] | undefined;
  natsUrls: string[] | undefined;
  databaseUrl: string | undefined;
  ownerDatabaseUrl: string | undefined;
}

/** Where everything is, once it runs. */
export interface DevUrls {
  etcdUrls: readonly string[];
  natsUrls: readonly string[];
  databaseUrl: string;
}

/**
 * Reads which servers are given, and looks at the rest of the environment as a replica will: what
 * is wrong with it is said before anything is started.
 *
 * @throws ConfigError
 */
export function givenServers(env: NodeJS.ProcessEnv, options: DevOptions): GivenServers {
  const { leaseTtlS, replicas } = options;
  if (leaseTtlS < 2 || leaseTtlS > 3_600) {
    throw new ConfigError([
      `--lease-ttl must be a whole number of seconds from 2 to 3600, not ${leaseTtlS}`,
    ]);
  }
  if (replicas > 99) throw new ConfigError([`--replicas must be 99 at most, not ${replicas}`]);
  const ownerDatabaseUrl = given(env, 'LEASEHOLD_OWNER_DATABASE_URL');
  if (ownerDatabaseUrl !== undefined) readMigrateConfig(env);
  const config = readConfig({
    ...env,
    LEASEHOLD_ETCD_URLS: given(env, 'LEASEHOLD_ETCD_URLS') ?? 'http://127.0.0.1:2379',
    LEASEHOLD_NATS_URLS: given(env, 'LEASEHOLD_NATS_URLS') ?? 'nats://127.0.0.1:4222',
    LEASEHOLD_DATABASE_URL:
      given(env, 'LEASEHOLD_DATABASE_URL') ?? ownerDatabaseUrl ?? 'postgres://127.0.0.1',
    LEASEHOLD_LEASE_TTL_S: String(leaseTtlS),
  });
  return {
    namespace: config.namespace,
    etcdUrls: given(env, 'LEASEHOLD_ETCD_URLS') === undefined ? undefined : config.etcd.urls,
    natsUrls: given(env, 'LEASEHOLD_NATS_URLS') === undefined ? undefined : config.nats.servers,
    databaseUrl: given(env, 'LEASEHOLD_DATABASE_URL'),
    ownerDatabaseUrl,
  };
}

/**
 * The environment of the `index`th replica (from 1): ours, with what it needs to know of the stack.
 */
export function replicaEnv(
  env: NodeJS.ProcessEnv,
  urls: DevUrls,
  options: { index: number; leaseTtlS: number; packageDir: string },
): NodeJS.ProcessEnv {
  const { index, leaseTtlS, packageDir } = options;
  const name = given(env, 'LEASEHOLD_REPLICA_NAME') ?? 'replica';
  const firstPort = Number(given(env, 'LEASEHOLD_HTTP_PORT') ?? 0);
  const handlers = given(env, 'LEASEHOLD_HANDLERS');
  // Whatever names a file is relative to where dev was called, and replicas run elsewhere.
  const files = Object.entries(env).filter(
    ([key, value]) =>
      /^LEASEHOLD_(ETCD|NATS)_\w+_FILE$/.test(key) && value !== undefined && value !== '',
  );
  const ours: NodeJS.ProcessEnv = {
    ...env,
    ...Object.fromEntries(files.map(([key, value]) => [key, resolve(value ?? '')])),
    LEASEHOLD_ETCD_URLS: urls.etcdUrls.join(','),
    LEASEHOLD_NATS_URLS: urls.natsUrls.join(','),
    LEASEHOLD_DATABASE_URL: urls.databaseUrl,
    LEASEHOLD_REPLICA_NAME: `${name}-${index}`,
    LEASEHOLD_LEASE_TTL_S: String(leaseTtlS),
    LEASEHOLD_HTTP_PORT: String(firstPort === 0 ? 0 : firstPort + index - 1),
    LEASEHOLD_HANDLERS:
      handlers === undefined ? join(packageDir, 'examples', 'handlers.mjs') : resolve(handlers),
    // The examples' commands call `node`, which need not be on the PATH of whoever called us.
    PATH: [env['PATH'], dirname(process.execPath)].filter(Boolean).join(delimiter),
  };
  // A replica has no business with the owner's password.
  delete ours['LEASEHOLD_OWNER_DATABASE_URL'];
  return ours;
}

/** A variable that is set to nothing counts as not set. */
function given(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const text = env[name]?.trim();
  return text === '' ? undefined : text;
}
