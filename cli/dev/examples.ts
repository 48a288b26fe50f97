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
  'examples/large-refund.yaml',
  'examples/deploy-region.yaml',
  'examples/deploy.yaml',
  'examples/failover.yaml',
  'examples/nightly.yaml',
  'examples/settlement.ts',
  'examples/handover.md',
] as const;

/** The log to store the examples in, and where they are. */
export interface PushExamplesOptions {
  namespace: string;
  databaseUrl: string;
  packageDir: string;
  ledgerUrl: string;
  say: (text: string) => void;
}

/** Stores the example runbooks. */
export async function pushExamples(options: PushExamplesOptions): Promise<void> {
  const { namespace, databaseUrl, packageDir, ledgerUrl, say } = options;
  const log = openLog({ url: databaseUrl, namespace, appendTimeoutMs: 10_000, ownSettings: true });
  try {
    await log.check();
    for (const file of EXAMPLE_RUNBOOKS) {
      const loaded = await loadRunbookFile(join(packageDir, file));
      if (!loaded.ok) throw new Error(loaded.problems.map(formatProblem).join('\n'));
      for (const runbook of loaded.runbooks)
        await push(log, placed(runbook, { packageDir, ledgerUrl }), say);
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

/** What the examples have in the place of the ledger's address. */
const LEDGER = 'http://ledger.example';

/**
 * The runbook with the paths and the address of this run: the package's, because commands run in
 * the directory in which dev was called, and the ledger's.
 */
export function placed(
  runbook: Runbook,
  { packageDir, ledgerUrl }: Pick<PushExamplesOptions, 'packageDir' | 'ledgerUrl'>,
): Runbook {
  return JSON.parse(JSON.stringify(runbook), (_key, value: unknown) => {
    if (typeof value !== 'string') return value;
    if (value.startsWith('examples/')) return join(packageDir, value);
    return value.startsWith(LEDGER) ? `${ledgerUrl}${value.slice(LEDGER.length)}` : value;
  }) as Runbook;
}
