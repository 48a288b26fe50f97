import { describe, expect, test } from 'vitest';

import { eventually } from '../harness/replicas.ts';
import { httpCell, runbookOf, Scene, stepsOf } from '../harness/scene.ts';
import { sessionGone } from './sessions.ts';

const RUNBOOKS = [
  runbookOf('hold', [httpCell('charge')]),
  runbookOf('rerun', [httpCell('charge', { onInterrupt: 'rerun' })]),
];

describe('a holder frozen between intent and effect for longer than its lease', () => {
  test('with no other replica, closes its own attempt as not_started, leads again and answers the request', async () => {
    const alone = await Scene.start({ replicas: 0 }, RUNBOOKS);
    try {
      const { cluster, witness } = alone;
      const requestId = alone.name('q');
      const victim = await alone.victim(`after_intent=freeze@request:${requestId},nth:1`);
      const instanceId = await alone.instance('hold');
      const answer = cluster.advance(instanceId, requestId);
      await victim.failpointReached('after_intent');
      await sessionGone(alone, victim);
      expect(witness.effects(instanceId)).toHaveLength(0);
      victim.wake();
      const receipt = await answer;
      const rows = await cluster.rows(instanceId);
      expect(await alone.story(instanceId)).toEqual([
        'started charge 1',
        'interrupted charge 1 not_started',
        'decided charge 1 rerun by @policy',
        'started charge 2',
        'completed charge 2',
      ]);
      expect(receipt).toMatchObject({ outcome: 'completed', steps: stepsOf(rows, requestId) });
      // The old token is not used again: the attempt after waking has a new one.
      expect(rows[3]!.fencing_token).toBeGreaterThan(rows[0]!.fencing_token);
      expect(witness.effects(instanceId).map(({ token }) => token)).toEqual([
        rows[3]!.fencing_token,
      ]);
    } finally {
      await alone.stop();
    }
  });
});

test('a holder frozen while it settles a doubt decides nothing when it wakes: another replica has decided', async () => {
  const own = await Scene.start({ replicas: 0 }, RUNBOOKS);
  try {
    const { cluster, witness } = own;
    const requestId = own.name('q');
    const first = await own.victim(`in_effect=kill@request:${requestId}`);
    // It decides because of the request or because of its sweeper, whichever is first.
    const second = await own.victim('before_decision=freeze@cell:charge');
    const third = await own.victim();
    const instanceId = await own.instanceHeldBy(first, 'rerun');
    const answer = cluster.advance(instanceId, requestId);
    await first.exited;
    // The third is frozen, so that the second takes over.
    third.freeze();
    await second.failpointReached('before_decision');
    third.wake();
    const receipt = await answer;
    expect(receipt.outcome).toBe('completed');
    expect(receipt.holder?.replicaId).toBe(third.replicaId);
    const story = await own.story(instanceId);
    expect(story).toEqual([
      'started charge 1',
      'interrupted charge 1 crash',
      'decided charge 1 rerun by @policy',
      'started charge 2',
      'completed charge 2',
    ]);
    second.wake();
    await eventually(async () =>
      (await own.refusals(instanceId)).find(({ replica_id: by }) => by === second.replicaId),
    );
    expect(await own.story(instanceId)).toEqual(story);
    const rows = await cluster.rows(instanceId);
    expect(rows.some((row) => row.replica_id === second.replicaId)).toBe(false);
    expect(witness.effects(instanceId).map(({ token }) => token)).toEqual([
      rows[0]!.fencing_token,
      rows[3]!.fencing_token,
    ]);
  } finally {
    await own.stop();
  }
});

test('a replica that wakes up does not act on a request that has expired', async () => {
  const alone = await Scene.start({ replicas: 1 }, RUNBOOKS);
  try {
    const { cluster, witness } = alone;
    const instanceId = await alone.instance('hold');
    const held = alone.instance('hold');
    await alone.touch(await held);
    const replica = cluster.replica('a');
    const expiresAt = new Date(Date.now() + 1_000).toISOString();
    replica.freeze();
    const answers = [instanceId, await held].map((id) =>
      cluster.advance(id, alone.name('q'), { expiresAt }),
    );
    await sessionGone(alone, replica);
    expect(Date.now()).toBeGreaterThan(Date.parse(expiresAt));
    replica.wake();
    for (const { outcome, steps } of await Promise.all(answers)) {
      expect(outcome).toBe('expired');
      expect(steps).toEqual([]);
    }
    expect(witness.effects(instanceId)).toEqual([]);
    expect(witness.effects(await held)).toEqual([]);
    expect(await cluster.rows(instanceId)).toEqual([]);
    // It serves the next request.
    expect((await cluster.advance(instanceId, alone.name('q'))).outcome).toBe('completed');
  } finally {
    await alone.stop();
  }
});
