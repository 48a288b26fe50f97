import type { JsonObject } from '../json.ts';
import { evaluateChecks } from '../runbook/evaluate-checks.ts';
import {
  cellType,
  onInterrupt,
  type Cell,
  type ExecCell,
  type Runbook,
} from '../runbook/runbook.ts';
import { execCellOf, isUndoCellId, undoCell, undoneBy } from '../runbook/undo.ts';
import { awaitOf, type AwaitStep, type WaitStep } from './await.ts';
import { failureText } from './cell-error.ts';
import type { CellRecord } from './cell-record.ts';
import { planRun, type RunStep } from './children.ts';
import { rerunBackoffMs, retryBackoffMs } from './retry.ts';
import type { Doubt, InstanceState, OpenAttempt } from './state.ts';

/** An instance's runbook, inputs and folded log. */
export interface InstanceView {
  runbook: Runbook;
  inputs: JsonObject;
  /** ISO 8601, when it was started: a wait of an instance whose log is empty began then. */
  recordedAt: string;
  state: InstanceState;
}

/** The only thing that may happen next to an instance. */
export type NextStep =
  /** Open this attempt, after the backoff. */
  | { do: 'start'; cell: ExecCell; attempt: number; backoffMs: number }
  /** Look up the claim, and whether the deadline has passed; then ask `judgeAwait`. */
  | AwaitStep
  /** Look up whether the pause is over, then ask `judgeWait`. */
  | WaitStep
  /** Start the instances of a run cell, or look whether they have ended: ask `judgeRun`. */
  | RunStep
  | { do: 'satisfy'; cell: Cell; attempt: number; body: JsonObject }
  | { do: 'refute'; cell: Cell; attempt: number; body: JsonObject }
  | { do: 'skip'; cell: Cell; attempt: number; body: JsonObject }
  /** An attempt is open: its process ends it, or another closes it once that process is gone. */
  | { do: 'close'; open: OpenAttempt; cell: ExecCell }
  /** An attempt is in doubt. */
  | { do: 'settle'; doubt: Doubt; cell: ExecCell }
  /**
   * A cell failed for good, or was refuted. `attempt` is the one that a decision names; undefined
   * if none is possible, and the instance can only be cancelled.
   */
  | { do: 'halt'; cell: Cell; attempt: number | undefined; why: string }
  /** As a halt, of an instance whose runbook wants it undone: record `unwinding` by `@policy`. */
  | { do: 'unwind'; cell: Cell; attempt: number; reason: string }
  /** Everything is undone: record `cancelled`. */
  | { do: 'cancel' }
  | { do: 'cancelled' }
  | { do: 'complete' };

/**
 * After this many interruptions in a row even a `rerun` cell waits for a person: the cell may be
 * what kills the replicas.
 */
export const MAX_RERUNS = 10;

/**
 * Decides the next step of an instance. Pure: the same log gives the same step on every replica.
 *
 * @throws Error when the log names a cell that the runbook does not have
 */
export function nextStep(view: InstanceView): NextStep {
  const { runbook, state } = view;
  if (state.cancelled !== undefined) return { do: 'cancelled' };
  if (state.open !== undefined) {
    return { do: 'close', open: state.open, cell: execCell(runbook, state.open.cellId) };
  }
  if (state.doubt !== undefined) {
    return { do: 'settle', doubt: state.doubt, cell: execCell(runbook, state.doubt.cellId) };
  }
  if (state.unwinding !== undefined) {
    const undo = nextUndo(runbook, state);
    return undo === undefined ? { do: 'cancel' } : nextAttempt(undo, state);
  }
  const cell = nextCell(runbook, state);
  if (cell === undefined) return { do: 'complete' };
  const step = nextOf(view, cell);
  if (step.do !== 'halt' || step.attempt === undefined || runbook.onHalt !== 'undo') return step;
  return { do: 'unwind', cell, attempt: step.attempt, reason: `${cell.id} ${step.why}` };
}

/** The next step of an instance whose next cell this is. */
function nextOf({ runbook, inputs, recordedAt, state }: InstanceView, cell: Cell): NextStep {
  const record = state.cells.get(cell.id);
  if (record?.result === 'refuted') {
    const why = `was refuted: ${failureText(record.failure ?? null)}`;
    return { do: 'halt', cell, attempt: record.attempts, why };
  }
  const reserved = isUndoCellId(cell.id) ? cell.id : reservedBefore(state);
  if (reserved !== undefined) {
    const why =
      `cannot run: ${reserved} begins with undo-, which names what undoes a cell. Cancel the ` +
      `instance, and start another one under a version of ${runbook.runbook} that names it otherwise`;
    return { do: 'halt', cell, attempt: undefined, why };
  }
  const attempt = (record?.attempts ?? 0) + 1;
  // Looked at once: a cell that has been refuted or begun is run again because someone says so.
  if (attempt === 1 && 'when' in cell && cell.when !== undefined) {
    const { held, fault, seen } = evaluateChecks(cell.when, state.outputs, inputs);
    if (fault !== undefined) return { do: 'refute', cell, attempt, body: { checks: seen } };
    if (!held) return { do: 'skip', cell, attempt, body: { when: seen } };
  }
  if ('exec' in cell) return nextAttempt(cell, state);
  if ('await' in cell) {
    const sinceIso = state.last?.recordedAt ?? recordedAt;
    const step = awaitOf(cell, attempt, { inputs, outputs: state.outputs }, sinceIso);
    return 'error' in step ? { do: 'refute', cell, attempt, body: { error: step.error } } : step;
  }
  if ('assert' in cell) {
    const verdict = evaluateChecks(cell.assert, state.outputs, inputs);
    const body = { checks: verdict.seen };
    return { do: verdict.held ? 'satisfy' : 'refute', cell, attempt, body };
  }
  if ('run' in cell) return planRun(cell, attempt, { inputs, outputs: state.outputs });
  throw new Error(`cell ${cell.id} is ${cellType(cell)} and cannot be next`);
}

/**
 * The next cell: while the instance is unwound, the undo cell that is next, and else the first cell
 * that is neither finished nor prose. Cells run in document order; undefined if none is left.
 */
export function nextCell(runbook: Runbook, state: InstanceState): Cell | undefined {
  if (state.cancelled !== undefined) return undefined;
  if (state.unwinding !== undefined) return nextUndo(runbook, state);
  const { cells } = runbook;
  let known = passed.get(state);
  if (known?.cells !== cells) {
    known = { cells, count: 0 };
    passed.set(state, known);
  }
  while (known.count < cells.length && isPassed(cells[known.count]!, state)) known.count += 1;
  return cells[known.count];
}

/**
 * How many of a runbook's first cells are known to be passed, by state. A passed cell stays passed,
 * so the search for the next one resumes there and costs no more in a long instance than in a short
 * one.
 */
const passed = new WeakMap<InstanceState, { readonly cells: readonly Cell[]; count: number }>();

function isPassed(cell: Cell, state: InstanceState): boolean {
  if ('prose' in cell) return true;
  const result = state.cells.get(cell.id)?.result;
  return result === 'satisfied' || result === 'skipped';
}

/**
 * What is to be undone, in this order: the cells that define an undo and whose effects stand, the
 * newest first. Each is given as the exec cell that undoes it.
 */
export function undoCells({ cells }: Runbook, state: InstanceState): ExecCell[] {
  return cells.toReversed().flatMap((cell) => {
    const undo = stands(state.cells.get(cell.id)) ? undoCell(cell) : undefined;
    return undo === undefined ? [] : [undo];
  });
}

/**
 * The outputs that the effect of a cell sees. An undo cell also sees what its cell put out if that
 * happened and the cell is not satisfied all the same.
 */
export function outputsFor(
  { runbook, state }: Pick<InstanceView, 'runbook' | 'state'>,
  cellId: string,
): JsonObject {
  const undone = state.unwinding && undoneBy(runbook.cells, cellId);
  const left = undone && state.cells.get(undone.id)?.leftOutput;
  return left === undefined ? state.outputs : { ...state.outputs, [undone!.id]: left };
}

function nextUndo(runbook: Runbook, state: InstanceState): ExecCell | undefined {
  return undoCells(runbook, state).find(({ id }) => !isFinished(state.cells.get(id)));
}

/** Whether the cell did something that is still there: also one whose `expect` did not hold. */
function stands(record: CellRecord | undefined): boolean {
  return record?.result === 'satisfied' || record?.happened === true;
}

function isFinished(record: CellRecord | undefined): boolean {
  return record?.result === 'satisfied' || record?.result === 'skipped';
}

/**
 * The cell and the attempt that a row about the instance as a whole names: those of the row before
 * it, or the first cell's.
 */
export function placeOfInstance({ runbook, state }: Pick<InstanceView, 'runbook' | 'state'>): {
  cellId: string;
  attempt: number;
} {
  const { last } = state;
  if (last !== undefined) return { cellId: last.cellId, attempt: last.attempt };
  return { cellId: runbook.cells[0]!.id, attempt: 1 };
}

/** The policy that settles a doubt if no late outcome does. */
export function policyFor(
  cell: ExecCell,
  doubt: Doubt,
  record: CellRecord | undefined,
): 'hold' | 'rerun' | 'probe' {
  if (doubt.reason === 'not_started') return 'rerun';
  // The effect ended, and only a person can say whether as it should have.
  if (doubt.reason === 'unverified') return 'hold';
  const policy = onInterrupt(cell);
  if (policy === 'rerun' && (record?.interruptions ?? 0) >= MAX_RERUNS) return 'hold';
  return policy;
}

function nextAttempt(cell: ExecCell, state: InstanceState): NextStep {
  const record = state.cells.get(cell.id);
  const attempt = (record?.attempts ?? 0) + 1;
  const instanceId = state.last?.instanceId ?? '';
  if (record?.failure === undefined)
    return { do: 'start', cell, attempt, backoffMs: rerunBackoffMs(cell, record, instanceId) };
  const halted = (why: string): NextStep => ({
    do: 'halt',
    cell,
    attempt: record.attempts,
    why: `${why}: ${failureText(record.failure ?? null)}`,
  });
  if (record.happened) return halted('happened, but not as expected');
  if (record.failures >= (cell.retry?.attempts ?? 1))
    return halted(`failed ${times(record.failures)}`);
  return { do: 'start', cell, attempt, backoffMs: retryBackoffMs(cell, record, instanceId) };
}

/** A cell of an earlier release whose id is an undo cell's, if the newest row is of one. */
function reservedBefore({ last }: InstanceState): string | undefined {
  return last !== undefined && isUndoCellId(last.cellId) ? last.cellId : undefined;
}

function execCell(runbook: Runbook, cellId: string): ExecCell {
  const cell = execCellOf(runbook.cells, cellId);
  if (cell === undefined) {
    throw new Error(
      `the log names ${cellId}, which is not an exec cell of ${runbook.runbook} version ${runbook.version}`,
    );
  }
  return cell;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}
