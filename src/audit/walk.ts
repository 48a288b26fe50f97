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
  idempotencyKeyOf,
  type CellRecord,
  type InstanceState,
} from '../execution/state.ts';
import { statusOf, type InstanceStatus } from '../execution/status.ts';
import { opens } from './attempts.ts';
import type { Evidence } from './evidence.ts';

/** Where an instance stood after a row. */
export interface RequestProgress {
  step: NextStep;
  nextCellId: string | null;
  lastToken: number;
}

/** Where an instance stands after its newest row. */
export interface Ending extends RequestProgress {
  /** What the instance may be said to be; two where only its claim tells. */
  statuses: InstanceStatus[];
  /** What the runbook allows without a person, when a doubt is next. */
  policy: 'hold' | 'rerun' | 'probe' | undefined;
}

/** The doubt that a decision answered, as the log stood before it. */
export interface Answered {
  reason: string;
  /** What the runbook allowed without a person; undefined when the cell is not known. */
  policy: 'hold' | 'rerun' | 'probe' | undefined;
}

/** A log taken row by row, with what the rules said on the way. */
export interface Walk {
  /**
   * What was next before each row that opens something, by seq; absent in the middle of an attempt.
   */
  next: ReadonlyMap<number, NextStep>;
  /** The idempotency key that each `started` row had to give, by seq. */
  keys: ReadonlyMap<number, string>;
  /** By the decision's seq; absent when it answered no doubt. */
  answered: ReadonlyMap<number, Answered>;
  /** Where the instance stood at the seqs that receipts rest on. */
  rests: ReadonlyMap<number, RequestProgress>;
  end: Ending | undefined;
  /** Why the rules could not go on. */
  stuck: { seq: number; why: string } | undefined;
}

/**
 * Walks over the log with the product's own rules. Without a runbook only keys and doubts come of
 * it.
 */
export function walkOf(evidence: Evidence): Walk {
  const { runbook, rows, receipts, instanceId } = evidence;
  const state = emptyState();
  const inputs = evidence.instance?.inputs ?? {};
  const course: InstanceView | undefined = runbook && { runbook, inputs, state };
  const next = new Map<number, NextStep>();
  const keys = new Map<number, string>();
  const answered = new Map<number, Answered>();
  const rests = new Map<number, RequestProgress>();
  const wanted = new Set(receipts.map(({ lastSeq }) => lastSeq));
  let end: Ending | undefined;
  let at = 0;
  try {
    if (course !== undefined && wanted.has(0)) rests.set(0, standing(course));
    for (const row of rows) {
      at = row.seq;
      const record = state.cells.get(row.cellId);
      if (row.kind === 'started')
        keys.set(row.seq, idempotencyKeyOf(instanceId, row.cellId, record));
      if (row.kind === 'decided') {
        const doubt = answeredBy(evidence, state, record, row);
        if (doubt !== undefined) answered.set(row.seq, doubt);
      }
      if (
        course !== undefined &&
        opens(row) &&
        state.open === undefined &&
        state.doubt === undefined
      ) {
        next.set(row.seq, nextStep(course));
      }
      applyRow(state, row);
      if (course !== undefined && wanted.has(row.seq)) rests.set(row.seq, standing(course));
    }
    if (course !== undefined) end = ending(course);
  } catch (cause) {
    // The rules crash loudly over a log that cannot be; here that is a finding.
    const why = errorText(cause);
    return { next, keys, answered, rests, end, stuck: { seq: at, why } };
  }
  return { next, keys, answered, rests, end, stuck: undefined };
}

function standing(course: InstanceView): RequestProgress {
  return {
    step: nextStep(course),
    nextCellId: nextCell(course.runbook, course.state)?.id ?? null,
    lastToken: course.state.lastToken,
  };
}

function ending(course: InstanceView): Ending {
  const stands = standing(course);
  const { step } = stands;
  const statuses = [...new Set([statusOf(course, false), statusOf(course, true)])];
  const policy =
    step.do === 'settle'
      ? policyFor(step.cell, step.doubt, course.state.cells.get(step.doubt.cellId))
      : undefined;
  return { ...stands, statuses, policy };
}

function answeredBy(
  { runbook }: Evidence,
  { doubt }: InstanceState,
  record: CellRecord | undefined,
  row: { cellId: string; attempt: number },
): Answered | undefined {
  if (doubt?.cellId !== row.cellId || doubt.attempt !== row.attempt) return undefined;
  const cell = runbook?.cells.find(({ id }) => id === row.cellId);
  const policy = cell !== undefined && 'exec' in cell ? policyFor(cell, doubt, record) : undefined;
  return { reason: doubt.reason, policy };
}
