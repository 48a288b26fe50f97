/**
 * The database belongs to another namespace or was migrated by other files, or this role may not
 * migrate it. The message says what to do.
 */
export class MigrationRefused extends Error {
  override readonly name = 'MigrationRefused';
}

/** The message for a database that belongs to another namespace. */
export function otherNamespace(recorded: string, asked: string): string {
  return (
    `this database belongs to namespace "${recorded}", not "${asked}"; ` +
    'each namespace has its own database: ' +
    `set LEASEHOLD_NAMESPACE=${recorded}, or name another database`
  );
}

/** The message for a database in another encoding: it cannot hold every text of a message. */
export function wrongEncoding(encoding: string): string {
  return (
    `the database's encoding is ${encoding}, and Leasehold needs UTF8: create another one with ` +
    "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0, and name it in LEASEHOLD_DATABASE_URL " +
    'and LEASEHOLD_OWNER_DATABASE_URL'
  );
}

/** The message for a database whose migrations were numbered before they became one baseline. */
export const OLD_NUMBERING =
  'this database was migrated by an unreleased version of Leasehold, whose migrations had other ' +
  'numbers, and cannot be upgraded: create a new database, set LEASEHOLD_DATABASE_URL and ' +
  'LEASEHOLD_OWNER_DATABASE_URL to it, and run `leasehold migrate` on it; ' +
  'docs/operations.md says how to copy the data';
