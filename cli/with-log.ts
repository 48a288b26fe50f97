import type { PostgresLog } from '../advancer/log/postgres-log.ts';
import { environment } from './shared-options.ts';
import type { SharedOptions } from './shared-options.ts';
import type { Terminal } from './terminal.ts';

/** Opens the log for as long as `use` runs. Loads Postgres. */
export async function withLog(
  terminal: Terminal,
  options: SharedOptions,
  use: (log: PostgresLog) => Promise<number>,
): Promise<number> {
  const { readDatabaseConfig } = await import('../src/config/config.ts');
  const { databaseUrl, namespace } = readDatabaseConfig(environment(terminal.env, options));
  const { openLog } = await import('../advancer/log/postgres-log.ts');
  const log = openLog({
    url: databaseUrl,
    replicaId: 'cli',
    namespace,
    appendTimeoutMs: 10_000,
    ownSettings: true,
  });
  try {
    await log.check();
    return await use(log);
  } finally {
    await log.close();
  }
}
