import { join } from 'node:path';

import type { Log } from '../../advancer/log/log.ts';
import { openLog } from '../../advancer/log/postgres-log.ts';
import { loadRunbookFile } from '../../src/runbook/load.ts';
import { formatProblem } from '../../src/runbook/problem.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';

/** The runbooks that dev pushes; paths in the package. */
export const EXAMPLE_RUNBOOKS = [
  'examples/refund.yaml',
  'examples/payout.yaml',
  'examples/settlement.ts',
] as const;

/** The log to store the examples in, and where they are. */
export interface PushExamplesOptions {
  namespace: string;
  databaseUrl: string;
  packageDir: string;
  say: (text: string) => void;
}

/** Stores the example runbooks. */
export async function pushExamples(options: PushExamplesOptions): Promise<void> {
  const { namespace, databaseUrl, packageDir, say } = options;
  const log = openLog({ url: databaseUrl, namespace, appendTimeoutMs: 10_000 });
  try {
    await log.check();
    for (const file of EXAMPLE_RUNBOOKS) {
      const loaded = await loadRunbookFile(join(packageDir, file));
      if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join('\n'));
      for (const runbook of loaded.runbooks) await push(log, placed(runbook, packageDir), say);
    }
  } finally {
    await log.close();
  }
}

/** Stores it as its newest version. A log that is kept may have it from another place. */
async function push(log: Log, runbook: Runbook, say: (text: string) => void): Promise<void> {
  const { runbook: runbookId } = runbook;
  const newest = (await log.runbook(runbookId))?.version ?? 0;
  for (let version = Math.max(runbook.version, newest); ; version += 1) {
    const result = await log.pushRunbook({ ...runbook, version });
    if (result === 'conflict') continue;
    if (result === 'created' && newest > 0)
      say(`${runbookId} v${newest} is stored with other content; stored this one as v${version}`);
    return;
  }
}

/**
 * The runbook with the paths that its commands run in: those of the package, because commands run
 * in the directory in which dev was called.
 */
export function placed(runbook: Runbook, packageDir: string): Runbook {
  return JSON.parse(JSON.stringify(runbook), (_key, value: unknown) =>
    typeof value === 'string' && value.startsWith('examples/') ? join(packageDir, value) : value,
  ) as Runbook;
}
