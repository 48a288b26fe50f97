import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { watchMachine } from '../harness/busy.ts';
import type { ReplicaProcess } from '../harness/replica-process.ts';
import { eventually } from '../harness/replicas.ts';
import { httpCell, runbookOf, Scene, stepsOf } from '../harness/scene.ts';

const RUNBOOKS = [
  runbookOf('hold', [httpCell('charge')]),
  runbookOf('rerun', [
    httpCell('first', { onInterrupt: 'rerun' }),
    httpCell('second', { onInterrupt: 'rerun' }),
  ]),
];

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start({ replicas: 2 }, RUNBOOKS);
});
afterAll(() => scene?.stop());

const measured: string[] = [];
afterEach(() => {
  for (const line of measured.splice(0)) process.stderr.write(`measured: ${line}\n`);
});

describe('a replica that dies with requests under way', () => {
  test('every agent that sent one request gets its receipt from another replica before the request expires', async () => {
    const { cluster, witness } = scene;
    const victim = await scene.victim();
    const instances: string[] = [];
    while (instances.length < 10) instances.push(await scene.instanceHeldBy(victim, 'rerun'));
    const release = instances.map((instanceId) => witness.holdBack(instanceId, 'first'));
    const requests = instances.map((instanceId) => ({ instanceId, requestId: scene.name('q') }));
    const answers = requests.map(({ instanceId, requestId }) =>
      cluster.advance(instanceId, requestId),
    );
    await Promise.all(instances.map((instanceId) => witness.arrived(instanceId, 'first', 1)));

    const killedAt = performance.now();
    victim.kill();
    for (const instanceId of instances) await witness.arrived(instanceId, 'first', 2);
    for (const answer of release) answer();
    const receipts = await Promise.all(answers);
    measured.push(
      `10 receipts ${Math.round(performance.now() - killedAt)} ms after their holder was killed inside effects`,
    );

    for (const [index, receipt] of receipts.entries()) {
      const { instanceId, requestId } = requests[index]!;
      const rows = await cluster.rows(instanceId);
      expect(receipt).toMatchObject({
        requestId,
        instanceId,
        outcome: 'completed',
        nextCellId: null,
      });
      expect(receipt.holder?.replicaId).not.toBe(victim.replicaId);
      expect(receipt.steps).toEqual(stepsOf(rows, requestId));
      expect(await scene.story(instanceId)).toEqual([
        'started first 1',
        'interrupted first 1 crash',
        'decided first 1 rerun by @policy',
        'started first 2',
        'completed first 2',
        'started second 1',
        'completed second 1',
      ]);
      expect(witness.effects(instanceId, 'first').map(({ key }) => key)).toEqual([
        `${instanceId}/first/1`,
        `${instanceId}/first/1`,
      ]);
      expect(witness.effects(instanceId, 'second')).toHaveLength(1);
      expect(await scene.recorded(requestId)).toEqual(receipt);
    }
  });

  test('so does an agent whose second replica dies too, from a third that was frozen meanwhile', async () => {
    const own = await Scene.start({ replicas: 0 }, RUNBOOKS);
    try {
      const { cluster, witness } = own;
      const requestId = own.name('q');
      const first = await own.victim(`in_effect=kill@request:${requestId}`);
      // It decides because of the request or because of its sweeper, whichever is first.
      const second = await own.victim('before_decision=kill@cell:first');
      const third = await own.victim();
      const instanceId = await own.instanceHeldBy(first, 'rerun');
      const answer = cluster.advance(instanceId, requestId, { maxCells: 1 });
      await first.exited;
      third.freeze();
      expect(await second.exited).toMatchObject({ signal: 'SIGKILL' });
      third.wake();
      const receipt = await answer;
      expect(receipt).toMatchObject({ outcome: 'advanced', nextCellId: 'second' });
      expect(receipt.holder?.replicaId).toBe(third.replicaId);
      // The cell ran once for the dead replica and once for the one that answered; `maxCells`
      // counts once for both.
      expect(witness.effects(instanceId, 'first')).toHaveLength(2);
      expect(witness.effects(instanceId, 'second')).toHaveLength(0);
    } finally {
      await own.stop();
    }
  });

  test('a request that waits in the queue of the dead replica is served too', async () => {
    const { cluster, witness } = scene;
    const victim = await scene.victim();
    const instanceId = await scene.instanceHeldBy(victim, 'rerun');
    const release = witness.holdBack(instanceId, 'first');
    const running = cluster.advance(instanceId, scene.name('q'), { maxCells: 1 });
    await witness.arrived(instanceId, 'first', 1);
    const queued = cluster.advance(instanceId, scene.name('q'), { wait: true, agentId: 'patient' });
    // A request that does not wait is refused by the same holder, so the queued one has arrived as
    // well.
    expect((await cluster.advance(instanceId, scene.name('q'))).outcome).toBe('in_flight');
    victim.kill();
    await witness.arrived(instanceId, 'first', 2);
    release();
    const receipts = await Promise.all([running, queued]);
    for (const receipt of receipts) expect(receipt.holder?.replicaId).not.toBe(victim.replicaId);
    expect(receipts.map(({ outcome }) => outcome).toSorted()).toContain('completed');
    // Two runs of the interrupted cell and one of the next, whichever request came first.
    expect(witness.effects(instanceId, 'first')).toHaveLength(2);
    expect(witness.effects(instanceId, 'second')).toHaveLength(1);
    const rows = await cluster.rows(instanceId);
    for (const receipt of receipts) expect(receipt.steps).toEqual(stepsOf(rows, receipt.requestId));
  });
});

describe('an idle holder', () => {
  test.for([1, 2, 3])(
    'is killed: its instance is served by another replica at once (%i)',
    async (_nth, context) => {
      const { cluster, witness } = scene;
      const victim = await scene.victim();
      const instanceId = await scene.instanceHeldBy(victim, 'hold');
      const machine = await watchMachine();
      victim.kill();
      await victim.exited;
      const sentAt = performance.now();
      const receipt = await cluster.advance(instanceId, scene.name('q'));
      const tookMs = performance.now() - sentAt;
      measured.push(
        `a receipt ${Math.round(tookMs)} ms after sending, the idle holder just killed`,
      );
      expect(receipt.outcome).toBe('completed');
      expect(receipt.holder?.replicaId).not.toBe(victim.replicaId);
      expect(witness.effects(instanceId)).toHaveLength(1);
      machine.skipIfBusy(context);
      expect(tookMs).toBeLessThan(2_000);
    },
  );

  test('is frozen: its instance is served by another replica, and waking it does no harm', async (context) => {
    const { cluster, witness } = scene;
    const victim = await scene.victim();
    const instanceId = await scene.instanceHeldBy(victim, 'hold');
    const machine = await watchMachine();
    victim.freeze();
    const sentAt = performance.now();
    const requestId = scene.name('q');
    const receipt = await cluster.advance(instanceId, requestId);
    const tookMs = performance.now() - sentAt;
    measured.push(`a receipt ${Math.round(tookMs)} ms after sending, the idle holder frozen`);
    expect(receipt.outcome).toBe('completed');
    victim.wake();
    await readyAgain(victim);
    expect(await cluster.advance(instanceId, requestId)).toEqual(receipt);
    expect(witness.effects(instanceId)).toHaveLength(1);
    victim.kill();
    machine.skipIfBusy(context);
    expect(tookMs).toBeLessThan(2_000);
  });
});

describe('when every replica has died', () => {
  test('new ones finish what was begun when the agent sends the same request id again', async () => {
    const own = await Scene.start({ replicas: 3 }, RUNBOOKS);
    try {
      const { cluster, witness } = own;
      const ids = await Promise.all(['hold', 'rerun'].map((runbookId) => own.instance(runbookId)));
      const [hold, rerun] = ids as [string, string];
      for (const [instanceId, cellId] of [
        [hold, 'charge'],
        [rerun, 'first'],
      ] as const) {
        witness.holdBack(instanceId, cellId);
        cluster.advance(instanceId, `q-${instanceId}`).catch(() => undefined);
        await witness.arrived(instanceId, cellId, 1);
      }
      for (const replica of cluster.replicas) replica.kill();
      await Promise.all(cluster.replicas.map(({ exited }) => exited));
      await own.victim();

      // Without any request the open attempts are closed; that starts no effect.
      await eventually(async () => {
        const stories = await Promise.all(ids.map((instanceId) => own.story(instanceId)));
        return stories.every((story) => story.length > 1) ? true : undefined;
      });
      expect(await own.story(hold)).toEqual(['started charge 1', 'interrupted charge 1 crash']);
      expect((await own.story(rerun)).slice(0, 2)).toEqual([
        'started first 1',
        'interrupted first 1 crash',
      ]);
      expect(witness.effects(rerun)).toHaveLength(1);

      const again = cluster.advance(rerun, `q-${rerun}`);
      await witness.arrived(rerun, 'first', 2);
      const doubt = await cluster.advance(hold, `q-${hold}`);
      expect(doubt).toMatchObject({
        outcome: 'in_doubt',
        inDoubt: { cellId: 'charge', attempt: 1 },
      });
      expect(witness.effects(hold)).toHaveLength(1);
      await own.witness.stop();
      again.catch(() => undefined);
    } finally {
      await own.cluster.stop();
    }
  });
});

/** Resolves once the replica reports itself ready. */
async function readyAgain(replica: ReplicaProcess): Promise<void> {
  await eventually(async () => {
    const response = await fetch(`${replica.httpUrl}/readyz`).catch(() => undefined);
    return response?.status === 200 ? true : undefined;
  });
}
