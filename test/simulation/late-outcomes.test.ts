import { describe, expect, test } from 'vitest';

import type { JsonObject } from '../../src/json.ts';
import { AGAIN, GONE, HELD, Scene } from './scene.ts';

describe('before a doubt is decided by policy, the late outcomes are read', () => {
  const late = (kind: 'completed' | 'failed' | 'not_started', body: JsonObject = {}) => ({
    instanceId: 'i',
    cellId: 'charge',
    attempt: 1,
    fencingToken: 1,
    replicaId: GONE,
    kind,
    body,
  });

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
