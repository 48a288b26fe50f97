import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';

import { breakGuard } from '../../harness/broken-guard.ts';
import { childrenOf, holdChildren, untilDue, untilStatus } from '../../harness/family.ts';
import { eventually } from '../../harness/replicas.ts';
import type { ReplicaProcess } from '../../harness/replica-process.ts';
import { seeded } from '../../harness/random.ts';
import { httpCell, Scene } from '../../harness/scene.ts';

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
    const held = holdChildren(witness, id, { cellId: 'all', childCell: 'work', count: 3 });
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
    held.releaseAll();
    await untilDue(cluster, id);
    expect(await cluster.advance(id, scene.name('q'))).toMatchObject({ outcome: 'completed' });
    for (const n of [0, 1, 2]) expect(witness.effects(`${id}-all-${n}`)).toHaveLength(1);
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
    expect(parked).toMatchObject({ children: { total: MANY } });
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
    // Nobody asks the children.
    const stormed = storm();
    await Promise.all(
      children.map(({ instance_id: child }) => untilStatus(cluster, child, 'completed')),
    );
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

/** The audit takes a child for later than its parent's next row only after that long. */
const LOCK_WAIT_MS = 5_000;

interface Frozen {
  victim: ReplicaProcess;
  id: string;
}

/** A replica that freezes just before it starts children, and an instance that it holds. */
async function holder(): Promise<Frozen> {
  const victim = await scene.victim('before_children=freeze@cell:all');
  return { victim, id: await scene.instanceHeldBy(victim, 'parent-3') };
}

/** Sends an advance to all replicas, or to one alone, and resolves once the holder is frozen. */
async function freeze(
  context: TestContext,
  { victim, id }: Frozen,
  to: 'all' | 'holder',
): Promise<{ answer: Promise<unknown> }> {
  const { cluster } = scene;
  const subject = to === 'all' ? ['advance', id] : ['replica', victim.replicaId, 'advance', id];
  const body = { requestId: scene.name('q'), agentId: 'tester' };
  const answer = cluster.request(cluster.subject(...subject), body);
  await scene.reached(victim, 'before_children', { answer, context });
  return { answer };
}

/** One whose parent is cancelled meanwhile, and one whose children another replica starts. */
async function frozenHolders(
  context: TestContext,
): Promise<{ cancelled: Frozen; again: Frozen; cancelledAtMs: number }> {
  const { cluster } = scene;
  // A start may be for one that is frozen, so both are held first.
  const [cancelled, again] = [await holder(), await holder()];
  await freeze(context, cancelled, 'holder');
  const { answer } = await freeze(context, again, 'all');
  const body = { agentId: 'tester', reason: 'not needed' };
  expect(await cluster.request(cluster.subject('cancel', cancelled.id), body)).toMatchObject({
    status: 'cancelled',
  });
  const cancelledAtMs = Date.now();
  expect(await answer).toMatchObject({ outcome: 'parked', children: { ended: 0, total: 3 } });
  expect(await childrenOf(cluster, cancelled.id)).toHaveLength(0);
  expect(await childrenOf(cluster, again.id)).toHaveLength(3);
  return { cancelled, again, cancelledAtMs };
}

/** The checks of the audit that an instance breaches. */
async function breachesOf(instanceId: string): Promise<string[]> {
  const { stdout } = await scene.cluster.cli(['audit', '--json', '--instance', instanceId]);
  const lines = stdout.split('\n').filter((line) => line.startsWith('{"check"'));
  return lines.map((line) => (JSON.parse(line) as { check: string }).check);
}

describe('holders that were frozen before they started children, and wake', () => {
  it('start none once the parent is cancelled, and none that another replica has started', async (context) => {
    const { cluster } = scene;
    const { cancelled, again } = await frozenHolders(context);
    cancelled.victim.wake();
    again.victim.wake();
    await cancelled.victim.logged(/refused to start children: the log has moved on/);
    // What it was about to do when it was frozen, it has done once it holds another instance.
    await scene.instanceHeldBy(again.victim, 'parent-3');
    expect(await childrenOf(cluster, cancelled.id)).toHaveLength(0);
    expect(await childrenOf(cluster, again.id)).toHaveLength(3);
    for (const { id } of [cancelled, again]) expect(await breachesOf(id)).toEqual([]);
  });

  // There is no way back, so this is the last test here.
  it('start them without the guard of the origins, and the audit says so', async (context) => {
    const { cluster } = scene;
    const { cancelled, again, cancelledAtMs } = await frozenHolders(context);
    await breakGuard(cluster.servers.superuserUrl, 'origins');
    await sleep(cancelledAtMs + LOCK_WAIT_MS + 500 - Date.now());
    cancelled.victim.wake();
    again.victim.wake();
    await eventually(async () => {
      const counts = [cancelled, again].map(
        async ({ id }) => (await childrenOf(cluster, id)).length,
      );
      return (await Promise.all(counts)).join() === '3,6' ? true : undefined;
    });
    expect(await breachesOf(cancelled.id)).toContain('children-fenced-by-parent');
    expect(await breachesOf(again.id)).toContain('children-started-once');
  });
});
