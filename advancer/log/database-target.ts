import type { ConnectionOptions as TlsOptions } from 'node:tls';

import { Client, DatabaseError } from 'pg';
import type { ClientConfig } from 'pg';

import {
  connectionTrouble,
  markTrouble,
  type ConnectionTrouble,
  type ServerNames,
} from '../../src/config/connection-trouble.ts';
import {
  postgresTarget,
  postgresTlsNames,
  type PostgresTls,
} from '../../src/config/postgres-tls.ts';
import { readText } from '../../src/config/read-file.ts';
import { keepingLast, type TlsTexts } from '../../src/config/tls-texts.ts';
import { errorText } from '../../src/error-text.ts';
import { LogUnavailable } from './log.ts';
import { troubleText } from './postgres-trouble.ts';

/** The variable that holds the URL, unless another is named. */
const DATABASE_URL = 'LEASEHOLD_DATABASE_URL';

/**
 * A database to connect to. Each connection reads the certificate files again that the URL names,
 * so that replaced ones are used; while one is missing or does not belong to the others, it uses
 * what was read last.
 */
export class DatabaseTarget {
  /** Without TLS parameters, and without what this program chooses itself. */
  readonly url: string;
  readonly #variable: string;
  readonly #tls: PostgresTls | 'off' | undefined;
  readonly #read: (() => TlsTexts) | undefined;

  /** @param variable holds the URL, for errors */
  constructor(url: string, variable = DATABASE_URL, onWarning: (text: string) => void = ignore) {
    const target = postgresTarget(withoutOwnParameters(url), variable, readText);
    this.url = target.url;
    this.#variable = variable;
    this.#tls = target.tls;
    if (typeof target.tls === 'object') this.#read = keepingLast(target.tls.read, onWarning);
  }

  /**
   * Reads the certificate files.
   *
   * @throws LogUnavailable if they cannot be read and never were
   */
  verifyFiles(): void {
    try {
      this.#read?.();
    } catch (cause) {
      throw markTrouble(new LogUnavailable(errorText(cause), { cause }), 'tls');
    }
  }

  /** The address, and TLS with the certificates as they are now. */
  clientConfig(): ClientConfig {
    const connectionString = this.url;
    const tls = this.#tls;
    if (tls === undefined) return { connectionString };
    return { connectionString, ssl: tls === 'off' ? false : this.#tlsOptions(tls) };
  }

  /** A class of clients for a pool, each of which reads the files. */
  clientClass(): new (config?: ClientConfig) => Client {
    const own = (): ClientConfig => this.clientConfig();
    return class extends Client {
      constructor(config?: ClientConfig) {
        super({ ...config, ...own() });
      }
    };
  }

  /** The error for a database that could not be asked or did not answer. */
  unavailable(cause: unknown): LogUnavailable {
    if (cause instanceof LogUnavailable) return cause;
    const trouble = this.trouble(cause);
    if (trouble === undefined) return new LogUnavailable(troubleText(cause), { cause });
    const text = `${troubleText(cause)}; ${trouble.advice}`;
    return markTrouble(new LogUnavailable(text, { cause }), trouble.kind);
  }

  /** What is wrong with TLS or the credentials; undefined if that is not it. */
  trouble(cause: unknown): ConnectionTrouble | undefined {
    if (cause instanceof DatabaseError && cause.code?.startsWith('28') !== true) return undefined;
    const tls = typeof this.#tls === 'object' ? this.#tls : undefined;
    return connectionTrouble(cause, namesOf(this.#variable), tls && this.#read?.());
  }

  #tlsOptions({ verify, passphrase }: PostgresTls): TlsOptions {
    const texts = this.#read?.() ?? {};
    const options: TlsOptions = {};
    for (const name of ['ca', 'cert', 'key'] as const)
      if (texts[name] !== undefined) options[name] = texts[name];
    if (passphrase !== undefined) options.passphrase = passphrase;
    if (verify === 'any') options.rejectUnauthorized = false;
    if (verify === 'ca') options.checkServerIdentity = () => undefined;
    return options;
  }
}

/**
 * The URL without the parameters that this program chooses itself: pg lets the URL override them,
 * and PgBouncer refuses the time limits.
 */
function withoutOwnParameters(url: string): string {
  // Without the cause, which would show the whole URL.
  if (!URL.canParse(url))
    throw new TypeError('the database URL is not a URL; write postgres://user@host:5432/database');
  const parsed = new URL(url);
  for (const name of ['application_name', 'statement_timeout', 'query_timeout'])
    parsed.searchParams.delete(name);
  return parsed.toString();
}

function namesOf(variable: string): ServerNames {
  return {
    ...postgresTlsNames(variable),
    server: 'Postgres',
    url: variable,
    credentials: `the user and the password in ${variable}`,
    tlsAddress: 'sslmode=verify-full',
  };
}

function ignore(): void {
  // Nobody listens.
}
