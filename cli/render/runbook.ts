import { inputNames } from '../../src/runbook/head.ts';
import { cellType } from '../../src/runbook/runbook.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import type { Log } from '../../advancer/log/log.ts';
import { brief, table } from './table.ts';
import type { Style } from './table.ts';
import { ago } from './time.ts';

type StoredRunbook = Awaited<ReturnType<Log['runbooks']>>[number];

/** The stored runbooks, one per line. */
export function runbooksTable(
  runbooks: readonly StoredRunbook[],
  style: Style,
  nowMs: number,
): string {
  const rows = runbooks.map(({ runbookId, version, digest, recordedAt }) => [
    runbookId,
    version,
    digest.slice(0, 12),
    ago(recordedAt, nowMs),
  ]);
  return table(['RUNBOOK', 'VERSION', 'DIGEST', 'STORED'], rows, style);
}

/** A runbook with its inputs and cells. */
export function runbookText(runbook: Runbook, style: Style): string {
  const { runbook: runbookId, version, inputs, cells } = runbook;
  const rows = cells.map((cell) => {
    const { id, ...rest } = cell;
    return [id, cellType(cell), brief(rest, 90)];
  });
  return [
    `${runbookId} v${version}`,
    `inputs: ${inputNames(inputs).join(', ') || 'none'}`,
    '',
    table(['CELL', 'TYPE', 'CONTENT'], rows, style),
  ].join('\n');
}
