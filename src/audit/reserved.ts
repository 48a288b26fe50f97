import type { Row } from '../execution/row.ts';
import { isUndoCellId } from '../runbook/undo.ts';
import type { Runbook } from '../runbook/runbook.ts';

/**
 * Whether the runbook has cells with ids that are reserved today: those of an earlier release could
 * begin with `undo-`. Today's rules cannot follow the logs of its instances.
 */
export function hasReservedCells({ cells }: Runbook): boolean {
  return cells.some(({ id }) => isUndoCellId(id));
}

/** The rows, with such cells under ids that are not reserved. */
export function withoutReserved(
  rows: readonly Row[],
  runbook: Runbook | undefined,
): readonly Row[] {
  if (runbook === undefined || !hasReservedCells(runbook)) return rows;
  const reserved = new Set(runbook.cells.map(({ id }) => id).filter(isUndoCellId));
  return rows.map((row) => (reserved.has(row.cellId) ? { ...row, cellId: `_${row.cellId}` } : row));
}
