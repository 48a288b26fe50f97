import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { httpCell, runbookOf, Scene } from '../../../harness/scene.ts';

const RUNBOOKS = [
  runbookOf('awaiting', [
    httpCell('before'),
    { id: 'gate', await: { claim: 'gate-${outputs.before.key}', statuses: ['open', 'ajar'] } },
    httpCell('after'),
  ]),
  {
    runbook: 'gated',
    version: 1,
    inputs: ['witness', 'claim'],
    cells: [
      { id: 'gate', await: { claim: '${inputs.claim}', statuses: ['open', 'ajar'] } },
      { id: 'check', assert: [{ cell: 'gate', pointer: '/evidence/by', equals: 'bob' }] },
      httpCell('after'),
    ],
  },
  runbookOf('refuting', [
    httpCell('one'),
    { id: 'check', assert: [{ cell: 'one', pointer: '/count', equals: 2 }] },
    httpCell('never'),
  ]),
];

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start({ replicas: 3 }, RUNBOOKS);
});
afterAll(() => scene?.stop());

describe('an await', () => {
  test('parks without writing a row, and continues once the claim has a wanted status', async () => {
    const { cluster, witness } = scene;
    const [instanceId, claim] = [scene.name('i'), scene.name('claim')];
    await cluster.start(instanceId, 'gated', { witness: witness.url, claim });
    const first = await cluster.advance(instanceId, scene.name('q'));
    expect(first).toMatchObject({
      outcome: 'parked',
      steps: [],
      nextCellId: 'gate',
      awaiting: { cellId: 'gate', claimId: claim, statuses: ['open', 'ajar'], currentStatus: null },
    });
    expect(await cluster.rows(instanceId)).toEqual([]);
    expect(await scene.recorded(first.requestId)).toEqual(first);
    expect((await cluster.status(instanceId)).status).toBe('parked');

    const claimTo = (status: string): Promise<Record<string, unknown>> =>
      cluster.request(cluster.subject('claim', claim), {
        status,
        agentId: 'bob',
        evidence: { by: 'bob' },
      });
    expect(await claimTo('closed')).toEqual({ claimId: claim, revision: 1, status: 'closed' });
    const second = await cluster.advance(instanceId, scene.name('q'));
    expect(second).toMatchObject({ outcome: 'parked', awaiting: { currentStatus: 'closed' } });
    expect(await cluster.rows(instanceId)).toEqual([]);

    await claimTo('open');
    // A claim alone advances nothing.
    expect(await cluster.rows(instanceId)).toEqual([]);
    // The request that parked keeps its receipt.
    expect(await cluster.advance(instanceId, first.requestId)).toEqual(first);
    const third = await cluster.advance(instanceId, scene.name('q'));
    expect(third.outcome).toBe('completed');
    expect(await scene.story(instanceId)).toEqual([
      'satisfied gate 1',
      'satisfied check 1',
      'started after 1',
      'completed after 1',
    ]);
    const [gate] = await cluster.rows(instanceId);
    expect(gate?.body).toMatchObject({
      claimId: claim,
      revision: 2,
      status: 'open',
      agentId: 'bob',
    });
    expect(witness.effects(instanceId)).toHaveLength(1);
  });

  test('whose claim name is not a valid id refutes, and halts', async () => {
    const { cluster } = scene;
    const instanceId = await scene.instance('awaiting');
    const receipt = await cluster.advance(instanceId, scene.name('q'));
    // The key has slashes in it.
    expect(receipt).toMatchObject({ outcome: 'halted', nextCellId: 'gate' });
    expect(await scene.story(instanceId)).toEqual([
      'started before 1',
      'completed before 1',
      'refuted gate 1',
    ]);
  });
});

describe('an assert', () => {
  test('that is false halts the instance with refuted, permanently', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('refuting');
    const receipt = await cluster.advance(instanceId, scene.name('q'));
    expect(receipt).toMatchObject({ outcome: 'halted', nextCellId: 'check' });
    expect(receipt.error?.message).toContain('refuted');
    expect(await scene.story(instanceId)).toEqual([
      'started one 1',
      'completed one 1',
      'refuted check 1',
    ]);
    const rows = await cluster.rows(instanceId);
    expect(rows.at(-1)?.body).toEqual({
      checks: [{ cell: 'one', pointer: '/count', equals: 2, actual: 1, held: false }],
    });
    expect((await cluster.advance(instanceId, scene.name('q'))).outcome).toBe('halted');
    expect(witness.effects(instanceId, 'never')).toEqual([]);
  });
});
