import { z } from 'zod';

import { unknownVariables } from './known-variables.ts';
import { EnvReader, readText } from './env-reader.ts';
import type { Environment, EtcdConfig, NatsConfig, ReadFile } from './env-reader.ts';
import { Id } from '../ids.ts';

export { ConfigError } from './env-reader.ts';
export type { Environment, EtcdConfig, NatsConfig, ReadFile } from './env-reader.ts';

/** What an agent needs: NATS and the namespace, nothing else. */
export interface AgentConfig {
  namespace: string;
  nats: NatsConfig;
  /** undefined when the environment names none. */
  agentId: string | undefined;
}

/** What a replica needs. */
export interface Config {
  namespace: string;
  nats: NatsConfig;
  etcd: EtcdConfig;
  /**
   * As the role that may only SELECT and INSERT. TLS by the URL's own parameters (`sslmode`,
   * `sslrootcert`).
   */
  databaseUrl: string;
  /** Named in front of the fresh suffix that makes the replica id. */
  replicaName: string;
  /** Whole seconds; etcd may grant more. */
  leaseTtlS: number;
  httpHost: string;
  /** 0: a free one. */
  httpPort: number;
  logLevel: LogLevel;
  /** Path or name of a module that exports `{name: handler}`. */
  handlers: string | undefined;
  failpoints: string | undefined;
  /** A holding that was idle for so long is released. */
  idleReleaseMs: number;
  /** Above so many holdings the longest idle ones are released. */
  maxHoldings: number;
  /** What is odd, but not wrong, about the environment; one line each. */
  warnings: string[];
}

/** Levels of the log, loudest first. */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
/** See {@link LOG_LEVELS}. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * Reads everything that a replica needs.
 *
 * @throws ConfigError naming every variable that is missing or wrong, and how to mend it
 */
export function readConfig(env: Environment, readFile: ReadFile = readText): Config {
  const reader = new EnvReader(env, readFile);
  const config: Config = {
    namespace: reader.namespace(),
    nats: reader.nats(),
    etcd: reader.etcd(),
    databaseUrl: reader.postgres('LEASEHOLD_DATABASE_URL', 'leasehold_app'),
    replicaName: reader.value('LEASEHOLD_REPLICA_NAME', ReplicaName, 'replica'),
    leaseTtlS: reader.value('LEASEHOLD_LEASE_TTL_S', wholeNumber(2, 3_600), 5),
    httpHost: reader.value('LEASEHOLD_HTTP_HOST', z.string(), '127.0.0.1'),
    httpPort: reader.value('LEASEHOLD_HTTP_PORT', wholeNumber(0, 65_535), 0),
    logLevel: reader.value(
      'LEASEHOLD_LOG_LEVEL',
      z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`),
      'info',
    ),
    handlers: reader.text('LEASEHOLD_HANDLERS'),
    failpoints: reader.text('LEASEHOLD_FAILPOINTS'),
    idleReleaseMs: reader.value('LEASEHOLD_IDLE_RELEASE_S', wholeNumber(1, 86_400), 60) * 1_000,
    maxHoldings: reader.value('LEASEHOLD_MAX_HOLDINGS', wholeNumber(1, 10_000_000), 100_000),
    warnings: unknownVariables(Object.keys(env)),
  };
  reader.done();
  return config;
}

/**
 * Reads what an agent needs; NATS is looked for on this machine unless the environment says where
 * it is.
 *
 * @throws ConfigError
 */
export function readAgentConfig(env: Environment, readFile: ReadFile = readText): AgentConfig {
  const reader = new EnvReader(env, readFile);
  const config: AgentConfig = {
    namespace: reader.namespace(),
    nats: reader.nats(['nats://127.0.0.1:4222']),
    agentId:
      reader.text('LEASEHOLD_AGENT_ID') === undefined
        ? undefined
        : reader.value('LEASEHOLD_AGENT_ID', Id, ''),
  };
  reader.done();
  return config;
}

/** Reads where etcd is. @throws ConfigError */
export function readEtcdConfig(
  env: Environment,
  readFile: ReadFile = readText,
): EtcdConfig & { namespace: string } {
  const reader = new EnvReader(env, readFile);
  const config = { namespace: reader.namespace(), ...reader.etcd() };
  reader.done();
  return config;
}

/** The same in the words of the coordinator's client. */
export function etcdConnection({ urls, tls, auth }: EtcdConfig) {
  const bytes = (text: string): Buffer => Buffer.from(text, 'utf8');
  const credentials = tls && {
    rootCertificate: bytes(tls.ca),
    ...(tls.cert !== undefined && { certChain: bytes(tls.cert) }),
    ...(tls.key !== undefined && { privateKey: bytes(tls.key) }),
  };
  return { hosts: urls, credentials, auth };
}

/** Reads where the log is, for the application's role. @throws ConfigError */
export function readDatabaseConfig(env: Environment): { namespace: string; databaseUrl: string } {
  const reader = new EnvReader(env, readText);
  const config = {
    namespace: reader.namespace(),
    databaseUrl: reader.postgres('LEASEHOLD_DATABASE_URL', 'leasehold_app'),
  };
  reader.done();
  return config;
}

/**
 * Reads what `migrate` needs: the owner's URL, and the application's where it is given. @throws
 * ConfigError
 */
export function readMigrateConfig(env: Environment): {
  namespace: string;
  ownerDatabaseUrl: string;
  databaseUrl: string | undefined;
} {
  const reader = new EnvReader(env, readText);
  const config = {
    namespace: reader.namespace(),
    ownerDatabaseUrl: reader.postgres('LEASEHOLD_OWNER_DATABASE_URL', 'leasehold_owner'),
    databaseUrl:
      reader.text('LEASEHOLD_DATABASE_URL') === undefined
        ? undefined
        : reader.postgres('LEASEHOLD_DATABASE_URL', 'leasehold_app'),
  };
  reader.done();
  return config;
}

const ReplicaName = z
  .string()
  .regex(
    /^[A-Za-z0-9_-]{1,119}$/,
    'must be 1 to 119 characters of A-Z a-z 0-9 _ - (a suffix is added)',
  );

function wholeNumber(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,12}$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message);
}
