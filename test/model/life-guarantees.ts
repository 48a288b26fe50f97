import { openDoubts } from '../../src/audit/open-doubts.ts';
import { nextStep } from '../../src/execution/plan.ts';
import type { Row } from '../../src/execution/row.ts';
import { foldRows } from '../../src/execution/state.ts';
import { undoCell } from '../../src/runbook/undo.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import type { Breach } from './guarantees.ts';
import { NOON } from './noon.ts';
import { attemptKey } from './world.ts';

/**
 * The guarantee on the life of an instance that the newest row of a log breaks: what may follow
 * when it is cancelled, when it unwinds, and when a person answers a halted cell. It is said here a
 * second time, without the chain rule and the plan.
 */
export function breachOfLife(runbook: Runbook, rows: readonly Row[]): Breach | undefined {
  const last = rows.at(-1);
  const before = rows.at(-2);
  if (last === undefined) return undefined;
  const earlier = rows.slice(0, -1);
  const name = `${last.kind} ${attemptKey(last)}`;
  if (earlier.some(({ kind }) => kind === 'cancelled'))
    return { guarantee: '3 nothing follows a cancellation', what: `${name} does` };
  if (last.kind === 'decided' && last.body['by'] === 'person' && !answers(before, last))
    return { guarantee: '3 one decision counts', what: `${name} answers what nobody asks` };
  if (isUndo(last)) return breachOfUndo(runbook, earlier, last);
  switch (last.kind) {
    case 'unwinding':
      if (earlier.some(({ kind }) => kind === 'unwinding'))
        return { guarantee: '3 an instance unwinds at most once', what: `${name} is the second` };
      return breachOfEnd(runbook, earlier, last);
    case 'cancelled':
      return breachOfEnd(runbook, earlier, last);
    default:
      return earlier.some(({ kind }) => kind === 'unwinding')
        ? { guarantee: '3 nothing but undoing follows unwinding', what: `${name} does` }
        : undefined;
  }
}

/** Whether a person's decision answers a doubt or a failure of the attempt that it names. */
function answers(before: Row | undefined, last: Row): boolean {
  if (before === undefined || attemptKey(before) !== attemptKey(last)) return false;
  if (before.kind === 'decided') return before.body['as'] === 'failed';
  return before.kind === 'interrupted' || before.kind === 'failed' || before.kind === 'refuted';
}

function breachOfEnd(runbook: Runbook, earlier: readonly Row[], last: Row): Breach | undefined {
  const before = earlier.at(-1);
  if (before?.kind === 'started') {
    const what = `${attemptKey(before)} is open when it is ${last.kind}`;
    return { guarantee: '3 nothing is open when an instance is cancelled', what };
  }
  if (
    nextStep({ runbook, inputs: {}, recordedAt: NOON, state: foldRows(earlier) }).do === 'complete'
  )
    return {
      guarantee: '3 completed or cancelled, never both',
      what: `${last.kind} after its end`,
    };
  if (last.kind !== 'cancelled') return undefined;
  const due = openDoubts(earlier).map(attemptKey).sort().join();
  const left = (last.body['left'] as { cellId: string; attempt: number }[]).map(attemptKey);
  if (left.sort().join() !== due) {
    const what = `it names (${left.join()}), and (${due}) is in doubt`;
    return { guarantee: '6 a cancellation names the doubt that it leaves', what };
  }
  if (last.requestId === null) return undefined;
  const missing = toUndo(runbook, earlier).filter((id) => !isUndone(earlier, id));
  return missing.length === 0
    ? undefined
    : {
        guarantee: '5 what was done is undone once, or visibly not',
        what: `it ends, and ${missing.join()} is not undone`,
      };
}

function breachOfUndo(runbook: Runbook, earlier: readonly Row[], last: Row): Breach | undefined {
  const name = attemptKey(last);
  const at = earlier.findIndex(({ kind }) => kind === 'unwinding');
  if (at === -1)
    return {
      guarantee: '3 an undo runs only after unwinding',
      what: `${last.kind} ${name} does not`,
    };
  if (
    last.kind === 'completed' &&
    earlier.some((row) => row.kind === 'completed' && row.cellId === last.cellId)
  )
    return {
      guarantee: '5 what was done is undone once, or visibly not',
      what: `${last.cellId} is undone twice`,
    };
  if (last.kind !== 'started') return undefined;
  const due = toUndo(runbook, earlier)
    .filter((id) => !isUndone(earlier, id))
    .at(-1);
  return `undo-${due}` === last.cellId
    ? undefined
    : {
        guarantee: '3 what was done last is undone first',
        what: `${name} runs, and ${due} is next`,
      };
}

/** The satisfied cells that define an undo, in the order in which they ran. */
function toUndo({ cells }: Runbook, rows: readonly Row[]): string[] {
  return cells
    .filter((cell) => undoCell(cell) !== undefined)
    .map(({ id }) => id)
    .filter((id) => rows.some((row) => row.cellId === id && satisfies(row)));
}

function satisfies({ kind, body }: Row): boolean {
  if (kind === 'completed' || kind === 'satisfied') return true;
  if (kind === 'failed' || kind === 'interrupted') return body['happened'] === true;
  return kind === 'decided' && (body['as'] === 'succeeded' || body['happened'] === true);
}

function isUndone(rows: readonly Row[], id: string): boolean {
  return rows.some(
    ({ cellId, kind, body }) =>
      cellId === `undo-${id}` &&
      (kind === 'completed' ||
        (kind === 'decided' && (body['as'] === 'succeeded' || body['as'] === 'skipped'))),
  );
}

function isUndo({ kind, cellId }: Row): boolean {
  return kind !== 'cancelled' && kind !== 'unwinding' && cellId.startsWith('undo-');
}
