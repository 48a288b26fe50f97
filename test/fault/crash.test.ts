import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { untilAvailable, watchMachine } from '../harness/busy.ts';
import type { ReceiptReply } from '../harness/replies.ts';
import { httpCell, lane, PROBE, runbookOf, Scene, stepsOf } from '../harness/scene.ts';
import { CUT, POINTS, POLICIES, type Policy, rerunBy } from './crash-points.ts';

const RUNBOOKS = [
  runbookOf('hold', [httpCell('charge')]),
  runbookOf('rerun', [httpCell('charge', { onInterrupt: 'rerun' })]),
  runbookOf('probe', [httpCell('charge', { onInterrupt: 'probe', probe: PROBE })]),
  runbookOf('two', [httpCell('first'), httpCell('second', { onInterrupt: 'rerun' })]),
];

const lanes = { hold: lane(), rerun: lane(), probe: lane() };
const scenes = {} as Record<Policy, Scene>;

beforeAll(async () => {
  // One namespace for each policy: a victim of one test must not hold another test's instance.
  await Promise.all(
    POLICIES.map(async (policy) => {
      scenes[policy] = await Scene.start({ replicas: 2 }, RUNBOOKS);
    }),
  );
});

afterAll(async () => {
  await Promise.all(Object.values(scenes).map((scene) => scene.stop()));
});

const cases = Object.entries(POINTS).flatMap(([point, expected]) =>
  (['freeze', 'kill'] as const).flatMap((action) =>
    POLICIES.map((policy) => {
      const { outcome, effects } = expected[policy];
      const claim = `at ${point} (${action}) of a ${policy} cell: ${outcome}, after ${effects} effects`;
      return { claim, point, action, policy, ...expected[policy] };
    }),
  ),
);

describe('a holder that is killed', () => {
  test.concurrent.for(cases.map((one) => [one.claim, one] as const))(
    '%s',
    ([, { point, action, policy, outcome, story, effects, by }], context) =>
      lanes[policy](async () => {
        const scene = scenes[policy];
        const { cluster, witness } = scene;
        const requestId = scene.name('q');
        const victim = await scene.victim(`${point}=${action}@request:${requestId},cell:charge`);
        const instanceId = await scene.instanceHeldBy(victim, policy);

        const answer = cluster.advance(instanceId, requestId);
        const report = await scene.reached(victim, point, { answer, context });
        expect(report).toMatchObject({ instanceId, requestId, cellId: 'charge', attempt: 1 });
        if (action === 'freeze') victim.kill();
        expect(await victim.exited).toMatchObject({ signal: 'SIGKILL' });
        const receipt = await answer;

        const rows = await cluster.rows(instanceId);
        expect(await scene.story(instanceId)).toEqual(story);
        expect(receipt.outcome).toBe(outcome);
        expect(receipt.steps).toEqual(stepsOf(rows, requestId));
        // A sweeper that comes before the request closes and settles the attempt for no request.
        const bySweeper = rows.filter((row) => row.request_id === null).map(({ kind }) => kind);
        expect(['', 'interrupted', 'interrupted decided', 'decided']).toContain(
          bySweeper.join(' '),
        );
        expect(receipt.steps).toHaveLength(rows.length - bySweeper.length);
        expect(receipt.holder?.replicaId === victim.replicaId).toBe(by === 'victim');
        expect(receipt.nextCellId).toBe(outcome === 'completed' ? null : 'charge');
        const doubt =
          outcome === 'in_doubt' ? { cellId: 'charge', attempt: 1, reason: 'crash' } : undefined;
        // The receipt is written together with the row, so its time is by the replica's clock.
        const untimed = (one: object | undefined): object | undefined =>
          one && { ...one, since: undefined };
        expect(untimed(receipt.inDoubt)).toEqual(doubt);
        const status = await cluster.status(instanceId);
        expect(status.status).toBe(outcome);
        expect(untimed(status.inDoubt)).toEqual(doubt);
        // Every effect had its intent under the token that it carried, and one key for all runs.
        const seen = witness.effects(instanceId);
        const intents = rows
          .filter(({ kind }) => kind === 'started')
          .map((row) => row.fencing_token);
        expect(seen).toHaveLength(effects);
        expect(new Set(seen.map(({ key }) => key)).size).toBe(effects === 0 ? 0 : 1);
        for (const { key, token } of seen) {
          expect(key).toBe(`${instanceId}/charge/1`);
          expect(intents).toContain(token);
        }
        expect(new Set(seen.map(({ token }) => token)).size).toBe(effects);
        for (let at = 1; at < rows.length; at += 1) {
          expect(rows[at]!.fencing_token).toBeGreaterThanOrEqual(rows[at - 1]!.fencing_token);
        }
        // The same request again: the same receipt, and nothing runs.
        expect(await scene.recorded(requestId)).toEqual(receipt);
        expect(await cluster.advance(instanceId, requestId)).toEqual(receipt);
        expect(await scene.story(instanceId)).toEqual(story);
        expect(witness.effects(instanceId)).toHaveLength(effects);
      }),
  );

  test.concurrent(
    'inside a hold cell leaves a doubt: no number of advances runs the cell again, and one of two racing decisions settles it',
    (context) =>
      lanes.hold(async () => {
        const machine = await watchMachine();
        const refused: ReceiptReply[] = [];
        const scene = scenes.hold;
        const { cluster, witness } = scene;
        const requestId = scene.name('q');
        const victim = await scene.victim(`in_effect=freeze@request:${requestId}`);
        const instanceId = await scene.instanceHeldBy(victim, 'hold');
        const answer = cluster.advance(instanceId, requestId);
        await scene.reached(victim, 'in_effect', { answer, context });
        victim.kill();
        expect((await answer).inDoubt).toMatchObject({ cellId: 'charge', attempt: 1 });

        const advanceInDoubt = async (count: number, wait: boolean): Promise<void> => {
          const again = scene.name('again');
          const receipt = await untilAvailable(
            () => cluster.advance(instanceId, again, { agentId: `agent${count % 4}`, wait }),
            refused,
          );
          expect(receipt).toMatchObject({
            outcome: 'in_doubt',
            steps: [],
            inDoubt: { cellId: 'charge', attempt: 1, reason: 'crash' },
          });
        };
        await Promise.all(Array.from({ length: 12 }, (_, count) => advanceInDoubt(count, true)));
        for (let count = 0; count < 8; count += 1) await advanceInDoubt(count, false);
        expect(witness.effects(instanceId)).toHaveLength(1);
        expect(await scene.story(instanceId)).toEqual(CUT);

        const decide = (agentId: string) =>
          cluster.request(cluster.subject('decide', instanceId), {
            agentId,
            cellId: 'charge',
            attempt: 1,
            as: 'rerun',
            reason: `${agentId} has checked`,
          });
        const answers = await Promise.all([decide('alice'), decide('bob')]);
        expect(answers).toContainEqual({ instanceId, seq: 3, as: 'rerun' });
        expect(answers).toContainEqual({
          error: expect.objectContaining({ code: 'conflict' }) as unknown,
        });
        const winner = 'seq' in answers[0] ? 'alice' : 'bob';
        // A decision settles the doubt and runs nothing.
        expect(await scene.story(instanceId)).toEqual([
          ...CUT,
          `decided charge 1 rerun by ${winner}`,
        ]);
        expect(witness.effects(instanceId)).toHaveLength(1);

        const next = await cluster.advance(instanceId, scene.name('q'));
        expect(next.outcome).toBe('completed');
        expect(await scene.story(instanceId)).toEqual(rerunBy(winner));
        const [first, second] = witness.effects(instanceId);
        expect(second?.key).toBe(first?.key);
        expect(witness.effects(instanceId)).toHaveLength(2);
        machine.expectNone(refused, context);
      }),
  );

  test.concurrent(
    'inside a probe cell whose probe cannot tell: the cell is in doubt, and the effect is not repeated',
    (context) =>
      lanes.probe(async () => {
        const scene = scenes.probe;
        const { cluster, witness } = scene;
        for (const says of ['unknown', 'nonsense'] as const) {
          const requestId = scene.name('q');
          const victim = await scene.victim(`in_effect=freeze@request:${requestId}`);
          const instanceId = await scene.instanceHeldBy(victim, 'probe');
          witness.probes.set(`${instanceId}/charge/1`, says);
          const answer = cluster.advance(instanceId, requestId);
          await scene.reached(victim, 'in_effect', { answer, context });
          victim.kill();
          const receipt = await answer;
          expect(receipt).toMatchObject({
            outcome: 'in_doubt',
            inDoubt: { cellId: 'charge', attempt: 1 },
          });
          expect(witness.probed).toContain(`${instanceId}/charge/1`);
          expect(await scene.story(instanceId)).toEqual(CUT);
          expect(witness.effects(instanceId)).toHaveLength(1);

          // Once the probe can tell, the next advance continues without a person.
          witness.probes.delete(`${instanceId}/charge/1`);
          expect((await cluster.advance(instanceId, scene.name('q'))).outcome).toBe('completed');
          expect(await scene.story(instanceId)).toEqual([
            ...CUT,
            'decided charge 1 succeeded by @probe',
          ]);
          expect(witness.effects(instanceId)).toHaveLength(1);
          const { cells } = await cluster.status(instanceId);
          expect(cells[0]?.output).toEqual({
            key: `${instanceId}/charge/1`,
            count: 1,
            probed: true,
          });
        }
      }),
  );

  test.concurrent(
    'between two cells: the outcome is written with the next intent, so the first cell is in doubt, and nothing is repeated',
    (context) =>
      lanes.hold(async () => {
        const scene = scenes.hold;
        const { cluster, witness } = scene;
        const requestId = scene.name('q');
        const victim = await scene.victim(`before_intent=freeze@request:${requestId},cell:second`);
        const instanceId = await scene.instanceHeldBy(victim, 'two');
        const answer = cluster.advance(instanceId, requestId);
        await scene.reached(victim, 'before_intent', { answer, context });
        victim.kill();
        expect(await answer).toMatchObject({
          outcome: 'in_doubt',
          inDoubt: { cellId: 'first', attempt: 1 },
        });
        expect(await scene.story(instanceId)).toEqual([
          'started first 1',
          'interrupted first 1 crash',
        ]);
        expect(witness.effects(instanceId)).toHaveLength(1);
      }),
  );

  test.concurrent(
    'after the outcome of one cell: that cell stays completed, and the survivor runs the next',
    (context) =>
      lanes.rerun(async () => {
        const scene = scenes.rerun;
        const { cluster, witness } = scene;
        const requestId = scene.name('q');
        const victim = await scene.victim(`after_outcome=freeze@request:${requestId},cell:first`);
        const instanceId = await scene.instanceHeldBy(victim, 'two');
        const answer = cluster.advance(instanceId, requestId, { cellId: 'first', maxCells: 2 });
        await scene.reached(victim, 'after_outcome', { answer, context });
        victim.kill();
        const receipt = await answer;
        expect(await scene.story(instanceId)).toEqual([
          'started first 1',
          'completed first 1',
          'started second 1',
          'interrupted second 1 crash',
          'decided second 1 rerun by @policy',
          'started second 2',
          'completed second 2',
        ]);
        // `cellId` and `maxCells` count what the dead replica did for the same request.
        expect(receipt).toMatchObject({ outcome: 'completed', nextCellId: null });
        expect(receipt.steps).toHaveLength(7);
        expect(witness.effects(instanceId, 'first')).toHaveLength(1);
        expect(witness.effects(instanceId, 'second')).toHaveLength(1);
      }),
  );
});
