import { Audit } from '../../../../src/audit/audit.ts';
import type { Breach } from '../../../../src/audit/check.ts';
import type { Evidence, RecordedReceipt, SeenEffect } from '../../../../src/audit/evidence.ts';
import type { Row, RowKind } from '../../../../src/execution/row.ts';
import type { JsonObject } from '../../../../src/json.ts';
import type { Step } from '../../../../src/execution/views.ts';
import type { Receipt } from '../../../../src/request/receipt.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';

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

/** A moment of the sample's day, in seconds after noon. */
export const at = (second: number): string =>
  new Date(Date.UTC(2030, 0, 1, 12, 0, second)).toISOString();

/** Three terms: A held it first, B took over with an attempt open, C after B. */
const TERMS = { A: 10, B: 12, C: 14 } as const;
type Holder = keyof typeof TERMS;

/** The receipt of a request, from the rows that it wrote. */
export function receiptOf(
  rows: readonly Row[],
  requestId: string,
  over: Partial<Receipt> & Pick<Receipt, 'outcome'>,
  lastSeq: number,
): RecordedReceipt {
  const own = rows.filter((row) => row.requestId === requestId);
  const last = rows.find(({ seq }) => seq === lastSeq);
  const steps: Step[] = own.map(({ seq, cellId, kind, attempt }) => ({
    seq,
    cellId,
    kind,
    attempt,
  }));
  const holder =
    last === undefined ? null : { replicaId: last.replicaId, fencingToken: last.fencingToken };
  const receipt: Receipt = { requestId, instanceId: 'i', steps, nextCellId: null, holder, ...over };
  return { requestId, instanceId: 'i', receipt, lastSeq, fencingToken: last?.fencingToken ?? 0 };
}

/**
 * An instance that met every kind of fault and completed, with all evidence about it.
 */
export function sample(): Evidence {
  const rows: Row[] = [];
  const add = (
    by: Holder,
    requestId: string,
    kind: RowKind,
    cell: string,
    body: JsonObject = {},
  ): void => {
    const [cellId = '', attempt = '1'] = cell.split(' ');
    rows.push({
      instanceId: 'i',
      seq: rows.length + 1,
      fencingToken: TERMS[by],
      replicaId: `r${by}`,
      kind,
      cellId,
      attempt: Number(attempt),
      requestId,
      agentId: 'ann',
      body,
      recordedAt: at(rows.length + 1),
    });
  };
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
  const effect = (seq: number): SeenEffect => {
    const { cellId, attempt, fencingToken, body } = rows[seq - 1]!;
    const idempotencyKey = body['idempotencyKey'] as string;
    return { instanceId: 'i', cellId, attempt, fencingToken, idempotencyKey, at: at(seq + 0.5) };
  };
  return {
    instanceId: 'i',
    instance: { runbookId: 'sample', version: 1, inputs: {}, recordedAt: at(0) },
    runbook: structuredClone(RUNBOOK),
    digest: { recorded: 'same', computed: 'same' },
    rows,
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
    receiptsElsewhere: new Map(),
    children: [],
    parent: null,
    claims: (claimId, revision) =>
      claimId === 'gate' && revision === 2
        ? { revision: 2, status: 'open', agentId: 'bob', recordedAt: at(2.5) }
        : undefined,
    projection: { status: 'completed', nextCellId: null, lastSeq: 19 },
    // Attempt 2 of tried never began.
    witness: [
      { ...effect(1), happened: true },
      effect(4),
      effect(7),
      { ...effect(9), outcome: 'completed' },
      { ...effect(13), happened: false },
      { ...effect(18), happened: true },
    ],
    clientHistory: [
      { requestId: 'q1', receipt: receipts[0]!.receipt },
      { requestId: 'q2', receipt: receipts[1]!.receipt, acknowledged: true },
      { requestId: 'q2' },
      { requestId: 'q4' },
    ],
    atRest: 'ended',
    now: at(60),
  };
}

/** The breaches that all checks find in one instance. */
export function breachesOf(evidence: Evidence): Breach[] {
  return new Audit().look(evidence);
}
