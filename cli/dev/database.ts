import { join } from 'node:path';

import { migrate } from '../../advancer/log/migrate.ts';
import { openLog } from '../../advancer/log/postgres-log.ts';
import { loadRunbookFile } from '../../src/runbook/load.ts';
import { formatProblem } from '../../src/runbook/problem.ts';
import { roleUrl } from '../../tools/stack/servers.ts';

/** Where the log is, for its two roles. */
export interface DevDatabase {
  databaseUrl: string;
  /** null where only the application's URL was given: then the schema must be there already. */
  ownerDatabaseUrl: string | null;
}

/** The runbooks that dev pushes, in the package's folder. */
export const EXAMPLE_RUNBOOKS = [
  'examples/refund.yaml',
  'examples/payout.yaml',
  'examples/settlement.ts',
] as const;

/**
 * Brings the database up to date, and the roles with it.
 *
 * @param given as in the environment
 * @param superuserUrl of the Postgres that was started, where none was given
 */
export async function prepareDatabase(
  namespace: string,
  given: { databaseUrl: string | undefined; ownerDatabaseUrl: string | undefined },
  superuserUrl: string,
): Promise<DevDatabase> {
  const { databaseUrl, ownerDatabaseUrl } = given;
  if (ownerDatabaseUrl === undefined && databaseUrl !== undefined) {
    return { databaseUrl, ownerDatabaseUrl: null };
  }
  // Used only where the role is created here, by a URL that may do so.
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
 * Stores the example runbooks. One that is there with other content is left as it is, and told of.
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
          `${runbook.runbook} v${runbook.version} is stored with other content than ${file}, and stays so`,
        );
      }
    }
  } finally {
    await log.close();
  }
}
