import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { eventually, type ReplicaProcess } from '../harness/replicas.ts';
import { httpCell, PROBE, runbookOf, Scene, stepsOf } from '../harness/scene.ts';

const RUNBOOKS = [
  runbookOf('hold', [httpCell('charge')]),
  runbookOf('rerun', [httpCell('charge', { onInterrupt: 'rerun' })]),
  runbookOf('probe', [httpCell('charge', { onInterrupt: 'probe', probe: PROBE })]),
  runbookOf('child', [
    {
      id: 'work',
      exec: { command: ['sh', '-c', 'echo $$ >>"$0"; exec sleep 300', '${inputs.witness}'] },
      onInterrupt: 'rerun',
    },
  ]),
];

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.start({ replicas: 2 }, RUNBOOKS);
});
afterAll(() => scene?.stop());

/** Resolves once etcd has no session of the process any more: its lease has passed. */
async function sessionGone(of: Scene, { replicaId }: ReplicaProcess): Promise<void> {
  await eventually(async () => {
    const { stdout } = await of.cluster.cli(['replicas', '--json']);
    return stdout.includes(replicaId) ? undefined : true;
  });
}

/** Resolves once the log tells a story that ends so. */
function storyEnds(instanceId: string, last: string): Promise<string[]> {
  return eventually(async () => {
    const story = await scene.story(instanceId);
    return story.at(-1) === last ? story : undefined;
  });
}

describe('a holder frozen between intent and effect for longer than its lease', () => {
  test('starts no effect when it wakes; its word settles the doubt of a hold cell, and no person is asked', async () => {
    const { cluster, witness } = scene;
    const requestId = scene.name('q');
    const victim = await scene.victim(`after_intent=freeze@request:${requestId}`);
    const instanceId = await scene.instanceHeldBy(victim, 'hold');
    const answer = cluster.advance(instanceId, requestId);
    await victim.failpointReached('after_intent');
    // The agent who asked once hears from another replica.
    const receipt = await answer;
    expect(receipt).toMatchObject({
      outcome: 'in_doubt',
      inDoubt: { cellId: 'charge', attempt: 1, reason: 'crash' },
    });
    expect(receipt.holder?.replicaId).not.toBe(victim.replicaId);

    victim.wake();
    const story = await storyEnds(instanceId, 'decided charge 1 rerun by @late-outcome');
    expect(story).toEqual([
      'started charge 1',
      'interrupted charge 1 crash',
      'decided charge 1 rerun by @late-outcome',
    ]);
    expect(await scene.lateOutcomes(instanceId)).toEqual([
      { cell_id: 'charge', attempt: 1, kind: 'not_started', replica_id: victim.replicaId },
    ]);
    const refusals = await scene.refusals(instanceId);
    expect(refusals).toContainEqual(
      expect.objectContaining({ seq: 2, kind: 'interrupted', replica_id: victim.replicaId }),
    );
    expect(witness.effects(instanceId)).toHaveLength(0);

    const next = await cluster.advance(instanceId, scene.name('q'));
    expect(next.outcome).toBe('completed');
    const rows = await cluster.rows(instanceId);
    const [effect, ...more] = witness.effects(instanceId);
    expect(more).toEqual([]);
    expect(effect).toMatchObject({ key: `${instanceId}/charge/1`, token: rows[3]!.fencing_token });
    expect(rows[3]).toMatchObject({ kind: 'started', attempt: 2 });
    expect(await cluster.advance(instanceId, requestId)).toEqual(receipt);
    victim.kill();
  });

  test.each(['rerun', 'probe'])(
    'starts no effect of a %s cell when it wakes: another ran it once',
    async (policy) => {
      const { cluster, witness } = scene;
      const requestId = scene.name('q');
      const victim = await scene.victim(`after_intent=freeze@request:${requestId}`);
      const instanceId = await scene.instanceHeldBy(victim, policy);
      const answer = cluster.advance(instanceId, requestId);
      await victim.failpointReached('after_intent');
      const receipt = await answer;
      expect(receipt.outcome).toBe('completed');
      const before = await scene.story(instanceId);
      victim.wake();
      await eventually(async () => (await scene.lateOutcomes(instanceId))[0]);
      expect(await scene.story(instanceId)).toEqual(before);
      const [effect, ...more] = witness.effects(instanceId);
      expect(more).toEqual([]);
      expect(effect?.token).toBe(receipt.holder?.fencingToken);
      victim.kill();
    },
  );

  test('alone in the world it closes its own attempt as not_started, leads again and answers the request', async () => {
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
      // The old token is not revived: what was begun after waking is a term of its own.
      expect(rows[3]!.fencing_token).toBeGreaterThan(rows[0]!.fencing_token);
      expect(witness.effects(instanceId).map(({ token }) => token)).toEqual([
        rows[3]!.fencing_token,
      ]);
    } finally {
      await alone.stop();
    }
  });
});

describe('a holder frozen before the intent for longer than its lease', () => {
  test('writes nothing and starts nothing when it wakes', async () => {
    const { cluster, witness } = scene;
    const requestId = scene.name('q');
    const victim = await scene.victim(`before_intent=freeze@request:${requestId}`);
    const instanceId = await scene.instanceHeldBy(victim, 'hold');
    const answer = cluster.advance(instanceId, requestId);
    await victim.failpointReached('before_intent');
    const receipt = await answer;
    expect(receipt.outcome).toBe('completed');
    await sessionGone(scene, victim);
    victim.wake();
    // A signal that the woken process is at work again: it leads a new session.
    await eventually(async () => {
      const { stdout } = await cluster.cli(['replicas', '--json']);
      return stdout.includes(victim.replicaId) ? true : undefined;
    });
    expect(await scene.story(instanceId)).toEqual(['started charge 1', 'completed charge 1']);
    expect(witness.effects(instanceId)).toHaveLength(1);
    expect(
      (await cluster.rows(instanceId)).every((row) => row.replica_id !== victim.replicaId),
    ).toBe(true);
    victim.kill();
  });
});

describe('a holder frozen inside the effect for longer than its lease', () => {
  test.each(['in_effect', 'after_effect'])(
    '(%s) brings its outcome too late: the log refuses it, keeps it, and it settles the doubt of a hold cell',
    async (point) => {
      const { cluster, witness } = scene;
      const requestId = scene.name('q');
      const victim = await scene.victim(`${point}=freeze@request:${requestId}`);
      const instanceId = await scene.instanceHeldBy(victim, 'hold');
      const answer = cluster.advance(instanceId, requestId);
      await victim.failpointReached(point);
      const receipt = await answer;
      expect(receipt).toMatchObject({
        outcome: 'in_doubt',
        inDoubt: { cellId: 'charge', attempt: 1 },
      });
      expect(receipt.holder?.replicaId).not.toBe(victim.replicaId);
      expect(witness.effects(instanceId)).toHaveLength(1);

      victim.wake();
      const story = await storyEnds(instanceId, 'decided charge 1 succeeded by @late-outcome');
      expect(story).toEqual([
        'started charge 1',
        'interrupted charge 1 crash',
        'decided charge 1 succeeded by @late-outcome',
      ]);
      expect(await scene.lateOutcomes(instanceId)).toEqual([
        { cell_id: 'charge', attempt: 1, kind: 'completed', replica_id: victim.replicaId },
      ]);
      const rows = await cluster.rows(instanceId);
      const refusals = await scene.refusals(instanceId);
      expect(refusals).toContainEqual(
        expect.objectContaining({
          seq: 2,
          kind: 'completed',
          replica_id: victim.replicaId,
          fencing_token: rows[0]!.fencing_token,
        }),
      );
      expect(refusals[0]?.reason).not.toBe('');
      const status = await cluster.status(instanceId);
      expect(status.status).toBe('completed');
      expect(status.cells[0]?.output).toEqual({ key: `${instanceId}/charge/1`, count: 1 });
      expect((await cluster.advance(instanceId, scene.name('q'))).outcome).toBe('completed');
      expect(witness.effects(instanceId)).toHaveLength(1);
      // What the agent was told stays what it was told.
      expect(await cluster.advance(instanceId, requestId)).toEqual(receipt);
      victim.kill();
    },
  );

  test('a late failure settles the doubt as failed, and the cell’s retries go on under a new key', async () => {
    const { cluster, witness } = scene;
    await cluster.pushRunbook(
      runbookOf('retried', [httpCell('charge', { retry: { attempts: 2, backoff: '10ms' } })]),
    );
    const requestId = scene.name('q');
    const victim = await scene.victim(`in_effect=freeze@request:${requestId}`);
    const instanceId = await scene.instanceHeldBy(victim, 'retried');
    witness.answerWith(instanceId, 'charge', { status: 500, body: { sorry: true } });
    const answer = cluster.advance(instanceId, requestId);
    await victim.failpointReached('in_effect');
    expect((await answer).outcome).toBe('in_doubt');
    victim.wake();
    await storyEnds(instanceId, 'decided charge 1 failed by @late-outcome');
    expect((await cluster.advance(instanceId, scene.name('q'))).outcome).toBe('completed');
    expect(witness.effects(instanceId).map(({ key }) => key)).toEqual([
      `${instanceId}/charge/1`,
      `${instanceId}/charge/2`,
    ]);
    victim.kill();
  });

  test('a decision that came before the late outcome stands, and the outcome is kept as evidence', async () => {
    const { cluster, witness } = scene;
    const requestId = scene.name('q');
    const victim = await scene.victim(`in_effect=freeze@request:${requestId}`);
    const instanceId = await scene.instanceHeldBy(victim, 'hold');
    const answer = cluster.advance(instanceId, requestId);
    await victim.failpointReached('in_effect');
    expect((await answer).outcome).toBe('in_doubt');
    const decided = await cluster.request(cluster.subject('decide', instanceId), {
      agentId: 'person',
      cellId: 'charge',
      attempt: 1,
      as: 'skipped',
      reason: 'not needed any more',
    });
    expect(decided).toEqual({ instanceId, seq: 3, as: 'skipped' });
    victim.wake();
    await eventually(async () => (await scene.lateOutcomes(instanceId))[0]);
    expect((await cluster.advance(instanceId, scene.name('q'))).outcome).toBe('completed');
    expect(await scene.story(instanceId)).toEqual([
      'started charge 1',
      'interrupted charge 1 crash',
      'decided charge 1 skipped by person',
    ]);
    expect(witness.effects(instanceId)).toHaveLength(1);
    victim.kill();
  });

  test('a rerun attempt is ended with its process group when its holder wakes', async () => {
    const { cluster } = scene;
    const folder = await mkdtemp(join(tmpdir(), 'leasehold-freeze-'));
    const file = join(folder, 'pids');
    const pids = async (): Promise<number[]> =>
      (await readFile(file, 'utf8').catch(() => ''))
        .split('\n')
        .filter((line) => line !== '')
        .map(Number);
    try {
      const requestId = scene.name('q');
      const victim = await scene.victim(`in_effect=freeze@request:${requestId}`);
      // The input that other runbooks take for the witness's URL names the file of pids here.
      let instanceId: string;
      do {
        instanceId = scene.name('i');
        await cluster.start(instanceId, 'child', { witness: file });
      } while ((await scene.touch(instanceId)).holder?.replicaId !== victim.replicaId);
      const answer = cluster.advance(instanceId, requestId);
      answer.catch(() => undefined);
      await victim.failpointReached('in_effect');
      // Both run: the old one's process is frozen and cannot end it.
      const [first, second] = await eventually(async () => {
        const found = await pids();
        return found.length === 2 ? found : undefined;
      });
      expect(alive(first!)).toBe(true);
      victim.wake();
      await eventually(() => Promise.resolve(alive(first!) ? undefined : true));
      expect(alive(second!)).toBe(true);
      // An abort is an interruption, so there is no outcome to keep.
      await eventually(async () =>
        (await scene.refusals(instanceId)).find(({ kind }) => kind === 'interrupted'),
      );
      expect(await scene.lateOutcomes(instanceId)).toEqual([]);
      victim.kill();
      process.kill(second!, 'SIGKILL');
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

test('a holder frozen while it settles a doubt decides nothing when it wakes: another has decided', async () => {
  const own = await Scene.start({ replicas: 0 }, RUNBOOKS);
  try {
    const { cluster, witness } = own;
    const requestId = own.name('q');
    const first = await own.victim(`in_effect=kill@request:${requestId}`);
    // Whatever brings it to the decision: the request, or its sweeper, which may be there first.
    const second = await own.victim('before_decision=freeze@cell:charge');
    const third = await own.victim();
    const instanceId = await own.instanceHeldBy(first, 'rerun');
    const answer = cluster.advance(instanceId, requestId);
    await first.exited;
    // It stands still, so that the second is the one to take over.
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

/** Whether the process runs; a zombie does not. */
function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
