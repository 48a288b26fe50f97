import { z } from 'zod';

import { unknownVariables } from './known-variables.ts';
import { readCommandUser, readVariableNames, type CommandUser } from './command-settings.ts';
import { EnvReader } from './env-reader.ts';
import type { Environment } from './env-reader.ts';
import type { HttpAllow } from './http-allow.ts';
import { readLimits, type IntakeLimits } from './limits.ts';
import { readText, type ReadFile } from './read-file.ts';
import { readSecretSources, SECRETS_DIR, type SecretSources } from './secret-sources.ts';
import type { EtcdConfig, NatsConfig } from './servers.ts';
import { readStreamSettings, type StreamSettings } from './stream-settings.ts';
import { wholeNumber } from './whole-number.ts';
import { Id } from '../ids.ts';

export { ConfigError } from './config-error.ts';
export type { Environment } from './env-reader.ts';
export type { EtcdConfig, NatsConfig } from './servers.ts';

/** An agent's settings: NATS and the namespace, nothing else. */
export interface AgentConfig {
  namespace: string;
  nats: NatsConfig;
  /** undefined when the environment does not set it. */
  agentId: string | undefined;
}

/** A replica's settings. */
export interface Config {
  namespace: string;
  /** Replies go to subjects under `replyPrefixes` only. */
  nats: NatsConfig & { replyPrefixes: readonly string[] };
  etcd: EtcdConfig;
  /**
   * For the role that may only SELECT and INSERT. TLS is set by the URL's own parameters
   * (`sslmode`, `sslrootcert`).
   */
  databaseUrl: string;
  /** `any`: also a role that could change what was recorded, such as the owner. */
  databaseRole: 'app' | 'any';
  /** The replica id is this name and a fresh suffix. */
  replicaName: string;
  /** Whole seconds; etcd may grant more. */
  leaseTtlS: number;
  httpHost: string;
  /** 0: any free port. */
  httpPort: number;
  logLevel: LogLevel;
  /** Where http cells may call; undefined: anywhere but to local addresses. */
  httpAllow: HttpAllow;
  /** `account`: only ids that the NATS server's report of the agent's account confirms. */
  agentIds: 'claimed' | 'account';
  /** Names of the replica's own variables that commands also get. */
  commandEnv: string[];
  /** The user that commands run as; undefined: the replica's own. */
  commandUser: CommandUser | undefined;
  /** Where the secrets are that cells may use. */
  secrets: SecretSources;
  /** undefined: for people on a terminal, else JSON. */
  logFormat: LogFormat | undefined;
  /** How long attempts may go on once the replica drains, in seconds. */
  drainS: number;
  /** The path of a module that exports `{name: handler}`. */
  handlers: string | undefined;
  failpoints: string | undefined;
  /** Releases a holding that was idle for this long. */
  idleReleaseMs: number;
  /** Beyond this many holdings, releases the ones idle longest. */
  maxHoldings: number;
  limits: IntakeLimits;
  streams: StreamSettings;
  /** What is unusual, but not wrong, in the environment; one line each. */
  warnings: string[];
}

/** Log levels, most severe first; `silent` logs nothing. */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
/** See {@link LOG_LEVELS}. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Formats of log lines. */
const LOG_FORMATS = ['json', 'pretty'] as const;
/** See {@link LOG_FORMATS}. */
export type LogFormat = (typeof LOG_FORMATS)[number];

/**
 * Reads a replica's settings.
 *
 * @throws ConfigError that names every variable that is missing or wrong, and how to fix it
 */
export function readConfig(env: Environment, readFile: ReadFile = readText): Config {
  const reader = new EnvReader(env, readFile);
  const commandEnv = reader.setting('LEASEHOLD_COMMAND_ENV', readVariableNames) ?? [];
  const config: Config = {
    namespace: reader.namespace(),
    nats: { ...reader.nats(), replyPrefixes: reader.replyPrefixes() },
    etcd: reader.etcd(),
    databaseUrl: reader.postgres('LEASEHOLD_DATABASE_URL', 'leasehold_app'),
    databaseRole: reader.value(
      'LEASEHOLD_DATABASE_ROLE',
      z.enum(['app', 'any'], 'must be app or any'),
      'app',
    ),
    replicaName: reader.value('LEASEHOLD_REPLICA_NAME', ReplicaName, 'replica'),
    leaseTtlS: reader.value('LEASEHOLD_LEASE_TTL_S', wholeNumber(2, 3_600), 5),
    httpHost: reader.value('LEASEHOLD_HTTP_HOST', z.string(), '127.0.0.1'),
    httpPort: reader.value('LEASEHOLD_HTTP_PORT', wholeNumber(0, 65_535), 0),
    logLevel: reader.value(
      'LEASEHOLD_LOG_LEVEL',
      z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`),
      'info',
    ),
    httpAllow: reader.httpAllow(),
    agentIds: reader.value(
      'LEASEHOLD_AGENT_IDS',
      z.enum(['claimed', 'account'], 'must be claimed or account'),
      'claimed',
    ),
    commandEnv,
    commandUser: reader.setting('LEASEHOLD_COMMAND_USER', (text) =>
      readCommandUser(text, { euid: process.geteuid?.(), readFile }),
    ),
    secrets: readSecretSources(env, reader.text(SECRETS_DIR), (name, problem) =>
      reader.problem(name, problem),
    ),
    logFormat: reader.value<LogFormat | undefined>(
      'LEASEHOLD_LOG_FORMAT',
      z.enum(LOG_FORMATS, `must be one of ${LOG_FORMATS.join(', ')}`),
      undefined,
    ),
    drainS: reader.value('LEASEHOLD_DRAIN_S', wholeNumber(0, 3_600), 8),
    handlers: reader.text('LEASEHOLD_HANDLERS'),
    failpoints: reader.text('LEASEHOLD_FAILPOINTS'),
    idleReleaseMs: reader.value('LEASEHOLD_IDLE_RELEASE_S', wholeNumber(1, 86_400), 60) * 1_000,
    maxHoldings: reader.value('LEASEHOLD_MAX_HOLDINGS', wholeNumber(1, 10_000_000), 100_000),
    limits: readLimits(reader),
    streams: readStreamSettings(reader),
    warnings: [
      ...unknownVariables(Object.keys(env)),
      ...(env['LEASEHOLD_SECRET_DIR'] === undefined
        ? []
        : [
            `LEASEHOLD_SECRET_DIR is read as a secret named DIR; the directory of secrets is ${SECRETS_DIR}`,
          ]),
      ...commandEnv
        .filter((name) => env[name] === undefined)
        .map((name) => `LEASEHOLD_COMMAND_ENV lists ${name}, which is not set`),
    ],
  };
  reader.done();
  return config;
}

/**
 * Reads an agent's settings; by default NATS is on this machine.
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

/** Reads how to reach etcd. @throws ConfigError */
export function readEtcdConfig(
  env: Environment,
  readFile: ReadFile = readText,
): EtcdConfig & { namespace: string } {
  const reader = new EnvReader(env, readFile);
  const config = { namespace: reader.namespace(), ...reader.etcd() };
  reader.done();
  return config;
}

/** The settings as options of the coordinator's etcd client. */
export function etcdConnection({ urls, tls, auth }: EtcdConfig) {
  return { hosts: urls, tls, auth };
}

/** Reads how to reach the log, as the application's role. @throws ConfigError */
export function readDatabaseConfig(env: Environment): { namespace: string; databaseUrl: string } {
  const reader = new EnvReader(env, readText);
  const config = {
    namespace: reader.namespace(),
    databaseUrl: reader.postgres('LEASEHOLD_DATABASE_URL', 'leasehold_app'),
  };
  reader.done();
  return config;
}

/** The settings of `migrate`. */
export interface MigrateConfig {
  namespace: string;
  ownerDatabaseUrl: string;
  /** undefined when the environment does not set it. */
  databaseUrl: string | undefined;
  /** The passwords that the roles get; undefined keeps what they have. */
  passwords: { app: string | undefined; owner: string | undefined };
}

/**
 * Reads the settings of `migrate`. The application's password is also taken from its URL.
 *
 * @throws ConfigError
 */
export function readMigrateConfig(env: Environment, readFile: ReadFile = readText): MigrateConfig {
  const reader = new EnvReader(env, readFile);
  const config = {
    namespace: reader.namespace(),
    ownerDatabaseUrl: reader.postgres('LEASEHOLD_OWNER_DATABASE_URL', 'leasehold_owner'),
    databaseUrl:
      reader.text('LEASEHOLD_DATABASE_URL') === undefined
        ? undefined
        : reader.postgres('LEASEHOLD_DATABASE_URL', 'leasehold_app'),
    passwords: {
      app: reader.secret('LEASEHOLD_APP_PASSWORD'),
      owner: reader.secret('LEASEHOLD_OWNER_PASSWORD'),
    },
  };
  reader.requirePassword('LEASEHOLD_DATABASE_URL', config.databaseUrl, config.passwords.app);
  reader.done();
  return config;
}

const ReplicaName = z
  .string()
  .regex(
    /^[A-Za-z0-9_-]{1,119}$/,
    'must be 1 to 119 characters of A-Z a-z 0-9 _ - (a suffix is added)',
  );
