import { Audit } from '../../../../src/audit/audit.ts';
import type { Breach } from '../../../../src/audit/check.ts';
import type { Evidence } from '../../../../src/audit/evidence.ts';
import type { RowKind } from '../../../../src/execution/row.ts';
import type { JsonObject } from '../../../../src/json.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';
import { at, receiptOf, SampleLog } from './sample-log.ts';

/** Every kind of cell and every policy. */
export const RUNBOOK: Runbook = {
  runbook: 'sample',
  version: 1,
  inputs: [],
  cells: [
    { id: 'about', prose: 'Every kind of cell.' },
    { id: 'held', exec: { handler: 'any' } },
    { id: 'gate', await: { claim: 'gate', statuses: ['open'] } },
    { id: 'again', exec: { handler: 'any' }, onInterrupt: 'rerun' },
    { id: 'probed', exec: { handler: 'any' }, onInterrupt: 'probe', probe: { handler: 'probe' } },
    { id: 'check', assert: [{ cell: 'probed', pointer: '', equals: 7 }] },
    { id: 'tried', exec: { handler: 'any' }, retry: { attempts: 2 } },
  ],
};

/**
 * An instance that met every kind of fault and completed, with all evidence about it.
 */
export function sample(): Evidence {
  const log = new SampleLog();
  const { rows } = log;
  const add = (
    by: 'A' | 'B' | 'C',
    requestId: string,
    kind: RowKind,
    cell: string,
    body?: JsonObject,
  ): void => log.add(rows.length + 1, by, requestId, kind, cell, body);
  add('A', 'q1', 'started', 'held', { idempotencyKey: 'i/held/1' });
  add('A', 'q1', 'completed', 'held', { output: { done: true } });
  add('A', 'q1', 'satisfied', 'gate', {
    claimId: 'gate',
    revision: 2,
    status: 'open',
    agentId: 'bob',
  });
  add('A', 'q1', 'started', 'again', { idempotencyKey: 'i/again/1' });
  add('B', 'q1', 'interrupted', 'again', { reason: 'crash' });
  add('B', 'q1', 'decided', 'again', { as: 'rerun', by: '@policy', reason: 'onInterrupt: rerun' });
  add('B', 'q1', 'started', 'again 2', { idempotencyKey: 'i/again/1' });
  add('B', 'q1', 'completed', 'again 2', { output: null });
  add('B', 'q2', 'started', 'probed', { idempotencyKey: 'i/probed/1' });
  add('C', 'q2', 'interrupted', 'probed', { reason: 'crash' });
  add('C', 'q2', 'decided', 'probed', {
    as: 'succeeded',
    by: '@late-outcome',
    reason: 'late',
    output: 7,
  });
  add('C', 'q2', 'satisfied', 'check', { checks: [] });
  add('C', 'q2', 'started', 'tried', { idempotencyKey: 'i/tried/1' });
  add('C', 'q2', 'failed', 'tried', { error: { message: 'no' } });
  add('C', 'q2', 'started', 'tried 2', { idempotencyKey: 'i/tried/2' });
  add('C', 'q2', 'interrupted', 'tried 2', { reason: 'not_started' });
  add('C', 'q2', 'decided', 'tried 2', {
    as: 'rerun',
    by: '@policy',
    reason: 'the effect never began',
    waitMs: 200,
  });
  add('C', 'q2', 'started', 'tried 3', { idempotencyKey: 'i/tried/2' });
  add('C', 'q2', 'completed', 'tried 3', { output: null });
  const receipts = [
    receiptOf(rows, 'q1', { outcome: 'advanced', nextCellId: 'probed' }, 8),
    receiptOf(rows, 'q2', { outcome: 'completed' }, 19),
    receiptOf(rows, 'q3', { outcome: 'expired', holder: null }, 19),
  ];
  return log.evidence(RUNBOOK, {
    receipts,
    lateOutcomes: [
      {
        cellId: 'probed',
        attempt: 1,
        fencingToken: 12,
        replicaId: 'rB',
        kind: 'completed',
        body: { output: 7 },
      },
    ],
    refusals: [{ seq: 10, fencingToken: 12, replicaId: 'rB', kind: 'completed' }],
    tickOrigin: { scheduleId: 's', tick: '2030-01-31T12:00:00.000000Z', isStarted: true },
    claims: (claimId, revision) =>
      claimId === 'gate' && revision === 2
        ? { revision: 2, status: 'open', agentId: 'bob', recordedAt: at(2.5) }
        : undefined,
    projection: { status: 'completed', nextCellId: null, lastSeq: 19 },
    // Attempt 2 of tried never began.
    witness: [
      { ...log.effect(1), happened: true },
      log.effect(4),
      log.effect(7),
      { ...log.effect(9), outcome: 'completed' },
      { ...log.effect(13), happened: false },
      { ...log.effect(18), happened: true },
    ],
    clientHistory: [
      { requestId: 'q1', receipt: receipts[0]!.receipt },
      { requestId: 'q2', receipt: receipts[1]!.receipt, acknowledged: true },
      { requestId: 'q2' },
      { requestId: 'q4' },
    ],
  });
}

/** The breaches that all checks find in one instance. */
export function breachesOf(evidence: Evidence): Breach[] {
  return new Audit().look(evidence);
}
