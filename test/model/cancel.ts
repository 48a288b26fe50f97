import type { NextStep } from '../../src/execution/plan.ts';
import { answerCancel, cancelFor, dirty, finish, flush, propose, send, type Walk } from './walk.ts';
import { attemptKey, type Cancel } from './world.ts';

/** The requester of the rows of a cancellation: they are for no request. */
const NO_REQUEST = null;

/**
 * Applies the cancellation that waits, at a step at which no attempt is open. What is known is
 * written first. Returns whether there is nothing more to do at this step; see `applyCancel`.
 */
export function cancelsAt(walk: Walk, step: NextStep): boolean {
  const cancel = cancelFor(walk);
  const { rules, work } = walk;
  if (cancel === undefined) return false;
  if (step.do === 'close') return !rules.cancelAwaitsClosing && apply(walk, cancel);
  if (dirty(work) && work.view.rows.at(-1)?.kind !== 'decided') {
    send(walk, 'applied');
    return true;
  }
  const over = step.do === 'complete' && rules.cancelNeedsCells;
  const again = cancel.undo && work.view.state.unwinding !== undefined;
  if (over || step.do === 'cancelled' || again) return refuse(walk);
  if (step.do === 'settle') return false;
  return apply(walk, cancel);
}

/** A doubt remains after evidence and probe. */
export function cancelsInDoubt(walk: Walk, cancel: Cancel): boolean {
  if (!cancel.undo) return apply(walk, cancel);
  // What is in doubt cannot be undone: a person decides first.
  answerCancel(walk);
  finish(walk, 'in_doubt');
  return true;
}

function apply(walk: Walk, cancel: Cancel): boolean {
  if (cancel.undo) propose(walk, 'unwinding', newest(walk), SAID, NO_REQUEST);
  if (cancel.undo && !walk.rules.unwindingFirst) return undoAtOnce(walk);
  if (!cancel.undo || walk.work.view.step.do === 'cancel')
    propose(walk, 'cancelled', newest(walk), { ...SAID, left: leftDoubts(walk) }, NO_REQUEST);
  send(walk, 'applied');
  return true;
}

const SAID = { by: 'person', reason: 'asked' };

/** It is answered with a conflict; an advance in whose loop it was goes on. */
function refuse(walk: Walk): boolean {
  answerCancel(walk);
  if (walk.work.operation.do !== 'cancel') return false;
  flush(walk);
  return true;
}

/** The runbook has what was done undone. */
export function proposeUnwinding(walk: Walk, reason: string): void {
  propose(walk, 'unwinding', newest(walk), { by: '@policy', reason });
}

/** Nothing is left to undo. */
export function endUnwinding(walk: Walk): void {
  const by = walk.work.view.state.unwinding?.by ?? 'nobody';
  propose(walk, 'cancelled', newest(walk), { by, reason: 'undone', left: leftDoubts(walk) });
  finish(walk, 'cancelled');
}

/** See `leftDoubts` of the advancer. */
function leftDoubts({ rules, work }: Walk): { cellId: string; attempt: number }[] {
  if (!rules.cancelNamesDoubt) return [];
  return [...work.view.state.cells].flatMap(([cellId, { unsettled: attempt }]) =>
    attempt === undefined ? [] : [{ cellId, attempt }],
  );
}

/** The cell and attempt of the newest row, or those of the first. */
function newest({ work: { view } }: Walk): { cellId: string; attempt: number } {
  return view.rows.at(-1) ?? { cellId: 'x', attempt: 1 };
}

/** Begins the first undo without the row that says so. Only a control does. */
function undoAtOnce(walk: Walk): boolean {
  const { work } = walk;
  const { step } = work.view;
  work.view = work.view.prefix(work.view.length - 1);
  if (step.do !== 'start') return refuse(walk);
  const place = { cellId: step.cell.id, attempt: step.attempt };
  propose(walk, 'started', place, { idempotencyKey: `i/${step.cell.id}/1` });
  work.intent = attemptKey(place);
  answerCancel(walk);
  send(walk, 'begin');
  return true;
}
