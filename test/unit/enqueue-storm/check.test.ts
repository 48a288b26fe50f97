import { describe, expect, it } from 'vitest';

import { problemsOf, type StormEvidence } from '../../enqueue-storm/check.ts';

/** Two requests on an instance of two cells, each of which ran one. */
function evidence(over: Partial<StormEvidence> = {}): StormEvidence {
  const ids = ['q0', 'q1'].map((requestId) => ({ requestId, instanceId: 'i' }));
  return {
    acknowledged: ids,
    receipts: ids.map((one, nth) => ({
      ...one,
      outcome: nth === 1 ? 'completed' : 'advanced',
      begun: nth === 0 ? ['c0'] : [],
      settled: nth === 1 ? ['c1'] : [],
    })),
    ledger: ['i/c0/1', 'i/c1/1'],
    cells: ['c0', 'c1'],
    statuses: new Map([['i', 'completed']]),
    waiting: 0,
    poison: 0,
    ...over,
  };
}

describe('the checks of a storm', () => {
  it('find nothing wrong where each request has its receipt and each effect happened', () => {
    expect(problemsOf(evidence())).toEqual([]);
  });

  it('let the last request of an instance run what is left of it', () => {
    const { acknowledged, receipts, cells: begun } = evidence();
    const last = { requestId: 'q2', instanceId: 'i' };
    const receipt = { ...last, outcome: 'completed', begun, settled: [] };
    const more = { receipts: [...receipts, receipt] };
    expect(
      problemsOf(evidence({ ...more, acknowledged: [...acknowledged, { ...last, last: true }] })),
    ).toEqual([]);
    expect(problemsOf(evidence({ ...more, acknowledged: [...acknowledged, last] }))).toEqual([
      'request q2 began 2 cells, not one',
    ]);
  });

  const { receipts } = evidence();
  it.each<[string, Partial<StormEvidence>]>([
    ['q1 was acknowledged and has no receipt', { receipts: receipts.slice(0, 1) }],
    ['q0 has 2 receipts', { receipts: [...receipts, receipts[0]!] }],
    ['where nobody sent it', { receipts: [receipts[0]!, { ...receipts[1]!, instanceId: 'j' }] }],
    ['q1 ended in_doubt', { receipts: [receipts[0]!, { ...receipts[1]!, outcome: 'in_doubt' }] }],
    ['q1 began 2 cells', { receipts: [receipts[0]!, { ...receipts[1]!, begun: ['c0', 'c1'] }] }],
    ['q1 did nothing', { receipts: [receipts[0]!, { ...receipts[1]!, settled: [] }] }],
    ['i/c1/1 is missing', { ledger: ['i/c0/1'] }],
    ['i/c0/1 happened 2 times', { ledger: ['i/c0/1', 'i/c1/1', 'i/c0/1'] }],
    ['i/c0/2 was not asked for', { ledger: ['i/c0/1', 'i/c1/1', 'i/c0/2'] }],
    ['i is parked', { statuses: new Map([['i', 'parked']]) }],
    ['3 requests are left', { waiting: 3 }],
    ['1 requests count as poison', { poison: 1 }],
  ])('see that %s', (problem, over) => {
    expect(problemsOf(evidence(over)).join('\n')).toContain(problem);
  });
});
