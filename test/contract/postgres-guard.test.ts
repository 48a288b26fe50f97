import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { codeOf, insert, row } from './postgres-rows.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
});

afterAll(() => cluster?.stop());

const roles = ['app', 'owner'] as const;

describe.each(roles)('the guard, for a single row that leasehold_%s inserts', (role) => {
  const append = (instance: string, values: Record<string, unknown>): Promise<void> =>
    insert(cluster[role], 'executions', { instance_id: `${role}-${instance}`, ...values });

  it('LH001: a gap', async () => {
    expect(await codeOf(append('gap', row(2)))).toBe('LH001');
    await append('gap', row(1));
    expect(await codeOf(append('gap', row(3, { kind: 'completed' })))).toBe('LH001');
  });

  it('LH002: a stale token', async () => {
    await append('stale', row(1));
    const older = { kind: 'interrupted', body: '{"reason": "crash"}', fencing_token: 9 };
    expect(await codeOf(append('stale', row(2, older)))).toBe('LH002');
    await append('stale', row(2, { ...older, fencing_token: 11 }));
    const decided = { kind: 'decided', body: '{"as": "rerun", "by": "x", "reason": "y"}' };
    expect(await codeOf(append('stale', row(3, { ...decided, fencing_token: 10 })))).toBe('LH002');
    await append('stale', row(3, { ...decided, fencing_token: 11 }));
  });

  it('LH002: a receipt under a stale token', async () => {
    await append('stale-receipt', row(1));
    const receipt = {
      request_id: `${role}-old`,
      instance_id: `${role}-stale-receipt`,
      last_seq: 1,
      receipt: '{}',
    };
    expect(await codeOf(insert(cluster[role], 'requests', { ...receipt, fencing_token: 9 }))).toBe(
      'LH002',
    );
  });

  it.each([
    ['an outcome without its intent', [], row(1, { kind: 'completed' })],
    [
      'an interruption without an attempt',
      [],
      row(1, { kind: 'interrupted', body: '{"reason": "crash"}' }),
    ],
    ['a decision without an attempt', [], row(1, { kind: 'decided', body: '{"as": "rerun"}' })],
    ['a second open attempt', [row(1)], row(2, { attempt: 2 })],
    ['another cell while one is open', [row(1)], row(2, { cell_id: 'b' })],
    [
      'an outcome under a foreign token',
      [row(1)],
      row(2, { kind: 'completed', fencing_token: 11 }),
    ],
    ['a failure under a foreign token', [row(1)], row(2, { kind: 'failed', fencing_token: 11 })],
    [
      'a statement under a foreign token that nothing began',
      [row(1)],
      row(2, { kind: 'interrupted', body: '{"reason": "not_started"}', fencing_token: 11 }),
    ],
    ["another cell's outcome", [row(1)], row(2, { kind: 'completed', cell_id: 'b' })],
    ["another attempt's outcome", [row(1)], row(2, { kind: 'completed', attempt: 2 })],
    ['a second outcome', [row(1), row(2, { kind: 'completed' })], row(3, { kind: 'failed' })],
    [
      'an attempt of a cell that is completed',
      [row(1), row(2, { kind: 'completed' })],
      row(3, { attempt: 2 }),
    ],
    [
      'an attempt after an undecided interruption',
      [row(1), row(2, { kind: 'interrupted', body: '{"reason": "crash"}' })],
      row(3, { attempt: 2 }),
    ],
    [
      'an outcome after the interruption',
      [row(1), row(2, { kind: 'interrupted', body: '{"reason": "crash"}' })],
      row(3, { kind: 'completed' }),
    ],
    [
      'any decision but rerun after not_started',
      [row(1), row(2, { kind: 'interrupted', body: '{"reason": "not_started"}' })],
      row(3, { kind: 'decided', body: '{"as": "succeeded"}' }),
    ],
    ['another cell after a refuted', [row(1, { kind: 'refuted' })], row(2, { cell_id: 'b' })],
    [
      'an interruption for an unknown reason',
      [row(1)],
      row(2, { kind: 'interrupted', body: '{"reason": "boredom"}' }),
    ],
  ])('LH003: %s', async (what, before, refused) => {
    const instance = what.replaceAll(/[^a-z]/g, '-');
    for (const one of before) await append(instance, one);
    expect(await codeOf(append(instance, refused))).toBe('LH003');
  });

  it('accepts the whole chain in order', async () => {
    const lost = { kind: 'interrupted', body: '{"reason": "crash"}', fencing_token: 12 };
    const again = {
      kind: 'decided',
      body: '{"as": "rerun", "by": "x", "reason": "y"}',
      fencing_token: 12,
    };
    const chain = [
      row(1),
      row(2, lost),
      row(3, again),
      row(4, { attempt: 2, fencing_token: 12 }),
      row(5, { attempt: 2, kind: 'failed', fencing_token: 12 }),
      row(6, { attempt: 3, fencing_token: 13 }),
      row(7, { attempt: 3, kind: 'completed', fencing_token: 13 }),
      row(8, { cell_id: 'b', kind: 'satisfied', fencing_token: 13 }),
      row(9, { cell_id: 'c', kind: 'refuted', fencing_token: 14 }),
    ];
    for (const one of chain) await append('whole', one);
    // The primary key refuses a seq that is taken.
    expect(
      await codeOf(append('whole', row(9, { cell_id: 'c', kind: 'refuted', fencing_token: 14 }))),
    ).toBe('23505');
  });
});
