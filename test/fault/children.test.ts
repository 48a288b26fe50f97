import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { advanceChildren, childrenOf } from '../harness/family.ts';
import { eventually } from '../harness/replicas.ts';
import { seeded } from '../harness/random.ts';
import { httpCell, Scene } from '../harness/scene.ts';

const MANY = 200;

const RUNBOOKS = [
  {
    runbook: 'leaf',
    version: 1,
    inputs: ['witness', 'n'],
    cells: [httpCell('work', { onInterrupt: 'rerun' })],
  },
  ...[3, MANY].map((count) => ({
    runbook: `parent-${count}`,
    version: 1,
    inputs: ['witness'],
    cells: [
      {
        id: 'all',
        run: {
          runbook: 'leaf',
          each: Array.from({ length: count }, (_, n) => n),
          inputs: { witness: '${inputs.witness}', n: '${each}' },
        },
      },
    ],
  })),
];

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start({ replicas: 2 }, RUNBOOKS);
});
afterAll(() => scene?.stop());

describe('a holder that dies while it starts children', () => {
  it.each(['before_children', 'after_children'])('%s: each is started once', async (point) => {
    const { cluster, witness } = scene;
    const victim = await scene.victim(`${point}=kill@cell:all`);
    const id = await scene.instanceHeldBy(victim, 'parent-3');
    const receipt = await cluster.advance(id, scene.name('q'));
    expect(await victim.exited).toMatchObject({ signal: 'SIGKILL' });
    expect(receipt).toMatchObject({
      outcome: 'parked',
      children: { cellId: 'all', ended: 0, total: 3 },
    });
    expect(receipt.holder?.replicaId).not.toBe(victim.replicaId);
    const children = await childrenOf(cluster, id);
    expect(children.map(({ instance_id: child }) => child)).toEqual(
      [0, 1, 2].map((n) => `${id}-all-${n}`),
    );
    const tokens = new Set(children.map(({ parent_token: token }) => token));
    expect(tokens.size).toBe(1);
    const byVictim = point === 'after_children';
    expect(tokens.has(receipt.holder?.fencingToken ?? 0)).toBe(!byVictim);
    await advanceChildren(cluster, id, scene.name('child'));
    expect(await cluster.advance(id, scene.name('q'))).toMatchObject({ outcome: 'completed' });
    for (const n of [0, 1, 2]) expect(witness.effects(`${id}-all-${n}`)).toHaveLength(1);
  });

  it('frozen before it starts any, it starts none once the parent is cancelled', async (context) => {
    const { cluster } = scene;
    const victim = await scene.victim('before_children=freeze@cell:all');
    const id = await scene.instanceHeldBy(victim, 'parent-3');
    const answer = cluster.advance(id, scene.name('q'));
    await scene.reached(victim, 'before_children', { answer, context });
    const body = { agentId: 'tester', reason: 'not needed' };
    expect(await cluster.request(cluster.subject('cancel', id), body)).toMatchObject({
      status: 'cancelled',
    });
    // Another holder may have served the advance before the cancel.
    const before = await childrenOf(cluster, id);
    victim.wake();
    await victim.logged(/refused to start children: the log has moved on/);
    expect(await answer).toMatchObject({ outcome: expect.stringMatching(/cancelled|parked/) });
    await cluster.advance(id, scene.name('q'));
    expect(await childrenOf(cluster, id)).toEqual(before);
    victim.kill();
    await victim.exited;
  });
});

describe(`a parent with ${MANY} children, while replicas are killed`, () => {
  it('runs each child once per attempt that the log has, and ends when all have', async () => {
    const { cluster, witness } = scene;
    const random = seeded(Number(process.env['LEASEHOLD_TEST_CHILDREN_SEED'] ?? 1));
    const starter = await scene.victim('after_children=kill@cell:all');
    const id = await scene.instanceHeldBy(starter, `parent-${MANY}`);
    const parked = await cluster.advance(id, scene.name('q'));
    expect(await starter.exited).toMatchObject({ signal: 'SIGKILL' });
    expect(parked).toMatchObject({ outcome: 'parked', children: { ended: 0, total: MANY } });
    const children = await childrenOf(cluster, id);
    expect(children).toHaveLength(MANY);

    const storm = async (): Promise<void> => {
      for (let kills = 0; kills < 3; kills += 1) {
        const victim = await scene.victim();
        await new Promise((resolve) => setTimeout(resolve, 100 + random() * 200));
        victim.kill();
        await victim.exited;
      }
    };
    const run = async (child: string): Promise<void> => {
      await eventually(async () => {
        // The same request id: what an earlier holder did for it counts.
        const { outcome } = await cluster.advance(child, `${child}-q`);
        return outcome === 'completed' ? true : undefined;
      });
    };
    const stormed = storm();
    await Promise.all(children.map(({ instance_id: child }) => run(child)));
    await stormed;

    const done = await eventually(async () => {
      const receipt = await cluster.advance(id, scene.name('q'));
      return receipt.outcome === 'completed' ? receipt : undefined;
    });
    expect(done.nextCellId).toBeNull();
    const [row, ...more] = await cluster.rows(id);
    expect(more).toEqual([]);
    const { instances } = row!.body as { instances: { instanceId: string; status: string }[] };
    expect(instances.map(({ instanceId }) => instanceId)).toEqual(
      children.map(({ instance_id: child }) => child),
    );
    expect(new Set(instances.map(({ status }) => status))).toEqual(new Set(['completed']));
    for (const { instance_id: child } of children) {
      const attempts = (await cluster.rows(child)).filter(({ kind }) => kind === 'started');
      const effects = witness.effects(child);
      expect(effects.length).toBeGreaterThanOrEqual(1);
      expect(effects.length).toBeLessThanOrEqual(attempts.length);
    }
    expect(await childrenOf(cluster, id)).toEqual(children);
  });
});
