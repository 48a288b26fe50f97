import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { codeOf, insert, row } from './postgres-rows.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
});

afterAll(() => cluster?.stop());

type Values = Record<string, unknown>;

const completed = (seq: number, more: Values = {}): Values =>
  row(seq, { kind: 'completed', ...more });
const failed = (seq: number, more: Values = {}): Values => row(seq, { kind: 'failed', ...more });
const decided = (seq: number, as: string, by: string, more: Values = {}): Values =>
  row(seq, { kind: 'decided', body: JSON.stringify({ as, by, reason: 'y' }), ...more });
const unwinding = (seq: number, more: Values = {}): Values =>
  row(seq, { kind: 'unwinding', body: '{"by": "ann", "reason": "y"}', ...more });
const cancelled = (seq: number, more: Values = {}): Values =>
  row(seq, { kind: 'cancelled', body: '{"by": "ann", "reason": "y", "left": []}', ...more });
const UNDO = { cell_id: 'undo-a' };

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
    const rerun = { kind: 'decided', body: '{"as": "rerun", "by": "x", "reason": "y"}' };
    expect(await codeOf(append('stale', row(3, { ...rerun, fencing_token: 10 })))).toBe('LH002');
    await append('stale', row(3, { ...rerun, fencing_token: 11 }));
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

describe.each(roles)(
  'the guard at the ends of a life, for a single row that leasehold_%s inserts',
  (role) => {
    const append = (instance: string, values: Values): Promise<void> =>
      insert(cluster[role], 'executions', { instance_id: `${role}-end-${instance}`, ...values });

    it.each([
      ['an intent', row(5, { attempt: 2 })],
      ['an intent of another cell', row(5, { cell_id: 'b' })],
      ['an intent that undoes', row(5, UNDO)],
      ['a second cancellation', cancelled(5)],
      ['an unwinding', unwinding(5)],
      ['a decision', decided(5, 'rerun', 'ann')],
      ['an outcome under an older token', completed(5, { fencing_token: 9 })],
    ])('LH007: %s after cancelled', async (what, refused) => {
      const instance = `cancelled-${what.replaceAll(' ', '-')}`;
      for (const one of [row(1), failed(2), decided(3, 'skipped', 'ann'), cancelled(4)])
        await append(instance, one);
      expect(await codeOf(append(instance, refused))).toBe('LH007');
    });

    it('LH007: says where the instance was cancelled', async () => {
      await append('said', cancelled(1));
      await expect(append('said', row(2))).rejects.toThrow(
        `cancelled: started (cell a, attempt 1) may not follow the cancellation at seq 1 of instance ${role}-end-said`,
      );
    });

    it.each([
      ['cancelled while an attempt is open', [row(1)], cancelled(2)],
      ['cancelled of another attempt', [row(1), completed(2)], cancelled(3, { attempt: 2 })],
      ['cancelled of another cell', [row(1), completed(2)], cancelled(3, { cell_id: 'b' })],
      ['unwinding while an attempt is open', [row(1)], unwinding(2)],
      [
        'unwinding in doubt',
        [row(1), row(2, { kind: 'interrupted', body: '{"reason": "crash"}' })],
        unwinding(3),
      ],
      ['a second unwinding', [row(1), completed(2), unwinding(3)], unwinding(4)],
      [
        'unwinding after an undo',
        [row(1), completed(2), unwinding(3), row(4, UNDO), completed(5, UNDO)],
        unwinding(6, UNDO),
      ],
      ['an undo as the first row', [], row(1, UNDO)],
      ['an undo before unwinding', [row(1), completed(2)], row(3, UNDO)],
      ['an undo after a failure', [row(1), failed(2)], row(3, UNDO)],
      [
        'an undo that is satisfied',
        [row(1), completed(2), unwinding(3)],
        row(4, { ...UNDO, kind: 'satisfied' }),
      ],
      ['a cell after unwinding', [row(1), completed(2), unwinding(3)], row(4, { cell_id: 'b' })],
      [
        'a cell after an undo',
        [row(1), completed(2), unwinding(3), row(4, UNDO), completed(5, UNDO)],
        row(6, { cell_id: 'b' }),
      ],
      ['a retry after a decision that is none', [row(1), failed(2)], decided(3, 'failed', 'ann')],
      ['a repair by policy', [row(1), failed(2)], decided(3, 'rerun', '@policy')],
      ['a repair by evidence', [row(1, { kind: 'refuted' })], decided(2, 'rerun', '@late-outcome')],
      [
        'a repair by nobody',
        [row(1), failed(2)],
        row(3, { kind: 'decided', body: '{"as": "rerun"}' }),
      ],
      [
        'a second repair',
        [row(1), failed(2), decided(3, 'rerun', 'ann')],
        decided(4, 'succeeded', 'bob'),
      ],
      ['a repair of what is completed', [row(1), completed(2)], decided(3, 'rerun', 'ann')],
    ])('LH003: %s', async (what, before, refused) => {
      const instance = what.replaceAll(/[^a-z]/g, '-');
      for (const one of before) await append(instance, one);
      expect(await codeOf(append(instance, refused))).toBe('LH003');
    });

    it('accepts a whole life: skipped, repaired, unwound, in doubt, undone, cancelled', async () => {
      const second = { ...UNDO, attempt: 2 };
      const other = { cell_id: 'undo-b', attempt: 1 };
      const life = [
        row(1, { cell_id: 'w', kind: 'skipped' }),
        row(2, { cell_id: 'g', kind: 'refuted' }),
        decided(3, 'rerun', 'ann', { cell_id: 'g' }),
        row(4, { cell_id: 'g', kind: 'satisfied', attempt: 2 }),
        row(5),
        failed(6, { body: '{"happened": true}' }),
        decided(7, 'rerun', 'ann'),
        row(8, { attempt: 2 }),
        failed(9, { attempt: 2 }),
        unwinding(10, { attempt: 2 }),
        row(11, UNDO),
        row(12, { ...UNDO, kind: 'interrupted', body: '{"reason": "crash"}', fencing_token: 11 }),
        decided(13, 'rerun', 'ann', { ...UNDO, fencing_token: 11 }),
        row(14, { ...second, fencing_token: 11 }),
        completed(15, { ...second, fencing_token: 11 }),
        row(16, { ...other, fencing_token: 11 }),
        failed(17, { ...other, fencing_token: 11 }),
        decided(18, 'skipped', 'ann', { ...other, fencing_token: 11 }),
        cancelled(19, { ...other, fencing_token: 11 }),
      ];
      for (const one of life) await append('life', one);
      expect(await codeOf(append('life', row(20, { fencing_token: 11 })))).toBe('LH007');
    });
  },
);
