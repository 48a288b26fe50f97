import { jsonOf, sameJson, type Json } from '../json.ts';
import type { Runbook } from './runbook.ts';

/** What differs between two runbooks, by field of the head and by cell. */
export interface RunbookChanges {
  /** Fields of the head, other than the version. */
  readonly head: readonly string[];
  /** Ids of cells. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  /** Whether the cells that both have stand in another order. */
  readonly reordered: boolean;
}

/** What differs between two runbooks. Versions are not compared. */
export function compareRunbooks(from: Runbook, to: Runbook): RunbookChanges {
  const before = new Map(from.cells.map((cell) => [cell.id, jsonOf(cell)]));
  const after = new Map(to.cells.map((cell) => [cell.id, jsonOf(cell)]));
  const [headBefore, headAfter] = [headOf(from), headOf(to)];
  const names = new Set([...Object.keys(headBefore), ...Object.keys(headAfter)]);
  const kept = [...before.keys()].filter((id) => after.has(id));
  const keptAfter = [...after.keys()].filter((id) => before.has(id));
  return {
    head: [...names].filter((name) => !same(headBefore[name], headAfter[name])),
    added: [...after.keys()].filter((id) => !before.has(id)),
    removed: [...before.keys()].filter((id) => !after.has(id)),
    changed: kept.filter((id) => !same(before.get(id), after.get(id))),
    reordered: kept.some((id, index) => keptAfter[index] !== id),
  };
}

/** Whether nothing differs but the version. */
export function isUnchanged({ head, added, removed, changed, reordered }: RunbookChanges): boolean {
  return !reordered && [head, added, removed, changed].every(({ length }) => length === 0);
}

/** The fields that are neither the version nor the cells. */
function headOf(runbook: Runbook): { [name: string]: Json | undefined } {
  const fields = Object.entries(runbook) as [string, Json | undefined][];
  return Object.fromEntries(fields.filter(([name]) => name !== 'version' && name !== 'cells'));
}

function same(a: Json | undefined, b: Json | undefined): boolean {
  return a === undefined || b === undefined ? a === b : sameJson(a, b);
}
