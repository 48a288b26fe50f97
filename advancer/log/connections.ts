import { DatabaseError, Pool } from 'pg';
import type { PoolClient } from 'pg';

import { COLUMN_TYPES } from './json-columns.ts';
import { LogUnavailable } from './log.ts';

/** Runs statements in Postgres. */
export interface Queryable {
  /**
   * Runs one statement and returns its rows.
   *
   * @throws LogUnavailable when Postgres could not be asked or did not answer; the statement may
   *   have been applied or not
   * @throws DatabaseError when Postgres refused the statement; it was not applied
   */
  query<R extends object>(text: string, values?: readonly unknown[]): Promise<R[]>;
}

/** How to reach Postgres. */
export interface ConnectionOptions {
  /** `postgres://…`; TLS and credentials are in its query (`sslmode`, `sslrootcert`, …). */
  url: string;
  applicationName: string;
  /** At most this many open connections. */
  max: number;
  /** After this long the server cancels a statement. */
  statementTimeoutMs: number;
  /**
   * After this long the client stops waiting and closes the connection; longer than the server's.
   */
  queryTimeoutMs: number;
  /** How long to wait for a connection. */
  connectTimeoutMs: number;
  /** Session settings besides {@link SESSION_SETTINGS}, as `name=value`. */
  settings?: readonly string[] | undefined;
}

/**
 * Settings of every session. The guard's locks need READ COMMITTED, and a row that was reported as
 * committed must survive a power failure, whatever the database's own defaults are.
 */
const SESSION_SETTINGS = [
  'default_transaction_isolation=read\\ committed',
  'synchronous_commit=on',
  // Statements here touch a few rows each; compiling them would take longer than running them.
  'jit=off',
  // Fixes the text format of times.
  'timezone=UTC',
  'datestyle=ISO',
];

/**
 * SQLSTATE classes and codes of a server that cannot work now: connection exception, transaction
 * rollback, insufficient resources, operator intervention, system error, internal error; read-only
 * transaction, object in use, lock not available.
 */
const UNAVAILABLE = /^(?:08|40|53|57|58|XX|25006|55006|55P03)/;

/** A pool of connections that distinguishes refused statements from those with unknown outcome. */
export class Connections implements Queryable {
  readonly #pool: Pool;
  #closed: Promise<void> | undefined;

  constructor(options: ConnectionOptions) {
    this.#pool = new Pool({
      ...sessionUrl(options.url, options.settings ?? []),
      application_name: options.applicationName,
      max: options.max,
      statement_timeout: options.statementTimeoutMs,
      query_timeout: options.queryTimeoutMs,
      connectionTimeoutMillis: options.connectTimeoutMs,
      // Keep idle connections open.
      idleTimeoutMillis: 0,
      keepAlive: true,
      types: COLUMN_TYPES,
    });
    // A connection that breaks while idle is replaced by the next query; without a listener its
    // error would end the process.
    this.#pool.on('error', ignore);
  }

  async query<R extends object>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    let client: PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (cause) {
      throw unavailable(cause);
    }
    client.on('error', ignore);
    let broken: Error | undefined;
    try {
      // Named, so that each connection parses and plans a statement once.
      const result = await client.query<R>({
        name: statementName(text),
        text,
        values: [...values],
      });
      return result.rows;
    } catch (cause) {
      if (isRefusal(cause)) throw cause;
      // The answer may still be on its way: this connection must not run another query.
      broken = unavailable(cause);
      throw broken;
    } finally {
      // A broken one keeps its listener: it may emit further errors while it is closed.
      if (broken === undefined) client.off('error', ignore);
      client.release(broken ?? false);
    }
  }

  /**
   * Runs `ask` on all connections at once, which opens them: a later burst, such as the instances
   * of a replica that died, need not wait for connections, nor for the statement to be parsed and
   * planned.
   *
   * @param ask one statement; each call gets its own connection
   * @throws LogUnavailable
   */
  async onAll(ask: () => Promise<unknown>): Promise<void> {
    await Promise.all(Array.from({ length: this.#pool.options.max }, ask));
  }

  /** Closes every connection; calling it again has no effect. */
  close(): Promise<void> {
    this.#closed ??= this.#pool.end();
    return this.#closed;
  }
}

/**
 * Whether Postgres refused the statement: it was definitely not applied, and the error is not an
 * outage.
 */
export function isRefusal(error: unknown): error is DatabaseError & { code: string } {
  return (
    error instanceof DatabaseError && error.code !== undefined && !UNAVAILABLE.test(error.code)
  );
}

/** The error for a Postgres that could not be asked or did not answer. */
export function unavailable(cause: unknown): LogUnavailable {
  const reason = cause instanceof Error ? cause.message || cause.name : String(cause);
  return new LogUnavailable(`Postgres does not answer: ${reason}`, { cause });
}

/**
 * The URL without the parameters that we set ourselves (pg lets the URL override other settings),
 * and the session's options.
 */
function sessionUrl(
  url: string,
  settings: readonly string[],
): { connectionString: string; options: string } {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (cause) {
    throw new TypeError('the database URL is not a URL; write postgres://user@host:5432/database', {
      cause,
    });
  }
  const own = parsed.searchParams.get('options');
  for (const name of ['options', 'application_name', 'statement_timeout', 'query_timeout']) {
    parsed.searchParams.delete(name);
  }
  const ours = [...SESSION_SETTINGS, ...settings].map((setting) => `-c ${setting}`);
  return {
    connectionString: parsed.toString(),
    options: [...(own === null ? [] : [own]), ...ours].join(' '),
  };
}

const statementNames = new Map<string, string>();

/** A name per statement text; a program has few of them. */
function statementName(text: string): string {
  let name = statementNames.get(text);
  if (name === undefined) {
    name = `leasehold_${statementNames.size + 1}`;
    statementNames.set(text, name);
  }
  return name;
}

function ignore(): void {
  // The query under way reports the error.
}
