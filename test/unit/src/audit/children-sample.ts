import type { ChildEvidence, Evidence } from '../../../../src/audit/evidence.ts';
import type { Row } from '../../../../src/execution/row.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';
import type { Control } from './evidence-edits.ts';
import { row, until } from './evidence-edits.ts';
import { at, receiptOf, SampleLog } from './sample-log.ts';

const RUNBOOK: Runbook = {
  runbook: 'parent',
  version: 1,
  inputs: [],
  cells: [
    { id: 'first', exec: { handler: 'any' } },
    { id: 'regions', run: { runbook: 'child', each: ['eu', 'us'] } },
    { id: 'last', exec: { handler: 'any' } },
  ],
};

/**
 * An unattended instance that started others for a list, of which one was cancelled and replaced.
 */
export function childrenSample(): Evidence {
  const log = new SampleLog();
  const { rows } = log;
  const add = (kind: Row['kind'], cell: string, body: Row['body']): void => {
    const seq = rows.length + 1;
    const requestId = kind === 'decided' ? null : seq <= 3 ? 'q1' : 'auto_q2';
    log.add(seq * 10, 'A', requestId, kind, cell, body);
  };
  const child = (
    instanceId: string,
    n: number,
    attempt: number,
    ending: 'completed' | 'cancelled',
  ): ChildEvidence => ({
    instanceId,
    runbookId: 'child',
    version: 2,
    cellId: 'regions',
    n,
    attempt,
    seq: attempt === 1 ? 2 : 4,
    fencingToken: 10,
    recordedAt: at(attempt === 1 ? 21 : 41),
    ending,
    endedAt: at(attempt === 1 ? 25 : 45),
    outputs: { done: n },
  });
  add('started', 'first', { idempotencyKey: 'i/first/1' });
  add('completed', 'first', { output: null });
  add('refuted', 'regions', {
    error: '1 of 2 instances were cancelled: i-regions-1',
    instances: [
      { instanceId: 'i-regions-0', status: 'completed' },
      { instanceId: 'i-regions-1', status: 'cancelled' },
    ],
  });
  add('decided', 'regions', { as: 'rerun', by: 'ann', reason: 'once more' });
  add('satisfied', 'regions 2', {
    instances: [
      { instanceId: 'i-regions-0', status: 'completed', outputs: { done: 0 } },
      { instanceId: 'i-regions-1-r2', status: 'completed', outputs: { done: 1 } },
    ],
  });
  const receipts = [
    receiptOf(rows, 'q1', { outcome: 'halted', nextCellId: 'regions' }, 3),
    receiptOf(rows, 'auto_q2', { outcome: 'advanced', nextCellId: 'last' }, 5),
  ];
  return log.evidence(RUNBOOK, {
    instance: { runbookId: 'parent', version: 1, inputs: {}, recordedAt: at(0), unattended: true },
    receipts,
    children: [
      child('i-regions-0', 0, 1, 'completed'),
      child('i-regions-1', 1, 1, 'cancelled'),
      child('i-regions-1-r2', 1, 2, 'completed'),
    ],
    projection: { status: 'ready', nextCellId: 'last', lastSeq: 5 },
    rest: { dueAt: at(50), claimId: null },
    witness: [log.effect(1)],
    atRest: 'quiet',
  });
}

/** Negative controls, on the sample of an instance with children. */
export const CHILDREN_CONTROLS: readonly Control[] = [
  [
    'children-started-once',
    'they have two versions',
    (e) => void (e.children![0] = { ...e.children![0]!, version: 1 }),
  ],
  [
    'children-started-once',
    'two were started for one element',
    (e) => void e.children!.push({ ...e.children![0]!, instanceId: 'i-regions-0-again' }),
  ],
  [
    'children-started-once',
    'one has a name that does not follow from its origin',
    (e) => void (e.children![0] = { ...e.children![0]!, instanceId: 'mine' }),
  ],
  [
    'children-fenced-by-parent',
    'they were inserted while another cell was next',
    (e) => {
      e.children = e.children!.map((child) => ({ ...child, seq: 0 }));
    },
  ],
  [
    'children-fenced-by-parent',
    'they were inserted under an older token',
    (e) => void (e.children![0] = { ...e.children![0]!, fencingToken: 9 }),
  ],
  [
    'children-fenced-by-parent',
    'they were inserted after the next row',
    (e) => void (e.children![0] = { ...e.children![0]!, recordedAt: at(37) }),
  ],
  [
    'children-fenced-by-parent',
    'they were inserted after the cancellation',
    (e) => {
      until(e, 3);
      const { cellId, attempt } = row(e, 3);
      const body = { by: 'ann', reason: 'enough', left: [] };
      e.rows.push({ ...row(e, 3), seq: 4, kind: 'cancelled', cellId, attempt, body });
    },
  ],
  [
    'children-ended-before-verdict',
    'one had not ended',
    (e) => void (e.children![2] = { ...e.children![2]!, ending: undefined, endedAt: undefined }),
  ],
  [
    'children-ended-before-verdict',
    'one ended later',
    (e) => void (e.children![2] = { ...e.children![2]!, endedAt: at(51) }),
  ],
  [
    'children-ended-before-verdict',
    'one was cancelled',
    (e) => void (e.children![0] = { ...e.children![0]!, ending: 'cancelled' }),
  ],
  [
    'children-ended-before-verdict',
    'one put out something else',
    (e) => void (e.children![2] = { ...e.children![2]!, outputs: { done: 7 } }),
  ],
  [
    'children-ended-before-verdict',
    'one is not named',
    (e) => void (row(e, 5).body['instances'] as object[]).pop(),
  ],
  [
    'derived-requests-write',
    'the instance is attended',
    (e) => void (e.instance = { ...e.instance!, unattended: false }),
  ],
  ['derived-requests-write', 'an agent wrote for one', (e) => void (row(e, 5).agentId = 'ann')],
  [
    'derived-requests-write',
    'a receipt is for nothing',
    (e) => void e.receipts.push(receiptOf(e.rows, 'auto_q9', { outcome: 'parked' }, 5)),
  ],
  ['unattended-comes-back', 'there is no line', (e) => void (e.rest = null)],
  [
    'unattended-comes-back',
    'it has no time',
    (e) => void (e.rest = { dueAt: null, claimId: null }),
  ],
  ['unattended-comes-back', 'its time came long ago', (e) => void (e.now = at(120))],
  [
    'ended-by-whom',
    'its parent, which it does not have',
    (e) => {
      until(e, 3);
      const body = { by: '@parent', reason: 'enough', left: [] };
      e.rows.push({ ...row(e, 3), seq: 4, kind: 'cancelled', body });
    },
  ],
];
