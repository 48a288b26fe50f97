import type { Log } from '../../../advancer/log/log.ts';
import { reportFailure } from '../../failure.ts';
import type { Terminal } from '../../terminal.ts';

/** Reports that a runbook, or a version of it, is not stored. Returns the exit code. */
export async function reportNotStored(
  terminal: Terminal,
  log: Log,
  json: boolean,
  runbookId: string,
  version?: number,
): Promise<number> {
  const { noRunbook } = await import('../../../src/runbook/no-runbook.ts');
  const message = noRunbook(runbookId, version, await log.runbooks());
  const lines = [message, 'to see what is stored: leasehold runbook list'];
  return reportFailure(terminal, json, { code: 'not_found', message, lines });
}
