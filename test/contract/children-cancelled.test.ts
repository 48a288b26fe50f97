import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { childrenOf, holdChildren, untilDue, untilStatus } from '../harness/family.ts';
import { httpCell, Scene } from '../harness/scene.ts';

const RUNBOOKS = [
  { runbook: 'leaf', version: 1, inputs: ['witness'], cells: [httpCell('work')] },
  {
    runbook: 'middle',
    version: 1,
    inputs: ['witness'],
    cells: [{ id: 'leaf', run: { runbook: 'leaf', inputs: { witness: '${inputs.witness}' } } }],
  },
  ...['leaf', 'middle'].map((runbook) => ({
    runbook: `many-${runbook}`,
    version: 1,
    inputs: ['witness'],
    cells: [
      { id: 'all', run: { runbook, each: [0, 1, 2], inputs: { witness: '${inputs.witness}' } } },
    ],
  })),
];

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start({ replicas: 3 }, RUNBOOKS);
});
afterAll(() => scene?.stop());

function cancel(instanceId: string, more: object = {}): Promise<Record<string, unknown>> {
  const { cluster } = scene;
  const body = { agentId: 'tester', reason: 'not needed', ...more };
  return cluster.request(cluster.subject('cancel', instanceId), body);
}

/** A parent whose children are started, and run until they are released. */
async function parent(): Promise<{ id: string } & ReturnType<typeof holdChildren>> {
  const { cluster, witness } = scene;
  const id = await scene.instance('many-leaf');
  const held = holdChildren(witness, id, { cellId: 'all', childCell: 'work', count: 3 });
  expect(await cluster.advance(id, `${id}-start`)).toMatchObject({ outcome: 'parked' });
  for (const n of [0, 1, 2]) await witness.arrived(`${id}-all-${n}`, 'work', 1);
  return { id, ...held };
}

async function untilCancelled(id: string): Promise<void> {
  await untilStatus(scene.cluster, id, 'cancelled');
}

describe('a cancelled child', () => {
  it('refutes the run cell once all have ended, and is replaced when that is decided', async () => {
    const { cluster, witness } = scene;
    const { id, release } = await parent();
    await cancel(`${id}-all-1`);
    expect(await cluster.advance(id, `${id}-a`)).toMatchObject({
      outcome: 'parked',
      children: { ended: 1, total: 3 },
    });
    for (const n of [0, 2]) release(n);
    await untilDue(cluster, id);
    const halted = await cluster.advance(id, `${id}-b`);
    expect(halted).toMatchObject({
      outcome: 'halted',
      error: { message: expect.stringContaining(`1 of 3 instances were cancelled: ${id}-all-1`) },
    });
    const [row] = await cluster.rows(id);
    expect(row).toMatchObject({
      kind: 'refuted',
      attempt: 1,
      body: {
        instances: [
          { instanceId: `${id}-all-0`, status: 'completed' },
          { instanceId: `${id}-all-1`, status: 'cancelled' },
          { instanceId: `${id}-all-2`, status: 'completed' },
        ],
      },
    });

    // The replacement runs the newest version of that moment.
    await cluster.pushRunbook({ ...RUNBOOKS[0]!, version: 2 });
    const decision = { agentId: 'ann', cellId: 'all', attempt: 1, as: 'rerun', reason: 'again' };
    await cluster.request(cluster.subject('decide', id), decision);
    const again = witness.holdBack(`${id}-all-1-r2`, 'work');
    expect(await cluster.advance(id, `${id}-c`)).toMatchObject({
      outcome: 'parked',
      children: { cellId: 'all', ended: 2, total: 3 },
    });
    const started = await childrenOf(cluster, id);
    expect(started.map((one) => [one.instance_id, one.version, one.parent_attempt])).toEqual([
      [`${id}-all-0`, 1, 1],
      [`${id}-all-1`, 1, 1],
      [`${id}-all-1-r2`, 2, 2],
      [`${id}-all-2`, 1, 1],
    ]);
    again();
    await untilDue(cluster, id);
    expect(await cluster.advance(id, `${id}-d`)).toMatchObject({ outcome: 'completed' });
    const rows = await cluster.rows(id);
    expect(rows.at(-1)).toMatchObject({
      kind: 'satisfied',
      attempt: 2,
      body: {
        instances: [
          { instanceId: `${id}-all-0` },
          { instanceId: `${id}-all-1-r2`, outputs: { work: expect.anything() } },
          { instanceId: `${id}-all-2` },
        ],
      },
    });
  });
});

describe('a parent that is cancelled', () => {
  it('with its children: all that are alive are, with theirs, and what has completed stays', async () => {
    const { cluster, witness } = scene;
    const id = await scene.instance('many-middle');
    // The first completes, the others wait for their leaves.
    const held = [1, 2].map((n) => witness.holdBack(`${id}-all-${n}-leaf`, 'work'));
    expect(await cluster.advance(id, `${id}-start`)).toMatchObject({ outcome: 'parked' });
    await untilStatus(cluster, `${id}-all-0`, 'completed');
    for (const n of [1, 2]) await witness.arrived(`${id}-all-${n}-leaf`, 'work', 1);
    expect(await cancel(id, { children: true })).toMatchObject({ status: 'cancelled' });
    for (const child of ['all-1', 'all-2', 'all-1-leaf', 'all-2-leaf'])
      await untilCancelled(`${id}-${child}`);
    for (const release of held) release();
    expect(await cluster.status(`${id}-all-0`)).toMatchObject({ status: 'completed' });
    const rows = await cluster.rows(`${id}-all-1`);
    expect(rows).toEqual([
      expect.objectContaining({
        kind: 'cancelled',
        body: {
          by: '@parent',
          reason: `${id} was cancelled: not needed`,
          children: true,
          left: [],
        },
      }),
    ]);
    expect(await scene.story(`${id}-all-1-leaf`)).toEqual([
      'started work 1',
      'interrupted work 1 aborted',
      'cancelled work 1',
    ]);
    const status = await cluster.status(id);
    expect(status).toMatchObject({ status: 'cancelled' });
    expect(status).not.toHaveProperty('children');
  });

  it('with its children: an attempt that runs is ended and closed first', async () => {
    const { cluster } = scene;
    const { id, releaseAll } = await parent();
    const running = cluster.advance(`${id}-all-0`, `${id}-running`, { wait: true });
    await cancel(id, { children: true });
    await untilCancelled(`${id}-all-0`);
    expect(await running).toMatchObject({ outcome: 'cancelled' });
    releaseAll();
    expect(await scene.story(`${id}-all-0`)).toEqual([
      'started work 1',
      'interrupted work 1 aborted',
      'cancelled work 1',
    ]);
  });

  it('alone: its children go on', async () => {
    const { cluster } = scene;
    const { id, releaseAll } = await parent();
    await cancel(id);
    releaseAll();
    for (const n of [0, 1, 2]) await untilStatus(cluster, `${id}-all-${n}`, 'completed');
    expect(await cluster.status(id)).toMatchObject({ status: 'cancelled' });
  });

  it('is seen to by other replicas, without being asked, if the one that cancelled it dies', async () => {
    const { cluster } = scene;
    const { id, releaseAll } = await parent();
    // As if the replica that cancelled it had died before it asked any child.
    const { holder } = await cluster.status(id);
    await cluster.app.query(
      `insert into leasehold.executions
           (instance_id, seq, fencing_token, replica_id, kind, cell_id, attempt, body)
         values ($1, 1, $2, 'dead-00000000', 'cancelled', 'all', 1,
                 '{"by": "ann", "reason": "gone", "children": true, "left": []}')`,
      [id, holder?.fencingToken],
    );
    expect(await cluster.status(id)).toMatchObject({ status: 'cancelled' });
    for (const n of [0, 1, 2]) await untilCancelled(`${id}-all-${n}`);
    releaseAll();
  });
});
