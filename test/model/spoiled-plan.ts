import type { NextStep } from '../../src/execution/plan.ts';
import { undoCell } from '../../src/runbook/undo.ts';
import type { History } from './history.ts';
import type { Rules } from './rules.ts';

/** The next step by the real plan, or by one that a control spoils. */
export function spoiled(rules: Rules, view: History): NextStep {
  const { step } = view;
  if (step.do === 'cancelled' && !rules.planEndsAtCancelled)
    return view.prefix(view.length - 1).step;
  if (step.do === 'halt' && !rules.happenedEnds) return retriedAfterAll(step, view);
  if (step.do !== 'start' || view.state.unwinding === undefined || step.attempt > 1) return step;
  if (!rules.lastUndoWaits) return { do: 'cancel' };
  return rules.undoOrder === 'forward' ? firstUndo(step, view) : step;
}

/** A cell whose effect happened is begun again, as if it had been refused. */
function retriedAfterAll(step: Extract<NextStep, { do: 'halt' }>, { state }: History): NextStep {
  const { cell } = step;
  if (!('exec' in cell)) return step;
  const record = state.cells.get(cell.id);
  if (record?.happened !== true || record.failures >= (cell.retry?.attempts ?? 1)) return step;
  return { do: 'start', cell, attempt: record.attempts + 1, backoffMs: 0 };
}

/** The undo of the first cell that is not undone yet, and not of the last. */
function firstUndo(step: NextStep, { state, cells }: History): NextStep {
  const undone = (id: string): boolean => state.cells.get(`undo-${id}`)?.result !== undefined;
  const cell = cells.find(
    (one) =>
      undoCell(one) !== undefined &&
      state.cells.get(one.id)?.result === 'satisfied' &&
      !undone(one.id),
  );
  const undo = cell && undoCell(cell);
  return undo === undefined ? step : { do: 'start', cell: undo, attempt: 1, backoffMs: 0 };
}
