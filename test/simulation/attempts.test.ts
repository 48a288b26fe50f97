import { describe, expect, test } from 'vitest';

import type { Log } from '../../advancer/log/log.ts';
import { AGAIN, gate, HELD, Scene } from './scene.ts';

describe('attempts are registered per process until their closing row is definite', () => {
  test('an outcome in hand that is not yet appended counts as running, and no replica closes it', async () => {
    const scene = new Scene([HELD]);
    const holder = await scene.held();
    const ending = gate();
    scene.hold = ending.opened;
    const answer = scene.advance('q1');
    await scene.until('the effect', () => scene.ran.length === 1);
    scene.cut(holder, 'postgres', true);
    ending.open();
    await scene.pass(1_000);
    const runs = await scene.result(
      scene.ask(holder, {
        ask: 'runs',
        instanceId: 'i',
        cellId: 'charge',
        attempt: 1,
        fencingToken: 1_000,
      }),
    );
    expect(runs).toEqual({ runs: true });
    scene.cut(holder, 'postgres', false);
    expect((await scene.result(answer)).outcome).toBe('completed');
    expect(scene.log).toEqual(['started charge 1', 'completed charge 1']);
    expect(holder.replica.attempts.all()).toEqual([]);
  });

  test('a process that cannot reach Postgres for long with an attempt in hand ends its session; what it knows becomes a late outcome', async () => {
    const scene = new Scene([HELD]);
    const holder = await scene.held();
    const ending = gate();
    scene.hold = ending.opened;
    const answer = scene.advance('q1');
    await scene.until('the effect', () => scene.ran.length === 1);
    scene.cut(holder, 'postgres', true);
    ending.open();
    await scene.until(
      'the end of its session',
      () => scene.cluster.etcd.get(`/leasehold/sim/replicas/${holder.replicaId}`) === undefined,
    );
    const receipt = await scene.result(answer);
    expect(receipt).toMatchObject({
      outcome: 'in_doubt',
      inDoubt: { cellId: 'charge', attempt: 1 },
    });
    expect(receipt.holder?.replicaId).not.toBe(holder.replicaId);
    scene.cut(holder, 'postgres', false);
    await scene.until('the decision', () => scene.log.length === 3);
    expect(scene.log[2]).toBe('decided charge 1 succeeded by @late-outcome');
    expect(scene.cluster.postgres.lateOutcomes).toMatchObject([
      { kind: 'completed', replicaId: holder.replicaId },
    ]);
    expect(scene.cluster.postgres.refusals).toMatchObject([
      { kind: 'completed', replicaId: holder.replicaId },
    ]);
    expect(scene.ran).toHaveLength(1);
  });

  test('a process that was fenced keeps its attempt in hand, and does not leave, until what it knows is stored', async () => {
    const storing = gate();
    const scene = new Scene([AGAIN], {
      log: (log): Log => ({
        ...log,
        async addLateOutcome(late) {
          await storing.opened;
          return log.addLateOutcome(late);
        },
      }),
    });
    const holder = await scene.held();
    const [first, second] = [gate(), gate()];
    scene.hold = first.opened;
    const answer = scene.advance('q1');
    await scene.until('the effect', () => scene.ran.length === 1);
    // It waits at its gate by now; the next gate is for the replica that runs the cell again.
    await scene.pass(50);
    scene.hold = second.opened;
    scene.cut(holder, 'etcd', true);
    // The request goes on elsewhere, so it is the fence that refuses the outcome, and no receipt.
    await scene.until('the next attempt', () => scene.ran.length === 2);
    first.open();
    await scene.until('the refusal', () => scene.cluster.postgres.refusals.length === 1);
    scene.cut(holder, 'etcd', false);
    await scene.pass(3_000);
    expect(holder.replica.attempts.all()).toHaveLength(1);
    let left = false;
    void holder.replica.drain().then(() => (left = true));
    await scene.pass(3_000);
    expect(left).toBe(false);
    storing.open();
    await scene.until('the end of the drain', () => left);
    expect(scene.cluster.postgres.lateOutcomes).toMatchObject([
      { kind: 'completed', attempt: 1, replicaId: holder.replicaId },
    ]);
    second.open();
    expect((await scene.result(answer)).outcome).toBe('completed');
  });

  test('a holder that is cut off from NATS only is left to end its open attempt', async () => {
    const scene = new Scene([HELD, { ...HELD, id: 'next' }]);
    const holder = await scene.held();
    const ending = gate();
    scene.hold = ending.opened;
    void scene.advance('q1', { maxCells: 1 });
    await scene.until('the effect', () => scene.ran.length === 1);
    scene.cut(holder, 'nats', true);
    const other = scene.advance('q2');
    await scene.pass(5_000);
    expect(scene.log).toEqual(['started charge 1']);
    expect(holder.replica.leases.holding('i')).toBeDefined();
    ending.open();
    const receipt = await scene.result(other);
    expect(receipt.outcome).toBe('completed');
    expect(receipt.holder?.replicaId).not.toBe(holder.replicaId);
    expect(scene.log).toEqual([
      'started charge 1',
      'completed charge 1',
      'started next 1',
      'completed next 1',
    ]);
    expect(scene.ran).toHaveLength(2);
  });
});

test('a check that fails after started closes the attempt as not_started, decided rerun', async () => {
  const scene: Scene = new Scene([HELD], {
    replicas: 1,
    failpoint: (process) => async (name, place) => {
      if (name !== 'after_intent' || place.attempt !== 1) return;
      scene.cluster.network.setCut(process, 'etcd', true);
      await process.clock().sleep(4_000);
      expect(scene.ran).toEqual([]);
      scene.cluster.network.setCut(process, 'etcd', false);
    },
  });
  await scene.held();
  expect((await scene.result(scene.advance('q1'))).outcome).toBe('completed');
  expect(scene.log).toEqual([
    'started charge 1',
    'interrupted charge 1 not_started',
    'decided charge 1 rerun by @policy',
    'started charge 2',
    'completed charge 2',
  ]);
  const tokens = scene.cluster.postgres.rowsOf('i').map(({ fencingToken }) => fencingToken);
  // The old term's rows have the old token, and the new attempt belongs to a new term.
  expect(new Set(tokens.slice(0, 3)).size).toBe(1);
  expect(tokens[3]).toBeGreaterThan(tokens[2]!);
  expect(scene.ran.map(({ attempt, fencingToken }) => [attempt, fencingToken])).toEqual([
    [2, tokens[3]],
  ]);
});
