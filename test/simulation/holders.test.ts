import { describe, expect, test } from 'vitest';

import type { Log } from '../../advancer/log/log.ts';
import { GATE, gate, HELD, Scene } from './scene.ts';

test('a replica that loses to a higher token drops the holding at once, and writes no more under the old one', async () => {
  const fenced: string[] = [];
  const scene: Scene = new Scene([GATE, HELD], {
    log: (log, process): Log => ({
      ...log,
      async append(entry) {
        const outcome = await log.append(entry);
        if (outcome.kind === 'fenced') fenced.push(process.name);
        return outcome;
      },
    }),
  });
  const holder = await scene.held();
  const { postgres } = scene.cluster;
  // The holder's view of etcd stops here; its trust lasts a while longer.
  scene.cut(holder, 'etcd', true);
  const other = scene.cluster.living.find((one) => one !== holder)!;
  const seen = await scene.result(other.replica.leases.look('i'));
  if (typeof seen === 'string') throw new Error(seen);
  const taken = await scene.result(other.replica.leases.takeOver(seen));
  if (taken.kind !== 'acquired') throw new Error(taken.kind);
  const { token } = taken.holding;
  postgres.append({
    instanceId: 'i',
    fencingToken: token,
    replicaId: other.replicaId,
    rows: [
      {
        instanceId: 'i',
        seq: 1,
        fencingToken: token,
        replicaId: other.replicaId,
        kind: 'satisfied',
        cellId: 'gate',
        attempt: 1,
        requestId: null,
        agentId: null,
        body: {},
      },
    ],
    projection: { status: 'ready', nextCellId: 'charge' },
  });
  expect(holder.replica.leases.holding('i')).toBeDefined();
  // The old holder still trusts itself and its memory of an empty log, so it parks: a receipt is as
  // fenced as a row.
  const answer = scene.advance('q1');
  await scene.until('the fence', () => fenced.length > 0);
  expect(fenced).toEqual([holder.process.name]);
  expect(holder.replica.leases.holding('i')).toBeUndefined();
  const receipt = await scene.result(answer);
  expect(receipt).toMatchObject({ outcome: 'completed', holder: { replicaId: other.replicaId } });
  expect(fenced).toHaveLength(1);
  expect(postgres.rowsOf('i').every(({ fencingToken }) => fencingToken >= token)).toBe(true);
  expect(scene.ran).toHaveLength(1);
});

describe('a request that its holder never received', () => {
  test('is still answered by it if it was cut off from the bus when the request came', async () => {
    const scene = new Scene([HELD, { ...HELD, id: 'next' }]);
    const holder = await scene.held();
    const ending = gate();
    scene.hold = ending.opened;
    void scene.advance('q1', { maxCells: 1 });
    await scene.until('the effect', () => scene.ran.length === 1);
    scene.cut(holder, 'nats', true);
    const other = scene.advance('q2', { wait: true });
    await scene.pass(1_000);
    scene.cut(holder, 'nats', false);
    ending.open();
    const receipt = await scene.result(other);
    expect(receipt?.outcome).toBe('completed');
  });

  test('is still answered by it if it had not joined yet when the request came', async () => {
    const scene = new Scene([HELD, { ...HELD, id: 'next' }], { replicas: 2 });
    const holder = await scene.held();
    const ending = gate();
    scene.hold = ending.opened;
    void scene.advance('q1', { maxCells: 1 });
    await scene.until('the effect', () => scene.ran.length === 1);
    const other = scene.advance('q2', { wait: true });
    await scene.pass(100);
    const late = scene.cluster.startReplica();
    await scene.pass(500);
    holder.process.kill();
    await scene.until(
      'lease gone',
      () => scene.cluster.etcd.get('/leasehold/sim/leases/i') === undefined,
    );
    await scene.result(late.replica.leases.acquire('i'));
    const receipt = await scene.result(other);
    expect(receipt?.outcome).toBe('in_doubt');
  });
});

test('a replica that drains with an attempt open releases at once the instances without one', async () => {
  // Alone at first, so that it holds both.
  const scene = new Scene([HELD], { replicas: 1 });
  const holder = await scene.held();
  await scene.result(scene.advance('touch-j', { cellId: 'nowhere' }, 'j'));
  scene.cluster.startReplica();
  scene.cluster.startReplica();
  await scene.pass(2_000);
  const ending = gate();
  scene.hold = ending.opened;
  const open = scene.advance('q1');
  await scene.until('the effect', () => scene.ran.length === 1);
  scene.hold = undefined;
  void holder.replica.drain();
  const leftAtMs = scene.cluster.world.nowMs;
  const receipt = await scene.result(scene.advance('q2', {}, 'j'));
  expect(receipt.outcome).toBe('completed');
  expect(receipt.holder?.replicaId).not.toBe(holder.replicaId);
  expect(scene.cluster.world.nowMs - leftAtMs).toBeLessThan(90);
  ending.open();
  expect((await scene.result(open)).holder?.replicaId).toBe(holder.replicaId);
});
