import type { Evidence } from '../../../../src/audit/evidence.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';
import { at, receiptOf, SampleLog } from './sample-log.ts';

/** Every way in which a cell may wait, be skipped, halt, be repaired and be undone. */
const RUNBOOK: Runbook = {
  runbook: 'life',
  version: 1,
  inputs: [],
  cells: [
    { id: 'book', exec: { handler: 'any' }, undo: { handler: 'any' } },
    {
      id: 'warm',
      exec: { handler: 'any' },
      when: [{ cell: 'book', pointer: '/warm', equals: true }],
      undo: { handler: 'any' },
    },
    { id: 'soak', await: { for: '10s' } },
    { id: 'late', await: { claim: 'late', statuses: ['open'], within: '5s' } },
    { id: 'gate', await: { claim: 'gate', statuses: ['open'], within: '1s', otherwise: 'skip' } },
    { id: 'pay', exec: { handler: 'any' }, retry: { attempts: 2 }, undo: { handler: 'any' } },
    { id: 'ship', exec: { handler: 'any' } },
    { id: 'last', exec: { handler: 'any' } },
  ],
};

/**
 * An instance that waited, halted twice, was repaired, then unwound, and cancelled with an undo in
 * doubt; with all evidence about it.
 */
export function lifeSample(): Evidence {
  const log = new SampleLog();
  const { rows } = log;
  const add = log.add.bind(log);
  const started = (second: number, by: 'A' | 'B', q: string, cell: string, run = 1) =>
    add(second, by, q, 'started', cell, { idempotencyKey: `i/${cell.split(' ')[0]}/${run}` });
  const check = { cell: 'book', pointer: '/warm', equals: true, actual: false, held: false };
  const made = { claimId: 'late', revision: 1, status: 'open', agentId: 'bob' };
  started(1, 'A', 'q1', 'book');
  add(2, 'A', 'q1', 'completed', 'book', { output: { warm: false } });
  add(3, 'A', 'q1', 'skipped', 'warm', { when: [check] });
  add(14, 'A', 'q1', 'satisfied', 'soak', { until: at(13) });
  add(20, 'A', 'q1', 'refuted', 'late', { deadline: at(19), claimId: 'late', currentStatus: null });
  add(21, 'A', null, 'decided', 'late', { as: 'rerun', by: 'ann', reason: 'it will come' });
  add(23, 'A', 'q2', 'satisfied', 'late 2', made);
  add(25, 'A', 'q2', 'skipped', 'gate', { deadline: at(24), claimId: 'gate', currentStatus: null });
  started(26, 'A', 'q2', 'pay');
  add(27, 'A', 'q2', 'failed', 'pay', { error: { message: 'no' } });
  started(28, 'A', 'q2', 'pay 2', 2);
  add(29, 'A', 'q2', 'failed', 'pay 2', { error: { message: 'no' } });
  add(30, 'A', null, 'decided', 'pay 2', { as: 'rerun', by: 'ann', reason: 'the card is new' });
  started(31, 'A', 'q3', 'pay 3', 3);
  add(32, 'A', 'q3', 'completed', 'pay 3', { output: null });
  started(33, 'A', 'q3', 'ship');
  add(34, 'B', 'q3', 'interrupted', 'ship', { reason: 'crash' });
  add(35, 'B', null, 'decided', 'ship', { as: 'succeeded', by: 'ann', reason: 'it was there' });
  add(36, 'B', null, 'unwinding', 'ship', { by: 'ann', reason: 'no longer wanted' });
  started(37, 'B', 'q4', 'undo-pay');
  add(38, 'B', 'q4', 'completed', 'undo-pay', { output: null });
  started(39, 'B', 'q4', 'undo-book');
  add(40, 'B', 'q4', 'interrupted', 'undo-book', { reason: 'aborted' });
  const left = [{ cellId: 'undo-book', attempt: 1 }];
  add(41, 'B', null, 'cancelled', 'undo-book', { by: 'ann', reason: 'enough', left });
  const doubt = (seq: number) => {
    const { cellId, attempt, body, recordedAt } = rows[seq - 1]!;
    return { cellId, attempt, reason: body['reason'] as string, since: recordedAt };
  };
  const receipts = [
    receiptOf(rows, 'q1', { outcome: 'halted', nextCellId: 'late' }, 5),
    receiptOf(rows, 'q2', { outcome: 'halted', nextCellId: 'pay' }, 12),
    receiptOf(rows, 'q3', { outcome: 'in_doubt', nextCellId: 'ship', inDoubt: doubt(17) }, 17),
    receiptOf(rows, 'q4', { outcome: 'in_doubt', nextCellId: 'undo-book', inDoubt: doubt(23) }, 23),
    receiptOf(rows, 'q5', { outcome: 'cancelled' }, 24),
  ];
  return log.evidence(RUNBOOK, {
    receipts,
    claims: (claimId, revision) =>
      claimId === 'late' && revision === 1
        ? { revision: 1, status: 'open', agentId: 'bob', recordedAt: at(22) }
        : undefined,
    projection: { status: 'cancelled', nextCellId: null, lastSeq: 24 },
    witness: [
      log.effect(1),
      { ...log.effect(9), happened: false },
      { ...log.effect(11), happened: false },
      { ...log.effect(14), happened: true },
      log.effect(16),
      log.effect(20),
      log.effect(22),
    ],
    clientHistory: [{ requestId: 'q5', receipt: receipts[4]!.receipt }],
  });
}
