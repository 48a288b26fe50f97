import { errorText } from '../error-text.ts';
import {
  nextCell,
  nextStep,
  policyFor,
  type InstanceView,
  type NextStep,
} from '../execution/plan.ts';
import {
  applyRow,
  emptyState,
  nextIdempotencyKey,
  type Doubt,
  type InstanceState,
} from '../execution/state.ts';
import type { CellRecord } from '../execution/cell-record.ts';
import { isOfInstance, opens } from '../execution/row.ts';
import { statusOf, type InstanceStatus } from '../execution/status.ts';
import { execCellOf } from '../runbook/undo.ts';
import type { Evidence } from './evidence.ts';

/** Where an instance was after a row. */
export interface StateAtRow {
  step: NextStep;
  nextCellId: string | null;
  lastToken: number;
}

/** Where an instance is after its newest row. */
export interface EndState extends StateAtRow {
  /** The possible statuses; two if the status depends on its claim. */
  statuses: InstanceStatus[];
  /** What the runbook allows without a person, if a doubt is to be settled next. */
  policy: 'hold' | 'rerun' | 'probe' | undefined;
}

/** The doubt that a decision settled, as of the row before it. */
export interface AnsweredDoubt {
  reason: string;
  /** What the runbook allowed without a person; undefined when the cell is not known. */
  policy: 'hold' | 'rerun' | 'probe' | undefined;
}

/** A log replayed row by row, with what the rules say at each row. */
export interface Walk {
  /** By seq of a decision, `unwinding` and `cancelled`: what was due. */
  before: ReadonlyMap<number, NextStep>;
  /** By seq of a row that opens something: what was due; absent in the middle of an attempt. */
  next: ReadonlyMap<number, NextStep>;
  /** The idempotency key that each `started` row must have, by seq. */
  keys: ReadonlyMap<number, string>;
  /** By the decision's seq; absent if it settled no doubt. */
  answered: ReadonlyMap<number, AnsweredDoubt>;
  /** Where the instance was at the seqs that receipts rest on. */
  rests: ReadonlyMap<number, StateAtRow>;
  end: EndState | undefined;
  /** Why the rules could not continue. */
  stuck: { seq: number; why: string } | undefined;
}

/**
 * Replays the log with the product's own rules. Without a runbook it yields only keys and doubts.
 */
export function walkOf(evidence: Evidence): Walk {
  const { runbook, rows, receipts, instanceId } = evidence;
  const state = emptyState();
  const { inputs = {}, recordedAt = '' } = evidence.instance ?? {};
  const view: InstanceView | undefined = runbook && { runbook, inputs, recordedAt, state };
  const before = new Map<number, NextStep>();
  const next = new Map<number, NextStep>();
  const keys = new Map<number, string>();
  const answered = new Map<number, AnsweredDoubt>();
  const rests = new Map<number, StateAtRow>();
  const wanted = new Set(receipts.map(({ lastSeq }) => lastSeq));
  let end: EndState | undefined;
  let at = 0;
  try {
    if (view !== undefined && wanted.has(0)) rests.set(0, stateAtRow(view));
    for (const row of rows) {
      at = row.seq;
      const record = state.cells.get(row.cellId);
      if (row.kind === 'started')
        keys.set(row.seq, nextIdempotencyKey(instanceId, row.cellId, record));
      if (row.kind === 'decided') {
        const doubt = answeredBy(evidence, state, record, row);
        if (doubt !== undefined) answered.set(row.seq, doubt);
      }
      if (view !== undefined && (row.kind === 'decided' || isOfInstance(row)))
        before.set(row.seq, nextStep(view));
      if (
        view !== undefined &&
        opens(row) &&
        state.open === undefined &&
        state.doubt === undefined
      ) {
        next.set(row.seq, nextStep(view));
      }
      applyRow(state, row);
      if (view !== undefined && wanted.has(row.seq)) rests.set(row.seq, stateAtRow(view));
    }
    if (view !== undefined) end = endState(view, evidence);
  } catch (cause) {
    // The rules throw on an impossible log; here that is a finding.
    const why = errorText(cause);
    return { before, next, keys, answered, rests, end, stuck: { seq: at, why } };
  }
  return { before, next, keys, answered, rests, end, stuck: undefined };
}

function stateAtRow(view: InstanceView): StateAtRow {
  return {
    step: nextStep(view),
    nextCellId: nextCell(view.runbook, view.state)?.id ?? null,
    lastToken: view.state.lastToken,
  };
}

function endState(view: InstanceView, evidence: Evidence): EndState {
  const current = stateAtRow(view);
  const { step } = current;
  const statuses = [...new Set([statusOf(view, false), statusOf(view, true)])];
  if (step.do !== 'settle') return { ...current, statuses, policy: undefined };
  const policy = isForPerson(evidence, step.doubt)
    ? 'hold'
    : policyFor(step.cell, step.doubt, view.state.cells.get(step.doubt.cellId));
  return { ...current, statuses, policy };
}

/** Whether the attempt's process reported late that only a person can judge its effect. */
function isForPerson({ lateOutcomes }: Evidence, { cellId, attempt }: Doubt): boolean {
  const about = lateOutcomes.filter((late) => late.cellId === cellId && late.attempt === attempt);
  return about.some(({ kind }) => kind === 'unverified');
}

function answeredBy(
  { runbook }: Evidence,
  { doubt }: InstanceState,
  record: CellRecord | undefined,
  row: { cellId: string; attempt: number },
): AnsweredDoubt | undefined {
  if (doubt?.cellId !== row.cellId || doubt.attempt !== row.attempt) return undefined;
  const cell = runbook && execCellOf(runbook.cells, row.cellId);
  const policy = cell && policyFor(cell, doubt, record);
  return { reason: doubt.reason, policy };
}
