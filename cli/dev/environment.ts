import { dirname, delimiter, join } from 'node:path';

import { ALLOW_EVERYWHERE } from '../../src/config/http-allow.ts';
import { ConfigError, readConfig, readMigrateConfig } from '../../src/config/config.ts';

/** How large the stack of `leasehold dev` is. */
export interface DevSize {
  replicas: number;
  /** Whole seconds, from 2. */
  leaseTtlS: number;
}

/** Servers that the environment names. They are used instead of started. */
export interface ExternalServers {
  namespace: string;
  etcdUrls: string[] | undefined;
  natsUrls: string[] | undefined;
  databaseUrl: string | undefined;
  ownerDatabaseUrl: string | undefined;
}

/** Where the servers are, once they run. */
export interface DevUrls {
  etcdUrls: readonly string[];
  natsUrls: readonly string[];
  databaseUrl: string;
}

/**
 * Reads which servers exist already. Also checks the rest of the environment as a replica will, so
 * that a mistake is reported before anything starts.
 *
 * @throws ConfigError
 */
export function readExternalServers(env: NodeJS.ProcessEnv, size: DevSize): ExternalServers {
  const { leaseTtlS, replicas } = size;
  if (leaseTtlS < 2 || leaseTtlS > 3_600) {
    throw new ConfigError([
      `--lease-ttl must be a whole number of seconds from 2 to 3600, not ${leaseTtlS}`,
    ]);
  }
  if (replicas > 99) throw new ConfigError([`--replicas must be 99 at most, not ${replicas}`]);
  const ownerDatabaseUrl = textOf(env, 'LEASEHOLD_OWNER_DATABASE_URL');
  if (ownerDatabaseUrl !== undefined) readMigrateConfig(env);
  const config = readConfig({
    ...env,
    LEASEHOLD_ETCD_URLS: textOf(env, 'LEASEHOLD_ETCD_URLS') ?? 'http://127.0.0.1:2379',
    LEASEHOLD_NATS_URLS: textOf(env, 'LEASEHOLD_NATS_URLS') ?? 'nats://127.0.0.1:4222',
    LEASEHOLD_DATABASE_URL:
      textOf(env, 'LEASEHOLD_DATABASE_URL') ?? ownerDatabaseUrl ?? 'postgres://127.0.0.1/leasehold',
    LEASEHOLD_LEASE_TTL_S: String(leaseTtlS),
  });
  return {
    namespace: config.namespace,
    etcdUrls: textOf(env, 'LEASEHOLD_ETCD_URLS') === undefined ? undefined : config.etcd.urls,
    natsUrls: textOf(env, 'LEASEHOLD_NATS_URLS') === undefined ? undefined : config.nats.servers,
    databaseUrl: textOf(env, 'LEASEHOLD_DATABASE_URL'),
    ownerDatabaseUrl,
  };
}

/** What {@link replicaEnv} needs besides the environment and the URLs. */
export interface ReplicaEnvOptions {
  /** From 1. */
  index: number;
  leaseTtlS: number;
  /** The directory of this package. */
  packageDir: string;
}

/** The environment of the `index`th replica (from 1): this process's, with the stack's URLs. */
export function replicaEnv(
  env: NodeJS.ProcessEnv,
  urls: DevUrls,
  options: ReplicaEnvOptions,
): NodeJS.ProcessEnv {
  const { index, leaseTtlS, packageDir } = options;
  const name = textOf(env, 'LEASEHOLD_REPLICA_NAME') ?? 'replica';
  const firstPort = Number(textOf(env, 'LEASEHOLD_HTTP_PORT') ?? 0);
  const replica: NodeJS.ProcessEnv = {
    ...env,
    LEASEHOLD_ETCD_URLS: urls.etcdUrls.join(','),
    LEASEHOLD_NATS_URLS: urls.natsUrls.join(','),
    LEASEHOLD_DATABASE_URL: urls.databaseUrl,
    LEASEHOLD_REPLICA_NAME: `${name}-${index}`,
    LEASEHOLD_LEASE_TTL_S: String(leaseTtlS),
    LEASEHOLD_HTTP_PORT: String(firstPort === 0 ? 0 : firstPort + index - 1),
    // The ledger runs on this machine, as other receivers of a trial may.
    LEASEHOLD_HTTP_ALLOW: textOf(env, 'LEASEHOLD_HTTP_ALLOW') ?? ALLOW_EVERYWHERE,
    LEASEHOLD_HANDLERS:
      textOf(env, 'LEASEHOLD_HANDLERS') ?? join(packageDir, 'examples', 'handlers.mjs'),
    // Of the example that sends the ledger a token. Files take precedence, if there are any.
    ...(textOf(env, 'LEASEHOLD_SECRETS_DIR') === undefined && {
      LEASEHOLD_SECRET_LEDGER_TOKEN:
        textOf(env, 'LEASEHOLD_SECRET_LEDGER_TOKEN') ?? 'only-for-the-examples',
    }),
    // The examples' commands call `node`, which need not be on the caller's PATH.
    PATH: [env['PATH'], dirname(process.execPath)].filter(Boolean).join(delimiter),
  };
  // A replica must not have the owner's password.
  delete replica['LEASEHOLD_OWNER_DATABASE_URL'];
  return replica;
}

/** The variable's text; undefined where it is empty or not set. */
function textOf(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const text = env[name]?.trim();
  return text === '' ? undefined : text;
}
