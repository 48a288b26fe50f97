import { DatabaseError, Pool } from 'pg';
import type { PoolClient } from 'pg';

import { LogUnavailable } from './log.ts';

/** Asks Postgres one statement at a time; each answer is the statement's rows. */
export interface Queryable {
  /**
   * @throws LogUnavailable when Postgres could not be asked or did not answer; whether the
   *   statement was applied is then not known
   * @throws DatabaseError when Postgres refused the statement; it was not applied
   */
  query<R extends object>(text: string, values?: readonly unknown[]): Promise<R[]>;
}

/** How to reach Postgres. */
export interface ConnectionOptions {
  /** `postgres://…`; TLS and credentials as in its query (`sslmode`, `sslrootcert`, …). */
  url: string;
  applicationName: string;
  /** How many connections may be open at once. */
  max: number;
  /** After this long the server gives a statement up. */
  statementTimeoutMs: number;
  /**
   * After this long the client stops waiting and drops the connection; longer than the server's.
   */
  queryTimeoutMs: number;
  /** How long to wait for a connection. */
  connectTimeoutMs: number;
  /** Settings of each session beside the ones that all have, as `name=value`. */
  settings?: readonly string[] | undefined;
}

/**
 * What every session asks for. The guard's locks need READ COMMITTED, and a row that is answered as
 * committed must survive a power cut, whatever the database's own defaults are.
 */
const SESSION_SETTINGS = [
  'default_transaction_isolation=read\\ committed',
  'synchronous_commit=on',
  // Statements here touch a few rows each; compiling one would take longer than running it.
  'jit=off',
  // Times as text are then of one form.
  'timezone=UTC',
  'datestyle=ISO',
];

/**
 * SQLSTATE classes of a server that cannot do its work now: connection, transaction rolled back,
 * resources, operator intervention, system error, internal error; and a server that became
 * read-only, an object in use, a lock not to be had.
 */
const UNAVAILABLE = /^(?:08|40|53|57|58|XX|25006|55006|55P03)/;

/** A pool of connections that tells a refused statement from one whose fate is not known. */
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
      // Never closed for being idle.
      idleTimeoutMillis: 0,
      keepAlive: true,
    });
    // A connection that breaks while idle is replaced by the next query; without a listener it
    // would end the process.
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
      // Its answer may still be on the way: this connection must not serve another query.
      broken = unavailable(cause);
      throw broken;
    } finally {
      // A broken one keeps its listener: it may complain again while it is being closed.
      if (broken === undefined) client.off('error', ignore);
      client.release(broken ?? false);
    }
  }

  /**
   * Asks on all connections at once, which opens them: a burst that comes later, such as the
   * instances of a replica that died, need wait neither for that nor for what was asked to be read
   * and planned.
   *
   * @param ask one statement; each is under way on a connection of its own
   * @throws LogUnavailable
   */
  async onAll(ask: () => Promise<unknown>): Promise<void> {
    await Promise.all(Array.from({ length: this.#pool.options.max }, ask));
  }

  /** Ends every connection; calling it again is harmless. */
  close(): Promise<void> {
    this.#closed ??= this.#pool.end();
    return this.#closed;
  }
}

/**
 * Whether Postgres itself said no: the statement is definitely not applied, and the error is not
 * about outages.
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
 * The URL without what is ours to say (pg lets the URL override other settings), and the session's
 * options.
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

/** A name for each text; a program has few of them. */
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
