import { isOfInstance, type Row } from '../../execution/row.ts';
import { isUndoCellId, undoCell, undoCellId } from '../../runbook/undo.ts';
import type { Runbook } from '../../runbook/runbook.ts';
import { seqsOf } from '../attempts.ts';
import type { Check } from '../check.ts';
import { withoutReserved } from '../reserved.ts';

/** Guarantees 3 and 5: what was done is undone once, the newest first. */
export const UNDO: readonly Check[] = [
  {
    name: 'undone-only-while-unwinding',
    guarantee: 3,
    severity: 'breach',
    states: 'undo cells run after unwinding, and nothing else does',
    of: 'rows of undo cells, and after unwinding',
    needs: [],
    look({ evidence }, report) {
      const rows = withoutReserved(evidence.rows, evidence.runbook);
      let unwinding: Row | undefined;
      let seen = 0;
      for (const row of rows) {
        if (row.kind === 'unwinding') unwinding ??= row;
        if (isOfInstance(row)) continue;
        const undoes = isUndoCellId(row.cellId);
        if (undoes || unwinding !== undefined) seen += 1;
        const what = `${row.kind} ${row.cellId} attempt ${row.attempt} came`;
        if (undoes && unwinding === undefined) report([row.seq], `${what} without unwinding`);
        if (!undoes && unwinding !== undefined)
          report(seqsOf(unwinding, row), `${what} after unwinding`);
      }
      return seen;
    },
  },
  {
    name: 'undone-in-reverse-order',
    guarantee: 3,
    severity: 'breach',
    states:
      'the cells that were satisfied and define an undo are undone one after another, the last one first',
    of: 'undo cells',
    needs: ['runbook'],
    look({ evidence: { rows, runbook } }, report) {
      const at = rows.findIndex(({ kind }) => kind === 'unwinding');
      if (runbook === undefined || at === -1) return 0;
      const due = toUndo(runbook, rows.slice(0, at));
      const finished = new Set<string>();
      const begun = new Set<string>();
      for (const row of rows.slice(at + 1)) {
        if (row.kind === 'started') {
          begun.add(row.cellId);
          const next = due.find((cellId) => !finished.has(cellId));
          if (row.cellId !== next)
            report([row.seq], `${row.cellId} runs, but next is ${next ?? 'nothing'}`);
        }
        if (finishes(row)) finished.add(row.cellId);
      }
      return begun.size;
    },
  },
  {
    name: 'undone-once-or-visibly-not',
    guarantee: 5,
    severity: 'breach',
    states:
      'what unwinding has to undo is undone exactly once, unless it is in doubt, has halted, waits for the next request, or was cancelled',
    of: 'cells to undo',
    needs: ['runbook'],
    look({ evidence: { rows, runbook } }, report) {
      const at = rows.findIndex(({ kind }) => kind === 'unwinding');
      if (runbook === undefined || at === -1) return 0;
      const due = toUndo(runbook, rows.slice(0, at));
      const end = rows.find(({ kind }) => kind === 'cancelled');
      // A cancellation that someone asked for is for no request, and may come before the last undo.
      const over = end !== undefined && end.requestId !== null;
      for (const cellId of due) {
        const own = rows.filter((row) => row.cellId === cellId && finishes(row));
        if (own.length > 1) report(seqsOf(...own), `${cellId} was finished ${own.length} times`);
        else if (own.length === 0 && over)
          report(seqsOf(end), `the instance is cancelled, and ${cellId} was never finished`);
      }
      return due.length;
    },
  },
];

/**
 * The ids of the undo cells that an unwinding after these rows has to run, in order. Said here
 * without the product's plan.
 */
function toUndo({ cells }: Runbook, rows: readonly Row[]): string[] {
  const due: string[] = [];
  for (const cell of cells) {
    if (undoCell(cell) === undefined) continue;
    let stands = false;
    let happened = false;
    for (const row of rows) {
      if (row.cellId !== cell.id) continue;
      const failed =
        row.kind === 'failed' || (row.kind === 'decided' && row.body['as'] === 'failed');
      if (failed) happened = row.body['happened'] === true;
      // Nobody can decide away that the effect happened.
      if (row.kind === 'interrupted' && row.body['happened'] === true) happened = true;
      if (row.kind === 'completed' || row.kind === 'satisfied') stands = true;
      if (row.kind === 'decided') stands = row.body['as'] === 'succeeded';
    }
    if (stands || happened) due.unshift(undoCellId(cell.id));
  }
  return due;
}

/** Whether the row ends an undo cell for good. */
function finishes({ kind, cellId, body: { as } }: Row): boolean {
  if (!isUndoCellId(cellId)) return false;
  return kind === 'completed' || (kind === 'decided' && (as === 'succeeded' || as === 'skipped'));
}
