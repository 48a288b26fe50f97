import type { ListedRunbook } from '../../advancer/log/log.ts';
import { cut, table } from './table.ts';
import type { Style } from './table.ts';
import { ago } from './time.ts';

/** The stored runbooks, one per line. */
export function runbooksTable(
  runbooks: readonly ListedRunbook[],
  style: Style,
  nowMs: number,
): string {
  const rows = runbooks.map(({ runbookId, version, title = '', digest, recordedAt }) => [
    runbookId,
    version,
    cut(title, 50),
    digest.slice(0, 12),
    ago(recordedAt, nowMs),
  ]);
  return table(['RUNBOOK', 'VERSION', 'TITLE', 'DIGEST', 'STORED'], rows, style);
}
