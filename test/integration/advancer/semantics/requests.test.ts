import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { ReceiptReply } from '../../../harness/replies.ts';
import { httpCell, runbookOf, Scene, stepsOf } from '../../../harness/scene.ts';

const RUNBOOKS = [
  runbookOf('three', [
    { id: 'about', prose: 'Three effects in a row.' },
    httpCell('one'),
    httpCell('two'),
    httpCell('three'),
  ]),
];

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start({ replicas: 3 }, RUNBOOKS);
});
afterAll(() => scene?.stop());

/** Expects a refusal: its receipt is not recorded, and the log has no row of the request. */
async function expectRefused(receipt: ReceiptReply, outcome: string): Promise<void> {
  expect(receipt).toMatchObject({ outcome, steps: [] });
  expect(await scene.recorded(receipt.requestId)).toBeUndefined();
  const rows = await scene.cluster.rows(receipt.instanceId);
  expect(rows.filter((row) => row.request_id === receipt.requestId)).toEqual([]);
}

describe('the same request id', () => {
  test('sent several times at once: one run, one receipt', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('three');
    const requestId = scene.name('q');
    const receipts = await Promise.all(
      Array.from({ length: 5 }, () => cluster.advance(instanceId, requestId, { maxCells: 1 })),
    );
    expect(receipts[0]).toMatchObject({ outcome: 'advanced', nextCellId: 'two' });
    for (const receipt of receipts) expect(receipt).toEqual(receipts[0]);
    expect(witness.effects(instanceId)).toHaveLength(1);
  });

  test('while the first runs: it joins the run and gets its receipt', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('three');
    const requestId = scene.name('q');
    const release = witness.holdBack(instanceId, 'one');
    const first = cluster.advance(instanceId, requestId);
    await witness.arrived(instanceId, 'one', 1);
    const second = cluster.advance(instanceId, requestId);
    const third = cluster.advance(instanceId, requestId, { wait: true });
    // The same holder refuses another id, so the two requests before it have arrived.
    const other = await cluster.advance(instanceId, scene.name('q'));
    expect(other).toMatchObject({
      outcome: 'in_flight',
      inFlight: { cellId: 'one', attempt: 1, requestId },
    });
    expect(Number.isNaN(Date.parse(other.inFlight?.since ?? ''))).toBe(false);
    await expectRefused(other, 'in_flight');
    release();
    const receipts = await Promise.all([first, second, third]);
    expect(receipts[0]).toMatchObject({ outcome: 'completed', nextCellId: null });
    expect(receipts[1]).toEqual(receipts[0]);
    expect(receipts[2]).toEqual(receipts[0]);
    for (const cell of ['one', 'two', 'three'])
      expect(witness.effects(instanceId, cell)).toHaveLength(1);
  });

  test('after the first, and after rows of other requests: the same receipt, and nothing runs', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('three');
    const requestId = scene.name('q');
    const first = await cluster.advance(instanceId, requestId, { maxCells: 1 });
    expect(first).toMatchObject({ outcome: 'advanced', nextCellId: 'two' });
    expect(await cluster.advance(instanceId, requestId, { maxCells: 1 })).toEqual(first);
    const second = await cluster.advance(instanceId, scene.name('q'));
    expect(second).toMatchObject({ outcome: 'completed', nextCellId: null });
    // Other fields in the message do not make it another request.
    expect(
      await cluster.advance(instanceId, requestId, { agentId: 'somebody', maxCells: 3 }),
    ).toEqual(first);
    expect(await cluster.advance(instanceId, requestId, { cellId: 'three' })).toEqual(first);
    const { receipt } = await cluster.status(instanceId, { requestId });
    expect(receipt).toEqual(first);
    expect(witness.effects(instanceId)).toHaveLength(3);
  });

  test('for another instance is invalid, and names the field', async () => {
    const { cluster, witness } = scene;
    const [one, two] = [await scene.instance('three'), await scene.instance('three')];
    const requestId = scene.name('q');
    const first = await cluster.advance(one, requestId, { maxCells: 1 });
    const second = await cluster.advance(two, requestId, { maxCells: 1 });
    expect(second).toMatchObject({
      requestId,
      instanceId: two,
      outcome: 'invalid',
      steps: [],
      error: { code: 'invalid', field: 'requestId' },
    });
    expect(second.error?.message).toContain(one);
    expect(witness.effects(two)).toEqual([]);
    expect(await scene.recorded(requestId)).toEqual(first);
  });

  test('for two instances at once: one gets it, the other is refused as invalid after its cell, and keeps its rows', async () => {
    const { cluster, witness } = scene;
    const [one, two] = [await scene.instance('three'), await scene.instance('three')];
    const requestId = scene.name('q');
    const release = [one, two].map((instanceId) => witness.holdBack(instanceId, 'one'));
    const answers = [one, two].map((instanceId) =>
      cluster.advance(instanceId, requestId, { maxCells: 1 }),
    );
    await Promise.all([one, two].map((instanceId) => witness.arrived(instanceId, 'one', 1)));
    for (const answer of release) answer();
    const receipts = await Promise.all(answers);
    expect(receipts.map(({ outcome }) => outcome).toSorted()).toEqual(['advanced', 'invalid']);
    // The effect of the instance that did not get the id has happened too, and its log says so.
    for (const instanceId of [one, two]) {
      expect((await scene.story(instanceId)).slice(0, 2)).toEqual([
        'started one 1',
        'completed one 1',
      ]);
      const next = await cluster.advance(instanceId, scene.name('q'), { wait: true });
      expect(next.outcome).toBe('completed');
      expect(witness.effects(instanceId)).toHaveLength(3);
    }
  });
});

describe('a request', () => {
  test('that names a cell other than the next is out of order, and the error names both', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('three');
    for (const cellId of ['two', 'about', 'unheard_of']) {
      const receipt = await cluster.advance(instanceId, scene.name('q'), { cellId });
      expect(receipt).toMatchObject({
        outcome: 'out_of_order',
        nextCellId: 'one',
        error: { code: 'out_of_order', field: 'cellId' },
      });
      expect(receipt.error?.message).toContain(cellId);
      expect(receipt.error?.message).toContain('the next cell is one');
      await expectRefused(receipt, 'out_of_order');
    }
    const right = await cluster.advance(instanceId, scene.name('q'), {
      cellId: 'one',
      maxCells: 1,
    });
    expect(right).toMatchObject({ outcome: 'advanced', nextCellId: 'two' });
    const late = await cluster.advance(instanceId, scene.name('q'), { cellId: 'one' });
    expect(late).toMatchObject({ outcome: 'out_of_order', nextCellId: 'two' });
    expect(witness.effects(instanceId)).toHaveLength(1);
  });

  test('refused as out of order may be repeated under the same id', async () => {
    const { cluster } = scene;
    const instanceId = await scene.instance('three');
    const requestId = scene.name('q');
    expect((await cluster.advance(instanceId, requestId, { cellId: 'two' })).outcome).toBe(
      'out_of_order',
    );
    await cluster.advance(instanceId, scene.name('q'), { maxCells: 1 });
    expect(
      await cluster.advance(instanceId, requestId, { cellId: 'two', maxCells: 1 }),
    ).toMatchObject({
      outcome: 'advanced',
      nextCellId: 'three',
    });
  });

  test('with maxCells stops with advanced, and its steps are its own rows', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('three');
    const [first, second] = [
      await cluster.advance(instanceId, scene.name('q'), { maxCells: 2 }),
      await cluster.advance(instanceId, scene.name('q'), { maxCells: 2 }),
    ];
    expect(first).toMatchObject({ outcome: 'advanced', nextCellId: 'three' });
    expect(second).toMatchObject({ outcome: 'completed', nextCellId: null });
    const rows = await cluster.rows(instanceId);
    expect(first.steps).toEqual(stepsOf(rows, first.requestId));
    expect(first.steps).toHaveLength(4);
    expect(second.steps).toHaveLength(2);
    expect(rows).toHaveLength(6);
    expect(witness.effects(instanceId)).toHaveLength(3);
    const third = await cluster.advance(instanceId, scene.name('q'));
    expect(third).toMatchObject({ outcome: 'completed', steps: [], nextCellId: null });
  });

  test('with wait queues behind the run; without, it is refused as in flight', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('three');
    const release = witness.holdBack(instanceId, 'one');
    const first = cluster.advance(instanceId, scene.name('q'), { maxCells: 1 });
    await witness.arrived(instanceId, 'one', 1);
    const queued = ['a', 'b'].map((agentId) =>
      cluster.advance(instanceId, scene.name('q'), { wait: true, maxCells: 1, agentId }),
    );
    await expectRefused(await cluster.advance(instanceId, scene.name('q')), 'in_flight');
    expect(witness.effects(instanceId)).toHaveLength(1);
    release();
    expect(await first).toMatchObject({ outcome: 'advanced', nextCellId: 'two' });
    const [second, third] = await Promise.all(queued);
    expect(second).toMatchObject({ outcome: 'advanced', nextCellId: 'three' });
    expect(third).toMatchObject({ outcome: 'completed', nextCellId: null });
    expect(witness.effects(instanceId)).toHaveLength(3);
  });

  test('that has expired is refused, whether on arrival or in the queue', async () => {
    const { cluster, witness } = scene;
    const instanceId = await scene.instance('three');
    const past = new Date(Date.now() - 1_000).toISOString();
    const late = await cluster.advance(instanceId, scene.name('q'), { expiresAt: past });
    await expectRefused(late, 'expired');

    const release = witness.holdBack(instanceId, 'one');
    const first = cluster.advance(instanceId, scene.name('q'), { maxCells: 1 });
    await witness.arrived(instanceId, 'one', 1);
    const soonMs = Date.now() + 300;
    const queued = cluster.advance(instanceId, scene.name('q'), {
      wait: true,
      expiresAt: new Date(soonMs).toISOString(),
    });
    await new Promise((resolve) => setTimeout(resolve, soonMs - Date.now() + 50));
    release();
    expect((await first).outcome).toBe('advanced');
    await expectRefused(await queued, 'expired');
    expect(witness.effects(instanceId)).toHaveLength(1);
  });

  test('for an instance that was never started is not_found', async () => {
    const receipt = await scene.cluster.advance('nobody', scene.name('q'));
    expect(receipt).toMatchObject({ outcome: 'not_found', holder: null, nextCellId: null });
    await expectRefused(receipt, 'not_found');
  });

  test('for an instance that is started later may be repeated under the same id', async () => {
    const { cluster, witness } = scene;
    const [instanceId, requestId] = [scene.name('i'), scene.name('q')];
    expect((await cluster.advance(instanceId, requestId)).outcome).toBe('not_found');
    await cluster.start(instanceId, 'three', { witness: witness.url });
    expect((await cluster.advance(instanceId, requestId)).outcome).toBe('completed');
  });
});
