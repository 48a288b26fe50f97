import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { eventually } from '../harness/replicas.ts';
import { httpCell, PROBE, runbookOf, Scene } from '../harness/scene.ts';
import { sessionGone } from './sessions.ts';

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

/** Resolves once the last row of the instance's log is this one. */
function storyEnds(instanceId: string, last: string): Promise<string[]> {
  return eventually(async () => {
    const story = await scene.story(instanceId);
    return story.at(-1) === last ? story : undefined;
  });
}

describe('a holder frozen between intent and effect for longer than its lease', () => {
  test('starts no effect when it wakes; its late outcome settles the doubt of a hold cell, without a person', async (context) => {
    const { cluster, witness } = scene;
    const requestId = scene.name('q');
    const victim = await scene.victim(`after_intent=freeze@request:${requestId}`);
    const instanceId = await scene.instanceHeldBy(victim, 'hold');
    const answer = cluster.advance(instanceId, requestId);
    await scene.reached(victim, 'after_intent', { answer, context });
    // The agent sent one request, and another replica answers it.
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

  test.for(['rerun', 'probe'])(
    'starts no effect of a %s cell when it wakes: another replica ran it once',
    async (policy, context) => {
      const { cluster, witness } = scene;
      const requestId = scene.name('q');
      const victim = await scene.victim(`after_intent=freeze@request:${requestId}`);
      const instanceId = await scene.instanceHeldBy(victim, policy);
      const answer = cluster.advance(instanceId, requestId);
      await scene.reached(victim, 'after_intent', { answer, context });
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
});

describe('a holder frozen before the intent for longer than its lease', () => {
  test('writes nothing and starts nothing when it wakes', async (context) => {
    const { cluster, witness } = scene;
    const requestId = scene.name('q');
    const victim = await scene.victim(`before_intent=freeze@request:${requestId}`);
    const instanceId = await scene.instanceHeldBy(victim, 'hold');
    const answer = cluster.advance(instanceId, requestId);
    await scene.reached(victim, 'before_intent', { answer, context });
    const receipt = await answer;
    expect(receipt.outcome).toBe('completed');
    await sessionGone(scene, victim);
    victim.wake();
    // The woken process works again once it has a new session.
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
  test.for(['in_effect', 'after_effect'])(
    '(%s) reports its outcome too late: the log refuses the row, keeps it as evidence, and it settles the doubt of a hold cell',
    async (point, context) => {
      const { cluster, witness } = scene;
      const requestId = scene.name('q');
      const victim = await scene.victim(`${point}=freeze@request:${requestId}`);
      const instanceId = await scene.instanceHeldBy(victim, 'hold');
      const answer = cluster.advance(instanceId, requestId);
      await scene.reached(victim, point, { answer, context });
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
      // The receipt that the agent got does not change.
      expect(await cluster.advance(instanceId, requestId)).toEqual(receipt);
      victim.kill();
    },
  );

  test('a late failure settles the doubt as failed, and the cell’s retries continue under a new key', async (context) => {
    const { cluster, witness } = scene;
    await cluster.pushRunbook(
      runbookOf('retried', [httpCell('charge', { retry: { attempts: 2, backoff: '10ms' } })]),
    );
    const requestId = scene.name('q');
    const victim = await scene.victim(`in_effect=freeze@request:${requestId}`);
    const instanceId = await scene.instanceHeldBy(victim, 'retried');
    witness.answerWith(instanceId, 'charge', { status: 422, body: { sorry: true } });
    const answer = cluster.advance(instanceId, requestId);
    await scene.reached(victim, 'in_effect', { answer, context });
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

  test('a decision that came before the late outcome stands, and the outcome is kept as evidence', async (context) => {
    const { cluster, witness } = scene;
    const requestId = scene.name('q');
    const victim = await scene.victim(`in_effect=freeze@request:${requestId}`);
    const instanceId = await scene.instanceHeldBy(victim, 'hold');
    const answer = cluster.advance(instanceId, requestId);
    await scene.reached(victim, 'in_effect', { answer, context });
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

  test('a rerun attempt is ended with its process group when its holder wakes', async (context) => {
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
      // The input that is the witness's URL in other runbooks is the file for the pids here.
      let instanceId: string;
      do {
        instanceId = scene.name('i');
        await cluster.start(instanceId, 'child', { witness: file });
      } while ((await scene.touch(instanceId)).holder?.replicaId !== victim.replicaId);
      const answer = cluster.advance(instanceId, requestId);
      answer.catch(() => undefined);
      await scene.reached(victim, 'in_effect', { answer, context });
      // Both attempts run: the old holder is frozen and cannot end its own.
      const [first, second] = await eventually(async () => {
        const found = await pids();
        return found.length === 2 ? found : undefined;
      });
      expect(alive(first!)).toBe(true);
      victim.wake();
      await eventually(() => Promise.resolve(alive(first!) ? undefined : true));
      expect(alive(second!)).toBe(true);
      // An aborted attempt is interrupted, so there is no outcome to keep.
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

/** Whether the process exists. */
function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
