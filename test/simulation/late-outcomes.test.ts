import { describe, expect, test } from 'vitest';

import type { JsonObject } from '../../src/json.ts';
import type { LateKind } from '../../src/execution/row.ts';
import { AGAIN, gate, GONE, HELD, Scene } from './scene.ts';

const late = (kind: LateKind, body: JsonObject = {}) => ({
  instanceId: 'i',
  cellId: 'charge',
  attempt: 1,
  fencingToken: 1,
  replicaId: GONE,
  kind,
  body,
});

describe('before a doubt is decided by policy, the late outcomes are read', () => {
  test('a late outcome settles a rerun cell, which is not run again', async () => {
    const scene = new Scene([AGAIN]);
    scene.history(
      ['started', 'charge', 1, 'q0', { idempotencyKey: 'i/charge/1' }],
      ['interrupted', 'charge', 1, 'q0', { reason: 'crash' }],
    );
    scene.cluster.postgres.lateOutcomes.push(late('completed', { output: 7 }));
    await scene.pass(100);
    const receipt = await scene.result(scene.advance('q1'));
    expect(receipt.outcome).toBe('completed');
    expect(scene.log[2]).toBe('decided charge 1 succeeded by @late-outcome');
    expect(scene.ran).toEqual([]);
  });

  test('a late not_started lets a hold cell run again, and no person has to decide', async () => {
    const scene = new Scene([HELD]);
    scene.history(
      ['started', 'charge', 1, 'q0', { idempotencyKey: 'i/charge/1' }],
      ['interrupted', 'charge', 1, 'q0', { reason: 'crash' }],
    );
    scene.cluster.postgres.lateOutcomes.push(late('not_started'));
    await scene.pass(100);
    expect((await scene.result(scene.advance('q1'))).outcome).toBe('completed');
    expect(scene.log[2]).toBe('decided charge 1 rerun by @late-outcome');
    expect(scene.ran.map(({ attempt, idempotencyKey }) => [attempt, idempotencyKey])).toEqual([
      [2, 'i/charge/1'],
    ]);
  });

  test('an outcome counts more than a report that nothing began, whichever came first', async () => {
    const scene = new Scene([HELD]);
    scene.history(
      ['started', 'charge', 1, 'q0', { idempotencyKey: 'i/charge/1' }],
      ['interrupted', 'charge', 1, 'q0', { reason: 'crash' }],
    );
    scene.cluster.postgres.lateOutcomes.push(late('not_started'), late('completed', { output: 7 }));
    await scene.pass(100);
    expect((await scene.result(scene.advance('q1'))).outcome).toBe('completed');
    expect(scene.log[2]).toBe('decided charge 1 succeeded by @late-outcome');
    expect(scene.ran).toEqual([]);
  });

  test('a person who decides what a late outcome settles gets a conflict', async () => {
    const scene = new Scene([HELD]);
    scene.history(
      ['started', 'charge', 1, 'q0', { idempotencyKey: 'i/charge/1' }],
      ['interrupted', 'charge', 1, 'q0', { reason: 'crash' }],
    );
    scene.cluster.postgres.lateOutcomes.push(late('completed', { output: 7 }));
    await scene.pass(100);
    const body = {
      agentId: 'person',
      cellId: 'charge',
      attempt: 1,
      as: 'rerun',
      reason: 'impatient',
    };
    const reply = await scene.result(scene.request(scene.cluster.subjects.decide('i'), body));
    expect(reply).toMatchObject({ error: { code: 'conflict' } });
    expect(scene.log[2]).toBe('decided charge 1 succeeded by @late-outcome');
  });

  test('a decision names the attempt that it answers', async () => {
    const scene = new Scene([HELD]);
    scene.history(
      ['started', 'charge', 1, 'q0', { idempotencyKey: 'i/charge/1' }],
      ['interrupted', 'charge', 1, 'q0', { reason: 'crash' }],
      ['decided', 'charge', 1, null, { as: 'rerun', by: 'person' }],
      ['started', 'charge', 2, 'q0', { idempotencyKey: 'i/charge/1' }],
      ['interrupted', 'charge', 2, 'q0', { reason: 'crash' }],
    );
    await scene.pass(100);
    const decide = (attempt: number) =>
      scene.result(
        scene.request(scene.cluster.subjects.decide('i'), {
          agentId: 'person',
          cellId: 'charge',
          attempt,
          as: 'succeeded',
          reason: 'seen',
        }),
      );
    expect(await decide(1)).toMatchObject({ error: { code: 'conflict' } });
    expect(await decide(3)).toMatchObject({ error: { code: 'conflict' } });
    expect(scene.log).toHaveLength(5);
    expect(await decide(2)).toEqual({ instanceId: 'i', seq: 6, as: 'succeeded' });
  });
});

describe('an effect that succeeded, and whose expect cannot be evaluated because its output was lost', () => {
  const BODY: JsonObject = {
    reason: 'unverified',
    happened: true,
    detail: { message: 'the output was lost' },
  };
  const unverified = { kind: 'unverified', class: 'succeeded', output: null, detail: {} } as const;

  test('is kept as evidence if its holder was fenced meanwhile; nothing settles by it, and a person is shown that it happened', async () => {
    const scene = new Scene([HELD], {
      wrap: (_process, standard) => ({
        ...standard,
        async run(cell, context, signals) {
          await standard.run(cell, context, signals);
          return { ...unverified, detail: { message: 'the output was lost' } };
        },
      }),
    });
    const holder = await scene.held();
    const ending = gate();
    scene.hold = ending.opened;
    const answer = scene.advance('q1');
    await scene.until('the effect', () => scene.ran.length === 1);
    scene.cut(holder, 'etcd', true);
    expect((await scene.result(answer)).outcome).toBe('in_doubt');
    ending.open();
    const { lateOutcomes, refusals } = scene.cluster.postgres;
    await scene.until('the evidence', () => lateOutcomes.length === 1);
    expect(lateOutcomes).toMatchObject([
      { kind: 'unverified', attempt: 1, replicaId: holder.replicaId, body: BODY },
    ]);
    expect(refusals).toMatchObject([{ kind: 'interrupted', replicaId: holder.replicaId }]);
    scene.cut(holder, 'etcd', false);
    // Longer than a sweep leaves a doubt alone.
    await scene.pass(70_000);
    expect((await scene.result(scene.advance('q2'))).outcome).toBe('in_doubt');
    expect(scene.log).toEqual(['started charge 1', 'interrupted charge 1 crash']);
    expect(scene.ran).toHaveLength(1);
    const status = await scene.result(scene.request(scene.cluster.subjects.status('i'), {}));
    expect(status?.['inDoubt']).toMatchObject({
      reason: 'crash',
      happened: true,
      lateOutcome: {
        kind: 'unverified',
        replicaId: holder.replicaId,
        message: 'the output was lost',
      },
    });
  });

  test.each([
    ['rerun', AGAIN],
    ['probe', { ...HELD, onInterrupt: 'probe', probe: { handler: 'probe' } } as const],
  ])('is not settled by the policy %s', async (_policy, cell) => {
    const scene = new Scene([cell]);
    scene.history(
      ['started', 'charge', 1, 'q0', { idempotencyKey: 'i/charge/1' }],
      ['interrupted', 'charge', 1, 'q0', { reason: 'crash' }],
    );
    scene.cluster.postgres.lateOutcomes.push(late('unverified', BODY));
    await scene.pass(70_000);
    expect((await scene.result(scene.advance('q1'))).outcome).toBe('in_doubt');
    expect(scene.log).toHaveLength(2);
    expect(scene.ran).toEqual([]);
  });

  test('is not run again if a person decides that it failed', async () => {
    const scene = new Scene([{ ...HELD, retry: { attempts: 3 } }]);
    scene.history(
      ['started', 'charge', 1, 'q0', { idempotencyKey: 'i/charge/1' }],
      ['interrupted', 'charge', 1, 'q0', { reason: 'crash' }],
    );
    scene.cluster.postgres.lateOutcomes.push(late('unverified', BODY));
    await scene.pass(100);
    const body = { agentId: 'person', cellId: 'charge', attempt: 1, as: 'failed', reason: 'wrong' };
    const reply = await scene.result(scene.request(scene.cluster.subjects.decide('i'), body));
    expect(reply).toEqual({ instanceId: 'i', seq: 3, as: 'failed' });
    expect(scene.cluster.postgres.rowsOf('i').at(-1)?.body).toMatchObject({ happened: true });
    expect((await scene.result(scene.advance('q1'))).outcome).toBe('halted');
    expect(scene.ran).toEqual([]);
  });
});
