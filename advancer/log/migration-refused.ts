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
    `this database belongs to namespace "${recorded}", not "${asked}"; each namespace has its own database: ` +
    `set LEASEHOLD_NAMESPACE=${recorded}, or name another database`
  );
}

/** The message for a database whose migrations were numbered before they were merged into one baseline. */
export const OLD_NUMBERING =
  'the schema of this database was made by an unreleased version of Leasehold, whose migrations were numbered ' +
  'differently, and cannot be upgraded: create a new database and run `leasehold migrate` on it; ' +
  'to keep the data, copy it to the new database as docs/operations.md says';
