import { createHash } from 'node:crypto';

import { DatabaseError, Pool } from 'pg';
import type { ClientBase, PoolClient } from 'pg';

import { COLUMN_TYPES } from './json-columns.ts';
import { DatabaseTarget } from './database-target.ts';
import { LogUnavailable } from './log.ts';
import { isConnectionLimit, troubleText } from './postgres-trouble.ts';
import {
  READ_SETTINGS,
  beginWithSettings,
  settingProblem,
  settingWarnings,
  type SessionState,
} from './session-settings.ts';

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
  /** The variable that holds the URL, for errors. Default: `LEASEHOLD_DATABASE_URL`. */
  urlVariable?: string | undefined;
  applicationName: string;
  /** At most this many open connections. */
  max: number;
  /** After this long the client stops waiting for an answer and closes the connection. */
  queryTimeoutMs: number;
  /** How long to wait for a connection. */
  connectTimeoutMs: number;
  /**
   * Each statement is a transaction with the settings that it needs, instead of relying on those of
   * the role. That takes three round trips, but works as any role and takes longer time limits. The
   * server cancels a statement after three quarters of `queryTimeoutMs`.
   */
  ownSettings?: boolean | undefined;
  /** Called for each thing about the server that weakens what the log promises, perhaps again. */
  onWarning?: ((text: string) => void) | undefined;
}

/** How long a pool that met a limit makes do with the connections that it has. */
const RETRY_LIMIT_MS = 10_000;

/**
 * SQLSTATE classes and codes of a server that cannot work now: connection exception, transaction
 * rollback, insufficient resources, operator intervention, system error, internal error; read-only
 * transaction, object in use, lock not available; a prepared statement that a pooler lost or mixed
 * up.
 */
const UNAVAILABLE = /^(?:08|40|53|57|58|XX|25006|26000|42P05|55006|55P03)/;

/**
 * A pool of connections that distinguishes refused statements from those with unknown outcome.
 *
 * It opens connections when they are needed, and verifies the session's settings on each before its
 * first use. It sends no setting with the startup message, since PgBouncer refuses that, and sets
 * none for a session, since a pooler in transaction mode would give it to other clients.
 */
export class Connections implements Queryable {
  readonly #options: ConnectionOptions;
  readonly #target: DatabaseTarget;
  readonly #pool: Pool;
  #closed: Promise<void> | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#target = new DatabaseTarget(options.url, options.urlVariable, options.onWarning);
    this.#pool = new Pool({
      Client: this.#target.clientClass(),
      application_name: options.applicationName,
      max: options.max,
      query_timeout: options.queryTimeoutMs,
      connectionTimeoutMillis: options.connectTimeoutMs,
      // Keep idle connections open.
      idleTimeoutMillis: 0,
      keepAlive: true,
      types: COLUMN_TYPES,
      ...(options.ownSettings !== true && {
        // The pool waits for it; only its type says otherwise.
        // oxlint-disable-next-line typescript/no-misused-promises
        onConnect: async (client: ClientBase) => {
          const found = await client.query<SessionState>(named(READ_SETTINGS, []));
          this.#judge(found.rows[0]);
        },
      }),
    });
    // A connection that breaks while idle is replaced by the next query; without a listener its
    // error would end the process.
    this.#pool.on('error', ignore);
  }

  async query<R extends object>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    const client = await this.#connect();
    client.on('error', ignore);
    let broken: Error | undefined;
    try {
      return this.#options.ownSettings === true
        ? await this.#inTransaction<R>(client, text, values)
        : // Named, so that each connection parses and plans a statement once.
          (await client.query<R>(named(text, values))).rows;
    } catch (cause) {
      if (isRefusal(cause)) throw cause;
      // The answer may still be on its way: this connection must not run another query.
      broken = this.#target.unavailable(cause);
      throw broken;
    } finally {
      // A broken one keeps its listener: it may emit further errors while it is closed.
      if (broken === undefined) client.off('error', ignore);
      client.release(broken ?? false);
    }
  }

  /**
   * Verifies the settings of one open connection again: a pooler may have given it to another
   * session since.
   *
   * @throws LogUnavailable naming the setting
   */
  async verifySettings(): Promise<void> {
    if (this.#options.ownSettings === true) return;
    const [state] = await this.query<SessionState>(READ_SETTINGS);
    this.#judge(state);
  }

  /** Closes every connection; calling it again has no effect. */
  close(): Promise<void> {
    this.#closed ??= this.#pool.end();
    return this.#closed;
  }

  /**
   * A connection of the pool. If no further one may be opened, it waits for one of those that are
   * open.
   */
  async #connect(): Promise<PoolClient> {
    // The pool may make a client outside of any call, where an error would end the process.
    this.#target.verifyFiles();
    for (;;) {
      try {
        return await this.#pool.connect();
      } catch (cause) {
        const open = this.#pool.totalCount;
        if (open === 0 || !isConnectionLimit(cause)) throw this.#target.unavailable(cause);
        this.#options.onWarning?.(
          `only ${open} of ${this.#options.max} connections: ${troubleText(cause)}`,
        );
        this.#pool.options.max = open;
        setTimeout(() => {
          this.#pool.options.max = this.#options.max;
        }, RETRY_LIMIT_MS).unref();
      }
    }
  }

  async #inTransaction<R extends object>(
    client: PoolClient,
    text: string,
    values: readonly unknown[],
  ): Promise<R[]> {
    await client.query(beginWithSettings(this.#options.queryTimeoutMs * 0.75));
    try {
      // Not named: any pooler can pass it on.
      const { rows } = await client.query<R>(text, [...values]);
      await client.query('commit');
      return rows;
    } catch (cause) {
      if (isRefusal(cause)) await client.query('rollback');
      throw cause;
    }
  }

  #judge(state: SessionState | undefined): void {
    if (state === undefined) throw new Error('a SELECT without FROM answered no row');
    const problem = settingProblem(state, this.#options.queryTimeoutMs);
    if (problem !== undefined) throw new LogUnavailable(problem);
    for (const warning of settingWarnings(state)) this.#options.onWarning?.(warning);
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

const statementNames = new Map<string, string>();

/**
 * A statement with a name that only this text has, in every process: a pooler may run it on a
 * connection on which another process has prepared statements.
 */
function named(text: string, values: readonly unknown[]) {
  let name = statementNames.get(text);
  if (name === undefined) {
    name = `leasehold_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
    statementNames.set(text, name);
  }
  return { name, text, values: [...values] };
}

function ignore(): void {
  // The query under way reports the error.
}
