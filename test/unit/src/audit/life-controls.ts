import { at } from './sample-log.ts';
import { row, until, type Control } from './evidence-edits.ts';

/** Negative controls, on the sample of an instance's whole life. */
export const LIFE_CONTROLS: readonly Control[] = [
  [
    'cancelled-is-final',
    'a cell began all the same',
    (e) =>
      void e.rows.push({
        ...row(e, 22),
        seq: 25,
        cellId: 'last',
        body: { idempotencyKey: 'i/last/1' },
        recordedAt: at(42),
      }),
  ],
  [
    'chain-unbroken',
    'a cell began after the cancellation',
    (e) => void e.rows.push({ ...row(e, 20), seq: 25, recordedAt: at(42) }),
  ],
  [
    'nothing-runs-after-cancelled',
    'an effect was seen after the cancellation',
    (e) => void (e.witness![5]!.at = at(50)),
  ],
  [
    'unwinds-at-most-once',
    'it was unwound twice',
    (e) => void Object.assign(row(e, 24), { kind: 'unwinding' }),
  ],
  [
    'cancelled-while-cells-were-left',
    'every cell was done',
    (e) => void (e.runbook!.cells = e.runbook!.cells.filter(({ id }) => id !== 'last')),
  ],
  ['ended-by-whom', 'nobody is named', (e) => void (row(e, 24).body['by'] = '')],
  ['ended-by-whom', 'somebody who did not ask', (e) => void (row(e, 19).body['by'] = 'eve')],
  [
    'ended-by-whom',
    'the runbook, which does not say so',
    (e) => void (row(e, 19).body['by'] = '@policy'),
  ],
  ['left-names-open-doubts', 'the doubt is not named', (e) => void (row(e, 24).body['left'] = [])],
  [
    'left-names-open-doubts',
    'a doubt is named that was settled',
    (e) => void (row(e, 24).body['left'] as object[]).push({ cellId: 'ship', attempt: 1 }),
  ],
  ['left-names-open-doubts', 'there is no list', (e) => void delete row(e, 24).body['left']],
  [
    'undone-only-while-unwinding',
    'it was undone without unwinding',
    (e) => {
      e.rows.splice(18, 1);
    },
  ],
  ['undone-only-while-unwinding', 'another cell went on', (e) => void (row(e, 20).cellId = 'last')],
  [
    'undone-in-reverse-order',
    'the first cell was undone first',
    (e) => {
      for (const seq of [20, 21]) row(e, seq).cellId = 'undo-book';
      for (const seq of [22, 23, 24]) row(e, seq).cellId = 'undo-pay';
    },
  ],
  [
    'undone-in-reverse-order',
    'a cell was undone that had been skipped',
    (e) => {
      for (const seq of [22, 23, 24]) row(e, seq).cellId = 'undo-warm';
    },
  ],
  [
    'undone-once-or-visibly-not',
    'a cell was not undone, and nobody cancelled',
    (e) => void (row(e, 24).requestId = 'q4'),
  ],
  [
    'undone-once-or-visibly-not',
    'a cell was undone twice',
    (e) => {
      row(e, 22).cellId = 'undo-pay';
      Object.assign(row(e, 23), { cellId: 'undo-pay', kind: 'completed', body: { output: null } });
    },
  ],
  [
    'skipped-only-where-allowed',
    'a cell was skipped whose condition held',
    (e) => void (row(e, 2).body['output'] = { warm: true }),
  ],
  [
    'skipped-only-where-allowed',
    'other values are recorded than were there',
    (e) => void (row(e, 2).body['output'] = { warm: 'no' }),
  ],
  [
    'skipped-only-where-allowed',
    'a cell ran whose condition did not hold',
    (e) => void Object.assign(row(e, 3), { kind: 'started', body: { idempotencyKey: 'i/warm/1' } }),
  ],
  [
    'skipped-only-where-allowed',
    'a deadline skipped a cell that it halts',
    (e) => void (row(e, 5).kind = 'skipped'),
  ],
  [
    'wait-ended-when-due',
    'a pause ended too soon',
    (e) => void (row(e, 4).recordedAt = at(12.999)),
  ],
  [
    'wait-ended-when-due',
    'a deadline passed too soon',
    (e) => void (row(e, 5).recordedAt = at(18)),
  ],
  [
    'wait-ended-when-due',
    'by a microsecond',
    (e) => {
      row(e, 7).recordedAt = at(23).replace('000Z', '000002Z');
      row(e, 8).body['deadline'] = at(24).replace('000Z', '000002Z');
      row(e, 8).recordedAt = at(24).replace('000Z', '000001Z');
    },
  ],
  [
    'wait-ended-when-due',
    'the row names another moment',
    (e) => void (row(e, 4).body['until'] = at(12)),
  ],
  [
    'verdict-follows-from-log',
    'a deadline that skips refuted the cell',
    (e) => void (row(e, 8).kind = 'refuted'),
  ],
  [
    'claim-came-first',
    'the claim was made later',
    (e) => {
      const made = { revision: 1, status: 'open', agentId: 'bob', recordedAt: at(24) };
      e.claims = () => made;
    },
  ],
  [
    'halted-cell-repaired-by-agent',
    'by the runbook',
    (e) => void (row(e, 13).body['by'] = '@policy'),
  ],
  [
    'halted-cell-repaired-by-agent',
    'while retries were left',
    (e) => {
      Object.assign(e.runbook!.cells[5]!, { retry: { attempts: 3 } });
    },
  ],
  [
    'halted-cell-repaired-by-agent',
    'as failed again',
    (e) => void (row(e, 13).body['as'] = 'failed'),
  ],
  [
    'each-attempt-once',
    'a halted cell was decided twice',
    (e) => void e.rows.splice(13, 0, { ...row(e, 13), seq: 14 }),
  ],
  [
    'retries-within-budget',
    'nobody decided, and the budget was used up',
    (e) => void e.rows.splice(12, 1),
  ],
  [
    'receipt-says-what-the-log-said',
    'it says that a cancelled instance completed',
    (e) => void (e.receipts[4]!.receipt.outcome = 'completed'),
  ],
  [
    'projection-agrees',
    'the line of a cancelled instance says halted',
    (e) => void (e.projection!.status = 'halted'),
  ],
  ['stuck-instance', 'it was to be undone', (e) => until(e, 19)],
  [
    'decision-names-its-attempt',
    'a decision follows what nobody asks',
    (e) => void (row(e, 12).kind = 'completed'),
  ],
];
