import { derivedId } from '../ids.ts';
import type { Cell, ExecCell } from './cells.ts';
import { isEffect } from './effect.ts';
import { UNDO_PREFIX } from './fields.ts';

/** Whether an id is that of an undo cell. No cell that can be stored has such an id. */
export function isUndoCellId(cellId: string): boolean {
  return cellId.startsWith(UNDO_PREFIX);
}

/** The id of the cell that undoes the given one. */
export function undoCellId(cellId: string): string {
  return derivedId(`${UNDO_PREFIX}${cellId}`);
}

/** The exec cell that undoes a cell; undefined if the cell defines no undo. */
export function undoCell(cell: Cell): ExecCell | undefined {
  const undo = 'undo' in cell ? cell.undo : undefined;
  if (undo === undefined) return undefined;
  const id = undoCellId(cell.id);
  return isEffect(undo) ? { id, exec: undo } : { id, ...undo };
}

/** The cell that the undo cell with this id undoes. */
export function undoneBy(cells: readonly Cell[], undoId: string): Cell | undefined {
  if (!isUndoCellId(undoId)) return undefined;
  return cells.find(({ id }) => undoCellId(id) === undoId);
}

/** The exec cell with this id: one of these cells, or what undoes one of them. */
export function execCellOf(cells: readonly Cell[], cellId: string): ExecCell | undefined {
  const cell = cells.find(({ id }) => id === cellId);
  if (cell !== undefined) return 'exec' in cell ? cell : undefined;
  const undone = undoneBy(cells, cellId);
  return undone && undoCell(undone);
}

/**
 * The id of a cell that only an undo cell may have; a runbook of an earlier release may have one.
 */
export function reservedCellId(cells: readonly Cell[]): string | undefined {
  return cells.find(({ id }) => isUndoCellId(id))?.id;
}
