import { DatabaseError } from 'pg';

/** What Postgres and PgBouncer say when no further connection is allowed. */
const LIMIT =
  /too many (?:clients|connections)|remaining connection slots|no more connections allowed|max_(?:client_conn|db_connections|user_connections|db_client_connections|user_client_connections)/i;

/** Whether a connection was refused because there are too many. */
export function isConnectionLimit(cause: unknown): cause is Error {
  if (!(cause instanceof Error)) return false;
  return (cause instanceof DatabaseError && cause.code === '53300') || LIMIT.test(cause.message);
}

/** Whether the server asked for a password, and the URL has none. */
export function asksForPassword(cause: unknown): boolean {
  return cause instanceof Error && cause.message.includes('client password must be a string');
}

/** Why Postgres could not be asked, or did not answer, and what to do if that is known. */
export function troubleText(cause: unknown): string {
  const reason = reasonOf(cause);
  if (isConnectionLimit(cause)) return `no connection is left: ${reason}; ${raise(reason)}`;
  if (asksForPassword(cause)) {
    return 'Postgres asks for a password, and the URL has none: put it in the URL (postgres://user:password@…)';
  }
  if (!(cause instanceof DatabaseError)) return `Postgres does not answer: ${reason}`;
  switch (cause.code) {
    case '42P05':
    case '26000':
      return (
        'a pooler in transaction mode is between this process and Postgres and does not keep prepared statements ' +
        `(SQLSTATE ${cause.code}, ${reason}): use PgBouncer 1.21 or newer with max_prepared_statements = 200, or set ` +
        'pool_mode = session for this database'
      );
    case '08P01':
      return /startup parameter/i.test(reason)
        ? `a pooler refuses the connection: ${reason}; take it out of the options of the URL and out of PGOPTIONS`
        : `a pooler refuses the connection: ${reason}`;
    default:
      return `${/^(?:28|3D)/.test(cause.code ?? '') ? 'Postgres refuses the connection' : 'Postgres does not work now'}: ${reason} (SQLSTATE ${cause.code})`;
  }
}

function raise(reason: string): string {
  if (/no more connections allowed|max_/i.test(reason)) {
    return 'raise that limit of the pooler (max_client_conn, max_db_connections), or run fewer replicas: each opens up to 8';
  }
  const limit = /for role/i.test(reason)
    ? 'ALTER ROLE … CONNECTION LIMIT'
    : /for database/i.test(reason)
      ? 'ALTER DATABASE … CONNECTION LIMIT'
      : 'max_connections';
  return `raise ${limit}, or run fewer replicas: each opens up to 8`;
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.message !== '') return cause.message;
  // Node leaves the message empty where it tried several addresses of one name.
  const errors = cause instanceof AggregateError ? (cause.errors as Error[]) : [];
  return errors.map(({ message }) => message).join('; ') || cause.name;
}
