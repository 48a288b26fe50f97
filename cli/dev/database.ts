import { migrate } from '../../advancer/log/migrate.ts';
import type { ExternalServers } from './environment.ts';
import { roleUrl } from '../../tools/stack/servers.ts';

/** The log's URLs, for its two roles. */
export interface DevDatabase {
  databaseUrl: string;
  /** null where only the application's URL was given; the schema must exist then. */
  ownerDatabaseUrl: string | null;
}

/**
 * Creates or upgrades the schema and its roles.
 *
 * @param external the URLs of the environment
 * @param superuserUrl of the Postgres that dev started, where the environment names none
 */
export async function prepareDatabase(
  namespace: string,
  external: Pick<ExternalServers, 'databaseUrl' | 'ownerDatabaseUrl'>,
  superuserUrl: string,
): Promise<DevDatabase> {
  const { databaseUrl, ownerDatabaseUrl } = external;
  if (ownerDatabaseUrl === undefined && databaseUrl !== undefined) {
    return { databaseUrl, ownerDatabaseUrl: null };
  }
  await migrate({ url: ownerDatabaseUrl ?? superuserUrl, namespace, appUrl: databaseUrl });
  return {
    databaseUrl: databaseUrl ?? roleUrl(ownerDatabaseUrl ?? superuserUrl, 'leasehold_app'),
    ownerDatabaseUrl: ownerDatabaseUrl ?? roleUrl(superuserUrl, 'leasehold_owner'),
  };
}
