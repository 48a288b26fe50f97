import type { NextStep } from '../../../../src/execution/plan.ts';
import type { InstanceState } from '../../../../src/execution/state.ts';
import type { Receipt } from '../../../../src/request/receipt.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';
import { RUNBOOK as SAMPLE } from './sample.ts';

const UNDO = { undo: { exec: { handler: 'any' }, retry: { attempts: 2 } } };

/**
 * The sample's cells, of which every one that runs may be tried three times and can be undone; and
 * one that is skipped, a pause and a deadline.
 */
export const RUNBOOK: Runbook = {
  ...SAMPLE,
  cells: [
    ...SAMPLE.cells.map((cell) =>
      'exec' in cell ? { ...cell, retry: { attempts: 3 }, ...UNDO } : cell,
    ),
    { id: 'warm', exec: { handler: 'any' }, when: [{ cell: 'held', pointer: '', equals: 8 }] },
    { id: 'soak', await: { for: '1s' } },
    { id: 'late', await: { claim: 'gate', statuses: ['open'], within: '1s', otherwise: 'skip' } },
  ],
};

/** The doubts that a cancellation leaves, as the fold of the log notes them. */
export function leftIn({ cells }: InstanceState): { cellId: string; attempt: number }[] {
  return [...cells].flatMap(([cellId, { unsettled: attempt }]) =>
    attempt === undefined ? [] : [{ cellId, attempt }],
  );
}

/** The outcome of a receipt that rests where this is next; undefined where none may rest. */
export const OUTCOME_AT: { [step in NextStep['do']]: Receipt['outcome'] | undefined } = {
  start: 'advanced',
  await: 'parked',
  satisfy: 'advanced',
  refute: 'advanced',
  close: undefined,
  settle: 'in_doubt',
  halt: 'halted',
  complete: 'completed',
  wait: 'parked',
  run: 'parked',
  skip: 'advanced',
  unwind: 'advanced',
  cancel: 'advanced',
  cancelled: 'cancelled',
};
