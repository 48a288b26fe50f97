import { isRefusal } from './connections.ts';
import type { Queryable } from './connections.ts';
import { shippedFunctions } from './function-files.ts';
import { shippedMigrations } from './migration-files.ts';
import { OLD_NUMBERING, otherNamespace, wrongEncoding } from './migration-refused.ts';
import { readSchemaState } from './sql/append.ts';

/**
 * The database answers, but is not one that this program may write to. The message says what to do.
 */
class LogMismatch extends Error {
  override readonly name = 'LogMismatch';
}

/** Waiting will not help: the database is another namespace's, or cannot be upgraded. */
export class PermanentMismatch extends LogMismatch {}

let shipped: ReturnType<typeof readShipped> | undefined;
const readShipped = () => ({ migrations: shippedMigrations(), functions: shippedFunctions() });

/**
 * Resolves when the database can be written to, has this program's migrations and functions, and
 * belongs to the namespace. A newer schema is fine: migrations run before the replicas are
 * replaced, and keep what older replicas need.
 *
 * @throws LogMismatch when it does not fit; PermanentMismatch when it never will
 * @throws LogUnavailable when Postgres does not answer
 */
export async function checkSchema(db: Queryable, namespace: string): Promise<void> {
  const state = await readSchemaState(db).catch((cause: unknown) => {
    throw isRefusal(cause) ? notReadable(cause) : cause;
  });
  refuseReadOnly(state);
  if (state.encoding !== 'UTF8') throw new PermanentMismatch(wrongEncoding(state.encoding));
  if (state.namespace === null) {
    throw new LogMismatch('the database has no namespace yet: run `leasehold migrate`');
  }
  if (state.namespace !== namespace)
    throw new PermanentMismatch(otherNamespace(state.namespace, namespace));
  shipped ??= readShipped();
  for (const one of shipped.migrations) {
    const applied = state.applied.find((other) => other.version === one.version);
    if (applied === undefined) {
      throw new LogMismatch(
        `the database is at schema version ${state.applied.at(-1)?.version ?? 0}, this program needs ` +
          `${shipped.migrations.at(-1)!.version}: run \`leasehold migrate\``,
      );
    }
    if (applied.checksum !== one.checksum) {
      throw new LogMismatch(
        `migration ${one.version} (${one.name}) of the database is not this program's: ` +
          'install the release that migrated it, or use another database',
      );
    }
  }
  const applied = new Set(state.functions.map((one) => `${one.name} ${one.checksum}`));
  const stale = shipped.functions.filter((one) => !applied.has(`${one.name} ${one.checksum}`));
  if (stale.length > 0) {
    throw new LogMismatch(
      `the functions of the database are out of date (${stale.map((one) => one.name).join(', ')}): ` +
        'run `leasehold migrate`',
    );
  }
}

/** A standby may be promoted, and a setting changed: waiting can help. */
function refuseReadOnly({
  recovering,
  readOnly,
}: {
  recovering: boolean;
  readOnly: boolean;
}): void {
  if (recovering) {
    throw new LogMismatch(
      'the database is a standby (in recovery), which cannot be written to: ' +
        'LEASEHOLD_DATABASE_URL must lead to the primary',
    );
  }
  if (readOnly) {
    throw new LogMismatch(
      'the database is read-only for this role (25006): set default_transaction_read_only to off for it',
    );
  }
}

function notReadable(cause: { code: string; message: string }): LogMismatch {
  // Postgres names the first table that is missing, and this is the last one that the query names.
  if (cause.code === '42P01' && cause.message.includes('leasehold.functions')) {
    return new PermanentMismatch(OLD_NUMBERING, { cause });
  }
  // 42P01 no such table, 3F000 no such schema, 42501 no right to it.
  const remedy =
    cause.code === '42501'
      ? 'connect as leasehold_app (LEASEHOLD_DATABASE_URL), or run `leasehold migrate` to grant it its rights'
      : 'run `leasehold migrate`';
  return new LogMismatch(
    `the database has no readable leasehold schema (${cause.message}): ${remedy}`,
    {
      cause,
    },
  );
}
