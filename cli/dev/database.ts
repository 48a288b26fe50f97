import { join } from 'node:path';

import { migrate } from '../../advancer/log/migrate.ts';
import { openLog } from '../../advancer/log/postgres-log.ts';
import { loadRunbookFile } from '../../src/runbook/load.ts';
import { formatProblem } from '../../src/runbook/problem.ts';
import type { ExternalServers } from './environment.ts';
import { roleUrl } from '../../tools/stack/servers.ts';

/** The log's URLs, for its two roles. */
export interface DevDatabase {
  databaseUrl: string;
  /** null where only the application's URL was given; the schema must exist then. */
  ownerDatabaseUrl: string | null;
}

/** The runbooks that dev pushes; paths in the package. */
export const EXAMPLE_RUNBOOKS = [
  'examples/refund.yaml',
  'examples/payout.yaml',
  'examples/settlement.ts',
] as const;

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
  // Used only if this run creates the role.
  const app = databaseUrl === undefined ? '' : decodeURIComponent(new URL(databaseUrl).password);
  await migrate({
    url: ownerDatabaseUrl ?? superuserUrl,
    namespace,
    ...(app !== '' && { passwords: { app } }),
  });
  return {
    databaseUrl: databaseUrl ?? roleUrl(ownerDatabaseUrl ?? superuserUrl, 'leasehold_app'),
    ownerDatabaseUrl: ownerDatabaseUrl ?? roleUrl(superuserUrl, 'leasehold_owner'),
  };
}

/**
 * Stores the example runbooks. A version that is stored with other content stays, and is reported.
 */
export async function pushExamples(
  namespace: string,
  databaseUrl: string,
  packageDir: string,
  say: (text: string) => void,
): Promise<void> {
  const log = openLog({ url: databaseUrl, namespace, appendTimeoutMs: 10_000 });
  try {
    await log.check();
    for (const file of EXAMPLE_RUNBOOKS) {
      const loaded = await loadRunbookFile(join(packageDir, file));
      if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join('\n'));
      for (const runbook of loaded.runbooks) {
        if ((await log.pushRunbook(runbook)) !== 'conflict') continue;
        say(
          `${runbook.runbook} v${runbook.version} is already stored with other content than ${file}; keeping it`,
        );
      }
    }
  } finally {
    await log.close();
  }
}
