import { isRefusal } from './connections.ts';
import type { Queryable } from './connections.ts';
import { otherNamespace } from './migrate.ts';
import { shippedMigrations } from './migration-files.ts';
import type { Migration } from './migration-files.ts';
import { readSchemaState } from './sql/append.ts';

/**
 * The database answers, but is not one that this program may write to; the message says how to mend
 * it.
 */
export class LogMismatch extends Error {
  override readonly name = 'LogMismatch';
}

/** The database belongs to another namespace, and always will. */
export class ForeignNamespace extends LogMismatch {}

let shipped: Migration[] | undefined;

/**
 * Resolves when the database has this program's schema and belongs to the namespace. A newer schema
 * will do: migrations run before the replicas are replaced, and keep what older ones need.
 *
 * @throws LogMismatch when it does not fit; ForeignNamespace when it never will
 * @throws LogUnavailable when Postgres does not answer
 */
export async function checkSchema(db: Queryable, namespace: string): Promise<void> {
  const state = await readSchemaState(db).catch((cause: unknown) => {
    throw isRefusal(cause) ? notReadable(cause) : cause;
  });
  if (state.namespace === null) {
    throw new LogMismatch('the database has no namespace yet: run `leasehold migrate`');
  }
  if (state.namespace !== namespace)
    throw new ForeignNamespace(otherNamespace(state.namespace, namespace));
  shipped ??= shippedMigrations();
  for (const one of shipped) {
    const applied = state.applied.find((other) => other.version === one.version);
    if (applied === undefined) {
      throw new LogMismatch(
        `the database is at schema version ${state.applied.at(-1)?.version ?? 0}, this program needs ` +
          `${shipped.at(-1)!.version}: run \`leasehold migrate\``,
      );
    }
    if (applied.checksum !== one.checksum) {
      throw new LogMismatch(
        `migration ${one.version} (${one.name}) of the database is not this program's: ` +
          'install the release that migrated it, or use a database of its own',
      );
    }
  }
}

function notReadable(cause: { code: string; message: string }): LogMismatch {
  // 42P01 no such table, 3F000 no such schema, 42501 no right to it.
  const mend =
    cause.code === '42501'
      ? 'connect as leasehold_app (LEASEHOLD_DATABASE_URL), or run `leasehold migrate` to grant it its rights'
      : 'run `leasehold migrate`';
  return new LogMismatch(
    `the database has no readable leasehold schema (${cause.message}): ${mend}`,
    {
      cause,
    },
  );
}
