import { migrate } from '../../advancer/log/migrate.ts';
import { openLog } from '../../advancer/log/postgres-log.ts';
import { parseRunbookValue } from '../../src/runbook/parse.ts';
import { formatProblem } from '../../src/runbook/problem.ts';
import { roleUrl } from '../stack/servers.ts';

/*
 * How chaos and bench prepare a log. It is not part of tools/stack, which only starts servers and
 * does not know the log.
 */

const PUSH_TIMEOUT_MS = 10_000;

/** Creates the schema in an empty database. @returns the URL for the application's role */
export async function migrateLog(superuserUrl: string, namespace: string): Promise<string> {
  await migrate({ url: superuserUrl, namespace });
  return roleUrl(superuserUrl, 'leasehold_app');
}

/**
 * Checks and stores runbooks, as `leasehold runbook push` does.
 *
 * @throws Error when a runbook is invalid, or when its version is stored with other content
 */
export async function pushRunbooks(
  databaseUrl: string,
  namespace: string,
  documents: readonly object[],
): Promise<void> {
  const log = openLog({
    url: databaseUrl,
    namespace,
    appendTimeoutMs: PUSH_TIMEOUT_MS,
    ownSettings: true,
  });
  try {
    await log.check();
    for (const document of documents) {
      const parsed = parseRunbookValue(document, 'chaos');
      if (!parsed.ok) throw new Error(parsed.problems.map(formatProblem).join('\n'));
      const { runbook, version } = parsed.runbook;
      if ((await log.pushRunbook(parsed.runbook)) === 'conflict') {
        throw new Error(
          `${runbook} version ${version} is already stored with different content, by another ` +
            'version of leasehold; use another database',
        );
      }
    }
  } finally {
    await log.close();
  }
}
