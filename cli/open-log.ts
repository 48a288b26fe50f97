import { readDatabaseConfig } from '../src/config/config.ts';
import type { Log } from '../advancer/log/log.ts';
import type { Terminal } from './terminal.ts';
import { environment } from './options.ts';
import type { SharedOptions } from './options.ts';

/**
 * Opens the log for as long as `use` runs. Only here, and so only for the verbs that need it, is
 * Postgres loaded.
 */
export async function withLog(
  terminal: Terminal,
  options: SharedOptions,
  use: (log: Log) => Promise<number>,
): Promise<number> {
  const { databaseUrl, namespace } = readDatabaseConfig(environment(terminal.env, options));
  const { openLog } = await import('../advancer/log/postgres-log.ts');
  const log: Log = openLog({
    url: databaseUrl,
    replicaId: 'cli',
    namespace,
    appendTimeoutMs: 10_000,
  });
  try {
    await log.check();
    return await use(log);
  } finally {
    await log.close();
  }
}
