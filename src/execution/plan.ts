import type { JsonObject } from '../json.ts';
import { isId } from '../ids.ts';
import { parseDurationMs } from '../time/duration.ts';
import { evaluateChecks } from '../runbook/evaluate-checks.ts';
import { fill } from '../runbook/placeholder.ts';
import {
  cellType,
  onInterrupt,
  type AwaitCell,
  type Cell,
  type ExecCell,
  type Runbook,
} from '../runbook/runbook.ts';
import { failureText } from './cell-error.ts';
import type { CellRecord } from './cell-record.ts';
import type { Doubt, InstanceState, OpenAttempt } from './state.ts';
import type { Awaiting } from './views.ts';

/** An instance's runbook, inputs and folded log. */
export interface InstanceView {
  runbook: Runbook;
  inputs: JsonObject;
  state: InstanceState;
}

/** The newest revision of a claim; undefined if it was never made. */
export type ClaimView =
  { revision: number; status: string; agentId: string; evidence?: unknown } | undefined;

/** The only thing that may happen next to an instance. */
export type NextStep =
  /** Open this attempt, after the backoff. */
  | { do: 'start'; cell: ExecCell; attempt: number; backoffMs: number }
  /** Look up the claim, then ask {@link judgeAwait}. */
  | { do: 'await'; cell: AwaitCell; claimId: string; statuses: string[] }
  | { do: 'satisfy'; cell: Cell; body: JsonObject }
  | { do: 'refute'; cell: Cell; body: JsonObject }
  /** An attempt is open: its process ends it, or another closes it once that process is gone. */
  | { do: 'close'; open: OpenAttempt; cell: ExecCell }
  /** An attempt is in doubt. */
  | { do: 'settle'; doubt: Doubt; cell: ExecCell }
  /** A cell failed for good, or an assert was false. */
  | { do: 'halt'; cell: Cell; why: string }
  | { do: 'complete' };

/**
 * After this many interruptions in a row even a `rerun` cell waits for a person: the cell may be
 * what kills the replicas.
 */
export const MAX_RERUNS = 10;

/** The wait before a first retry if the runbook does not give one. */
const DEFAULT_BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 60_000;
/** A receiver that asks for a longer wait is asked again after this one. */
export const MAX_RETRY_AFTER_MS = 300_000;

/**
 * Decides the next step of an instance. Pure: the same log gives the same step on every replica.
 *
 * @throws Error when the log names a cell that the runbook does not have
 */
export function nextStep({ runbook, inputs, state }: InstanceView): NextStep {
  if (state.open !== undefined) {
    return { do: 'close', open: state.open, cell: execCell(runbook, state.open.cellId) };
  }
  if (state.doubt !== undefined) {
    return { do: 'settle', doubt: state.doubt, cell: execCell(runbook, state.doubt.cellId) };
  }
  const cell = nextCell(runbook, state);
  if (cell === undefined) return { do: 'complete' };
  const record = state.cells.get(cell.id);
  if (record?.result === 'refuted')
    return { do: 'halt', cell, why: `was refuted: ${failureText(record.failure ?? null)}` };
  if ('exec' in cell) return nextAttempt(cell, record);
  const scope = { inputs, outputs: state.outputs };
  if ('await' in cell) {
    const filled = fill([cell.await.claim, ...cell.await.statuses], scope);
    if (!filled.ok) return { do: 'refute', cell, body: { error: filled.message } };
    const [claimId, ...statuses] = filled.value as unknown[];
    if (!isId(claimId)) {
      return {
        do: 'refute',
        cell,
        body: { error: `${JSON.stringify(claimId)} is not a claim id` },
      };
    }
    return { do: 'await', cell, claimId, statuses: statuses.map(String) };
  }
  if ('assert' in cell) {
    const verdict = evaluateChecks(cell.assert, scope.outputs, inputs);
    return { do: verdict.held ? 'satisfy' : 'refute', cell, body: { checks: verdict.seen } };
  }
  throw new Error(`cell ${cell.id} is ${cellType(cell)} and cannot be next`);
}

/** Whether the claim satisfies an await, or the instance parks. */
export function judgeAwait(
  step: Extract<NextStep, { do: 'await' }>,
  claim: ClaimView,
): { do: 'satisfy'; body: JsonObject } | { do: 'park'; awaiting: Awaiting } {
  if (claim !== undefined && step.statuses.includes(claim.status)) {
    const { revision, status, agentId } = claim;
    const evidence = (claim.evidence ?? null) as JsonObject[string];
    return { do: 'satisfy', body: { claimId: step.claimId, revision, status, agentId, evidence } };
  }
  const currentStatus = claim?.status ?? null;
  return {
    do: 'park',
    awaiting: {
      cellId: step.cell.id,
      claimId: step.claimId,
      statuses: step.statuses,
      currentStatus,
    },
  };
}

/** The first cell that is neither finished nor prose. Cells run in document order. */
export function nextCell({ cells }: Runbook, state: InstanceState): Cell | undefined {
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

function nextAttempt(cell: ExecCell, record: CellRecord | undefined): NextStep {
  const attempt = (record?.attempts ?? 0) + 1;
  if (record?.failure === undefined)
    return { do: 'start', cell, attempt, backoffMs: waitMs(record, rerunBackoffMs(cell, record)) };
  if (record.happened) {
    const why = `happened, but not as expected: ${failureText(record.failure)}`;
    return { do: 'halt', cell, why };
  }
  if (record.failures >= (cell.retry?.attempts ?? 1)) {
    return {
      do: 'halt',
      cell,
      why: `failed ${times(record.failures)}: ${failureText(record.failure)}`,
    };
  }
  const backoffMs = doubled(backoffOf(cell) ?? DEFAULT_BACKOFF_MS, record.failures);
  return { do: 'start', cell, attempt, backoffMs: waitMs(record, backoffMs) };
}

/** The backoff, or what the receiver asked for if that is longer. */
function waitMs(record: CellRecord | undefined, backoffMs: number): number {
  return Math.max(backoffMs, Math.min(MAX_RETRY_AFTER_MS, record?.retryAfterMs ?? 0));
}

function backoffOf(cell: ExecCell): number | undefined {
  return parseDurationMs(cell.retry?.backoff ?? '');
}

function doubled(firstMs: number, count: number): number {
  return Math.min(MAX_BACKOFF_MS, firstMs * 2 ** (count - 1));
}

/**
 * The backoff of the cell's `retry`. If it gives none, the first rerun is immediate; a cell that
 * keeps being interrupted waits longer each time.
 */
function rerunBackoffMs(cell: ExecCell, record: CellRecord | undefined): number {
  const interruptions = record?.interruptions ?? 0;
  const ownMs = backoffOf(cell);
  if (ownMs !== undefined) return interruptions === 0 ? 0 : doubled(ownMs, interruptions);
  return interruptions < 2 ? 0 : Math.min(5_000, DEFAULT_BACKOFF_MS * 2 ** (interruptions - 2));
}

function execCell(runbook: Runbook, cellId: string): ExecCell {
  const cell = runbook.cells.find(({ id }) => id === cellId);
  if (cell === undefined || !('exec' in cell)) {
    throw new Error(
      `the log names ${cellId}, which is not an exec cell of ${runbook.runbook} version ${runbook.version}`,
    );
  }
  return cell;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}
