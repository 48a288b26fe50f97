import { describe, expect, it } from 'vitest';

import type { ChildEvidence, Evidence } from '../../../../src/audit/evidence.ts';
import type { Row, RowKind } from '../../../../src/execution/row.ts';
import type { JsonObject } from '../../../../src/json.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';
import { OutsideChecks } from '../../../../tools/chaos/outside-checks.ts';
import type { WitnessedEffect } from '../../../../tools/chaos/witness.ts';

const CALL = { http: { method: 'POST', url: 'http://127.0.0.1:1/effects' } } as const;
const START_MS = Date.parse('2030-01-01T00:00:00Z');

function at(ms: number): string {
  return new Date(START_MS + ms).toISOString();
}

type Line = [kind: RowKind, cellId: string, attempt: number, body?: JsonObject];

function rowsOf(instanceId: string, lines: readonly Line[]): Row[] {
  return lines.map(([kind, cellId, attempt, body = {}], index) => ({
    instanceId,
    seq: index + 1,
    fencingToken: 7,
    replicaId: 'r1-00000001',
    kind,
    cellId,
    attempt,
    requestId: 'q1',
    agentId: 'ann',
    body,
    recordedAt: at(index * 100),
  }));
}

/** An effect at this time; `from/cell` names who made it. */
function effect(ms: number, place: string, more: Partial<WitnessedEffect> = {}): WitnessedEffect {
  const [instanceId = '', cellId = ''] = place.split('/');
  return {
    at: at(ms),
    instanceId,
    cellId,
    attempt: null,
    fencingToken: 7,
    idempotencyKey: `${place}/1`,
    status: 201,
    ...more,
  };
}

function evidence(runbook: Runbook, instanceId: string, lines: readonly Line[]): Evidence {
  return {
    instanceId,
    instance: { runbookId: 'x', version: 1, inputs: { claim: 'c' }, recordedAt: at(0) },
    runbook,
    rows: rowsOf(instanceId, lines),
    receipts: [],
    lateOutcomes: [],
    refusals: [],
  };
}

/** The checks that find something, with what they say. */
function found(all: readonly Evidence[], effects: readonly WitnessedEffect[]): string[] {
  const byInstance = new Map<string, WitnessedEffect[]>();
  for (const one of effects)
    byInstance.set(one.instanceId, [...(byInstance.get(one.instanceId) ?? []), one]);
  const checks = new OutsideChecks(byInstance);
  const breaches = [...all.flatMap((one) => checks.look(one)), ...checks.finish()];
  for (const { name, breaches: count } of checks.results())
    expect(count).toBe(breaches.filter(({ check }) => check === name).length);
  return breaches.map(({ check, what }) => `${check}: ${what}`);
}

describe('undo, as the witness saw it', () => {
  const RUNBOOK: Runbook = {
    runbook: 'undone',
    version: 1,
    inputs: [],
    cells: [
      { id: 'a', exec: CALL, undo: CALL },
      { id: 'b', exec: CALL, undo: CALL },
    ],
  };
  const DONE: Line[] = ['a', 'b'].flatMap((id): Line[] => [
    ['started', id, 1],
    ['completed', id, 1],
  ]);
  const UNDO_B: Line[] = [
    ['started', 'undo-b', 1],
    ['completed', 'undo-b', 1],
  ];
  const UNDO_A: Line[] = [
    ['started', 'undo-a', 1],
    ['completed', 'undo-a', 1],
  ];
  const SEEN = ['a', 'b', 'undo-b', 'undo-a'].map((id, n) => effect(n * 10, `i/${id}`));
  const UNWINDING: Line = ['unwinding', 'b', 1];
  const END: Line = ['cancelled', 'undo-a', 1];
  const check = (lines: Line[], effects: WitnessedEffect[]): string[] =>
    found([evidence(RUNBOOK, 'i', lines)], effects);

  it('is as it should be', () => {
    expect(check([...DONE, UNWINDING, ...UNDO_B, ...UNDO_A, END], SEEN)).toEqual([]);
    expect(check(DONE, SEEN.slice(0, 2))).toEqual([]);
  });

  it('is not an undo if the log says so and the witness saw none', () => {
    const unseen = SEEN.filter(({ cellId }) => cellId !== 'undo-b');
    expect(check([...DONE, UNWINDING, ...UNDO_B, ...UNDO_A, END], unseen)).toEqual([
      'undo-seen-once: undo-b is recorded as done, and the witness never saw it',
    ]);
    const probed: Line[] = [
      ['started', 'undo-b', 1],
      ['interrupted', 'undo-b', 1, { reason: 'crash' }],
      ['decided', 'undo-b', 1, { as: 'succeeded', by: '@probe' }],
    ];
    expect(check([...DONE, UNWINDING, ...probed, ...UNDO_A, END], unseen)).toHaveLength(1);
    const byAnn: Line[] = [
      ...probed.slice(0, 2),
      ['decided', 'undo-b', 1, { as: 'skipped', by: 'ann' }],
    ];
    expect(check([...DONE, UNWINDING, ...byAnn, ...UNDO_A, END], unseen)).toEqual([]);
  });

  it('happens twice only if a doubt says so', () => {
    const twice = [...SEEN, effect(90, 'i/undo-a')];
    expect(check([...DONE, UNWINDING, ...UNDO_B, ...UNDO_A, END], twice)).toEqual([
      'undo-seen-once: undo-a was seen 2 times, with 0 doubts recorded',
    ]);
    const doubted: Line[] = [
      ['started', 'undo-a', 1],
      ['interrupted', 'undo-a', 1, { reason: 'crash' }],
      ['decided', 'undo-a', 1, { as: 'rerun', by: '@policy' }],
      ['started', 'undo-a', 2],
      ['completed', 'undo-a', 2],
    ];
    expect(check([...DONE, UNWINDING, ...UNDO_B, ...doubted, END], twice)).toEqual([]);
  });

  it('is not left out: what the witness saw is undone before the end', () => {
    const some = SEEN.slice(0, 3);
    expect(check([...DONE, UNWINDING, ...UNDO_B, ['cancelled', 'undo-b', 1]], some)).toEqual([
      'undo-seen-once: the witness saw a, and the instance ended without undoing it',
    ]);
    expect(check([...DONE, UNWINDING, ['cancelled', 'b', 1]], SEEN.slice(0, 2))).toHaveLength(2);
  });

  it('is made in reverse order', () => {
    const swapped = ['a', 'b', 'undo-a', 'undo-b'].map((id, n) => effect(n * 10, `i/${id}`));
    expect(check([...DONE, UNWINDING, ...UNDO_B, ...UNDO_A, END], swapped)).toEqual([
      'undo-seen-in-reverse: undo-a was seen before what has to be undone earlier',
    ]);
  });
});

describe('children, as the witness saw them', () => {
  const PARENT: Runbook = {
    runbook: 'parent',
    version: 1,
    inputs: [],
    cells: [
      { id: 'all', run: { runbook: 'child', each: [0, 1] } },
      { id: 'after', exec: CALL },
    ],
  };
  const CHILD: Runbook = {
    runbook: 'child',
    version: 1,
    inputs: [],
    cells: [{ id: 'work', exec: CALL }],
  };
  const RAN: Line[] = [
    ['started', 'work', 1],
    ['completed', 'work', 1],
  ];

  function child(instanceId: string, more: Partial<ChildEvidence> = {}): ChildEvidence {
    return {
      instanceId,
      runbookId: 'child',
      version: 1,
      cellId: 'all',
      n: Number(instanceId.split('-')[2]),
      attempt: 1,
      seq: 0,
      fencingToken: 7,
      recordedAt: at(0),
      ending: 'completed',
      endedAt: at(50),
      outputs: {},
      ...more,
    };
  }

  function family(children: readonly ChildEvidence[], childRows = RAN): Evidence[] {
    const lines: Line[] = [
      ['satisfied', 'all', 1],
      ['started', 'after', 1],
      ['completed', 'after', 1],
    ];
    const parent = { instanceId: 'p', cancelsChildren: false };
    return [
      { ...evidence(PARENT, 'p', lines), children },
      ...children.map(({ instanceId }) => ({ ...evidence(CHILD, instanceId, childRows), parent })),
    ];
  }

  const BOTH = [child('p-all-0'), child('p-all-1')];
  const SEEN = [
    effect(10, 'p-all-0/work', { element: 'c/0' }),
    effect(20, 'p-all-1/work', { element: 'c/1' }),
    effect(30, 'p/after'),
  ];

  it('are as they should be', () => {
    expect(found(family(BOTH), SEEN)).toEqual([]);
  });

  it('are not two for one element, whether the log knows the second one or not', () => {
    const twin = effect(25, 'p-all-1-x/work', { element: 'c/1' });
    expect(found(family(BOTH), [...SEEN, twin])).toEqual([
      'child-seen-once: the witness saw element 1 of all run by p-all-1-x, which is no child',
    ]);
    const known = [...BOTH, child('p-all-1-x')];
    expect(found(family(known), [...SEEN, twin])).toEqual([
      'child-seen-once: the witness saw element 1 of all run by p-all-1 and by p-all-1-x',
    ]);
  });

  it('may be replaced once they are cancelled', () => {
    const replaced = [
      child('p-all-0'),
      child('p-all-1', { ending: 'cancelled' }),
      child('p-all-1-r2', { attempt: 2 }),
    ];
    const effects = [...SEEN, effect(25, 'p-all-1-r2/work', { element: 'c/1' })];
    expect(found(family(replaced), effects)).toEqual([]);
  });

  it('have had their effects before the parent goes on', () => {
    const late = [
      ...SEEN.slice(0, 1),
      ...SEEN.slice(2),
      effect(40, 'p-all-1/work', { element: 'c/1' }),
    ];
    const what =
      'parent-seen-last: the witness saw after after all, and work of p-all-1 not before that';
    expect(found(family(BOTH), late)).toEqual([what]);
    expect(found(family(BOTH), [SEEN[0]!, SEEN[2]!])).toEqual([what]);
    const decided: Line[] = [
      ['started', 'work', 1],
      ['interrupted', 'work', 1, { reason: 'crash' }],
      ['decided', 'work', 1, { as: 'succeeded', by: 'ann' }],
    ];
    expect(found(family(BOTH, decided), [SEEN[2]!])).toEqual([]);
  });
});
