import type { Json } from '../json.ts';
import { cellType, type Cell, type CellType } from '../runbook/runbook.ts';
import { undoCellId } from '../runbook/undo.ts';
import { cellError, type CellError } from './cell-error.ts';
import type { Cancelled, Unwinding } from './ending.ts';
import { nextCell, nextStep, undoCells, type InstanceView } from './plan.ts';
import type { Doubt, InstanceState, OpenAttempt } from './state.ts';
import type { CellState, InstanceStatus } from './statuses.ts';
import type { CancelledView, InDoubt, InFlight, UnwindingView } from './views.ts';

export type { CellState, InstanceStatus } from './statuses.ts';

/** One cell of an instance, as `status` shows it. */
export interface CellView {
  cellId: string;
  type: CellType;
  /** Its heading for people; absent if it has none. */
  title?: string;
  state: CellState;
  /** The newest attempt; absent if there was none. */
  attempt?: number;
  /** The output of a satisfied cell. */
  output?: Json;
  /**
   * True if the output did not fit in a status: `output` is then the beginning of its JSON, as
   * text, or absent. A status with the cell's `cellId` returns it whole.
   */
  outputTruncated?: true;
  /** Why the cell failed, was refuted, or was decided as failed. */
  error?: CellError;
}

/**
 * The status of an instance.
 *
 * @param parked whether the next cell waits: for a claim, for time to pass, or for the instances
 *   that it started (the log alone does not show this)
 */
export function statusOf(view: InstanceView, parked: boolean): InstanceStatus {
  const step = nextStep(view);
  switch (step.do) {
    case 'close':
      return 'running';
    case 'settle':
      return 'in_doubt';
    case 'halt':
      return 'halted';
    case 'complete':
      return 'completed';
    case 'cancelled':
      return 'cancelled';
    case 'await':
    case 'wait':
    case 'run':
      return parked ? 'parked' : 'ready';
    case 'start':
    case 'satisfy':
    case 'refute':
    case 'skip':
    case 'unwind':
    case 'cancel':
      return 'ready';
  }
}

/**
 * Every cell of the instance, as `status` shows it; once it is unwound, the undo cells as well, in
 * the order in which they run. See {@link statusOf} for `parked`.
 */
export function cellViews({ runbook, state }: InstanceView, parked: boolean): CellView[] {
  const next = nextCell(runbook, state);
  const undo = state.unwinding === undefined ? [] : undoCells(runbook, state);
  return [...runbook.cells, ...undo].map((cell) => {
    const record = state.cells.get(cell.id);
    const shown: CellView = { cellId: cell.id, type: cellType(cell), state: 'pending' };
    if (cell.title !== undefined) shown.title = cell.title;
    shown.state = cellState(cell, state, parked && cell.id === next?.id);
    if (record !== undefined) shown.attempt = record.attempts;
    if (record?.output !== undefined) shown.output = record.output;
    if (record?.failure !== undefined) shown.error = cellError(record.failure);
    return shown;
  });
}

function cellState(cell: Cell, state: InstanceState, parked: boolean): CellState {
  if ('prose' in cell) return 'text';
  if (state.open?.cellId === cell.id) return 'running';
  if (state.doubt?.cellId === cell.id) return 'in_doubt';
  if (isUndone(cell, state)) return 'undone';
  const record = state.cells.get(cell.id);
  if (record?.result !== undefined) return record.result;
  if (record?.failure !== undefined) return 'failed';
  if (!parked) return 'pending';
  return 'await' in cell && 'claim' in cell.await ? 'awaiting' : 'waiting';
}

function isUndone(cell: Cell, { unwinding, cells }: InstanceState): boolean {
  return unwinding !== undefined && cells.get(undoCellId(cell.id))?.result === 'satisfied';
}

/** The open attempt as receipts and `status` show it. */
export function inFlightOf(open: OpenAttempt): InFlight {
  const { cellId, attempt, requestId, since } = open;
  return { cellId, attempt, requestId, since };
}

/** What receipts and `status` show of an instance that is unwound. */
export function unwindingOf({ by, reason }: Unwinding): UnwindingView {
  return { by, reason };
}

/** What `status` shows of a cancelled instance. */
export function cancelledOf({ by, reason, left }: Cancelled): CancelledView {
  return { by, reason, left };
}

/** The doubt as receipts and `status` show it. */
export function inDoubtOf(doubt: Doubt): InDoubt {
  const { cellId, attempt, reason, since } = doubt;
  return { cellId, attempt, reason, since };
}
