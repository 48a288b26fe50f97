import { isOfInstance, type Row } from '../../src/execution/row.ts';
import { isId } from '../../src/ids.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import { undoCell, undoCellId } from '../../src/runbook/undo.ts';
import type { Evidence } from '../../src/audit/evidence.ts';
import { hasHappened, isRecordedAsHappened } from './happened.ts';
import type { Fault } from './outside-checks.ts';
import type { WitnessedEffect } from './witness.ts';

/** An undo cell that is due, as the log and the witness have it. */
interface Undone {
  /** The cell that it undoes. */
  of: string;
  cellId: string;
  rows: readonly Row[];
  /** Whether its effect happened, by the log: it says so itself, or its probe does. */
  happened: boolean;
  /** A person has decided that it counts as done, or is left out. */
  settled: boolean;
  /** How many of its attempts nobody knew the outcome of. */
  doubts: number;
  /** Where its effects are in the list of those that the witness saw happen. */
  seenAt: readonly number[];
}

/**
 * What the witness saw of an instance that was unwound. A cell counts as undone only if the witness
 * saw that, whatever the log says, and in the order in which the witness saw it.
 *
 * @param effects what the witness saw of the instance, in order of arrival
 */
export function undoFaults(
  { rows, runbook }: Pick<Evidence, 'rows' | 'runbook'>,
  effects: readonly WitnessedEffect[],
): { looked: number; faults: Fault[] } {
  if (runbook === undefined || !rows.some(({ kind }) => kind === 'unwinding'))
    return { looked: 0, faults: [] };
  const happened = effects.filter(hasHappened);
  const all = undoneOf(runbook, rows, happened);
  const faults = all.flatMap((one) => onceFaults(one, rows, happened));
  // One that a person settled may still be on its way, in a process that was frozen.
  const recorded = all.filter(({ rows: own }) => own.some(({ kind }) => kind === 'completed'));
  let newest = -1;
  for (const { cellId, rows: own, seenAt } of recorded) {
    const [first] = seenAt;
    if (first === undefined) continue;
    if (first < newest) {
      const what = `${cellId} was seen before what has to be undone earlier`;
      faults.push({ check: 'undo-seen-in-reverse', guarantee: 3, seqs: seqsOf(own), what });
    }
    newest = Math.max(newest, first);
  }
  return { looked: all.length, faults };
}

/** Every cell that defines an undo, in the order in which they are undone. */
function undoneOf(
  { cells }: Runbook,
  rows: readonly Row[],
  happened: readonly WitnessedEffect[],
): Undone[] {
  return cells.toReversed().flatMap((cell) => {
    if (undoCell(cell) === undefined) return [];
    const cellId = undoCellId(cell.id);
    const own = rows.filter((row) => row.cellId === cellId && !isOfInstance(row));
    const undone: Undone = {
      of: cell.id,
      cellId,
      rows: own,
      happened: own.some(isRecordedAsHappened),
      settled: own.some(
        ({ kind, body: { as, by } }) =>
          kind === 'decided' && (as === 'succeeded' || as === 'skipped') && isId(by),
      ),
      doubts: own.filter(
        ({ kind, body }) => kind === 'interrupted' && body['reason'] !== 'not_started',
      ).length,
      seenAt: happened.flatMap((effect, index) => (effect.cellId === cellId ? [index] : [])),
    };
    return [undone];
  });
}

function onceFaults(
  { of, cellId, rows: own, happened, settled, doubts, seenAt }: Undone,
  rows: readonly Row[],
  effects: readonly WitnessedEffect[],
): Fault[] {
  const fault = (what: string, seqs: number[]): Fault[] => [
    { check: 'undo-seen-once', guarantee: 5, seqs, what },
  ];
  const times = seenAt.length;
  if (happened && times === 0)
    return fault(`${cellId} is recorded as done, and the witness never saw it`, seqsOf(own));
  // Each more than one needs a doubt that says so.
  if (times > 1 + doubts)
    return fault(`${cellId} was seen ${times} times, with ${doubts} doubts recorded`, seqsOf(own));
  const end = rows.find(({ kind }) => kind === 'cancelled');
  // A cancellation that someone asked for is for no request, and may come before the last undo.
  if (end === undefined || end.requestId === null || happened || settled) return [];
  const newest = rows.findLast((row) => row.cellId === of && !isOfInstance(row));
  const stands = newest?.kind === 'completed';
  if (!stands || !effects.some(({ cellId: id }) => id === of)) return [];
  return fault(`the witness saw ${of}, and the instance ended without undoing it`, [end.seq]);
}

function seqsOf(rows: readonly Row[]): number[] {
  return rows.map(({ seq }) => seq);
}
