import { describe, expect, it } from 'vitest';

import {
  childId,
  childrenAtHand,
  hashedChildId,
  judgeRun,
  MAX_CHILD_OUTPUT_BYTES,
  planRun,
  runOutput,
  type Child,
  type RunStep,
} from '../../../../src/execution/children.ts';
import { isId } from '../../../../src/ids.ts';
import { MAX_CHILDREN } from '../../../../src/runbook/fields.ts';
import type { RunCell } from '../../../../src/runbook/runbook.ts';

const SCOPE = { inputs: { regions: ['eu', 'us'], one: 1 }, outputs: { a: { name: 'x' } } };

const runs = (run: Partial<RunCell['run']> = {}): RunCell => ({
  id: 'regions',
  run: { runbook: 'region', ...run },
});

const step = (count: number, attempt = 1): RunStep => ({
  do: 'run',
  cell: runs(),
  attempt,
  runbookId: 'region',
  version: undefined,
  children: Array.from({ length: count }, (_, n) => ({ n, inputs: {} })),
});

const child = (n: number | null, over: Partial<Child> = {}): Child => ({
  instanceId: `p-regions-${n}`,
  cellId: 'regions',
  n,
  attempt: 1,
  runbookId: 'region',
  version: 1,
  ending: undefined,
  ...over,
});

describe('what a run cell asks for', () => {
  it('is one instance, without a list', () => {
    const cell = runs({ version: 3, inputs: { name: '${outputs.a.name}', n: '${inputs.one}' } });
    expect(planRun(cell, 1, SCOPE)).toEqual({
      do: 'run',
      cell,
      attempt: 1,
      runbookId: 'region',
      version: 3,
      children: [{ n: null, inputs: { name: 'x', n: 1 } }],
    });
  });

  it('is one instance for each element of a list, with the element in its inputs', () => {
    const cell = runs({ each: '${inputs.regions}', inputs: { to: '${each}', text: 'in ${each}' } });
    expect(planRun(cell, 2, SCOPE)).toMatchObject({
      do: 'run',
      attempt: 2,
      children: [
        { n: 0, inputs: { to: 'eu', text: 'in eu' } },
        { n: 1, inputs: { to: 'us', text: 'in us' } },
      ],
    });
  });

  it('may use members of an element, which is a value of any type', () => {
    const cell = runs({ each: [{ id: 'a', size: 2 }, { id: 'b' }], inputs: { id: '${each.id}' } });
    expect(planRun(cell, 1, SCOPE)).toMatchObject({
      children: [{ inputs: { id: 'a' } }, { inputs: { id: 'b' } }],
    });
    const whole = runs({ each: [null, { a: 1 }], inputs: { it: '${each}' } });
    expect(planRun(whole, 1, SCOPE)).toMatchObject({
      children: [{ inputs: { it: null } }, { inputs: { it: { a: 1 } } }],
    });
  });

  it('is nothing for an empty list: the cell is satisfied', () => {
    const cell = runs({ each: [] });
    const body = { instances: [] };
    expect(planRun(cell, 1, SCOPE)).toEqual({ do: 'satisfy', cell, attempt: 1, body });
  });

  it.each([
    [
      'a list that is not there',
      { each: '${inputs.none}' },
      'each: ${inputs.none} cannot be filled',
    ],
    ['a list that is none', { each: '${inputs.one}' }, 'each: must be a list, not a number'],
    ['a list that is an object', { each: '${outputs.a}' }, 'each: must be a list, not an object'],
    [
      'a member that an element lacks',
      { each: [{ id: 'a' }, {}], inputs: { id: '${each.id}' } },
      'element 1: ${each.id} cannot be filled: each has no id',
    ],
    [
      'an element without a list',
      { inputs: { id: '${each}' } },
      '${each} cannot be filled: it is for the inputs of a run cell with each',
    ],
  ])('refutes the cell for %s', (_, run, error) => {
    const planned = planRun(runs(run), 1, SCOPE);
    const body = { error: expect.stringContaining(error) };
    expect(planned).toMatchObject({ do: 'refute', attempt: 1, body });
  });

  it('is bounded', () => {
    const inputs = { many: Array.from({ length: MAX_CHILDREN + 1 }, (_, n) => n) };
    const cell = runs({ each: '${inputs.many}' });
    const planned = planRun(cell, 1, { inputs, outputs: {} });
    expect(planned).toMatchObject({ do: 'refute' });
    expect(JSON.stringify(planned)).toContain(`has ${MAX_CHILDREN + 1} elements`);
    const most = { inputs: { many: inputs.many.slice(1) }, outputs: {} };
    expect(planRun(cell, 1, most)).toMatchObject({ do: 'run' });
  });
});

describe('the id of a child', () => {
  const place = { parentId: 'deploy-1', cellId: 'regions', n: 3, attempt: 1 };

  it('names the parent, the cell, the element and the attempt', () => {
    expect(childId(place)).toBe('deploy-1-regions-3');
    expect(childId({ ...place, n: null })).toBe('deploy-1-regions');
    expect(childId({ ...place, attempt: 2 })).toBe('deploy-1-regions-3-r2');
    expect(childId({ ...place, n: null, attempt: 12 })).toBe('deploy-1-regions-r12');
  });

  it('ends in a hash when it would be too long', () => {
    const long = { ...place, parentId: 'p'.repeat(118) };
    expect(childId(long)).toBe(`${'p'.repeat(118)}-regions-3`);
    const longer = { ...long, parentId: 'p'.repeat(119) };
    expect(childId(longer)).toMatch(/^p{95}-[0-9a-f]{32}$/);
    expect(isId(childId(longer))).toBe(true);
    expect(isId(hashedChildId(longer))).toBe(true);
    expect(hashedChildId(longer)).not.toBe(childId(longer));
  });

  it('differs by every part of its origin in the hashed form', () => {
    const places = [
      place,
      { ...place, n: 4 },
      { ...place, n: null },
      { ...place, attempt: 2 },
      { ...place, cellId: 'regions-3', n: null },
      { ...place, parentId: 'deploy', cellId: '1-regions' },
    ];
    expect(new Set(places.map(hashedChildId)).size).toBe(places.length);
    for (const one of places) expect(isId(hashedChildId(one))).toBe(true);
    expect(hashedChildId(place)).toMatch(/^deploy-1-regions-3-[0-9a-f]{32}$/);
  });
});

describe('the children at hand', () => {
  it('are all missing at first, and none once they are started', () => {
    expect(childrenAtHand(step(2), [])).toMatchObject({
      missing: [{ n: 0 }, { n: 1 }],
      current: [],
    });
    const started = [child(1), child(0)];
    expect(childrenAtHand(step(2), started)).toEqual({
      missing: [],
      current: [child(0), child(1)],
    });
  });

  it('leave out children of other cells', () => {
    const other = child(0, { cellId: 'other' });
    expect(childrenAtHand(step(1), [other]).missing).toHaveLength(1);
  });

  it('are replaced from the second attempt on if they ended without completing', () => {
    const known = [child(0, { ending: 'completed' }), child(1, { ending: 'cancelled' }), child(2)];
    expect(childrenAtHand(step(3), known).missing).toEqual([]);
    expect(childrenAtHand(step(3, 2), known)).toMatchObject({
      missing: [{ n: 1 }],
      current: [{ n: 0 }, { n: 2 }],
    });
    const again = child(1, { attempt: 2, instanceId: 'p-regions-1-r2', ending: 'cancelled' });
    // One that was cancelled at the present attempt counts for it.
    expect(childrenAtHand(step(3, 2), [again, ...known])).toMatchObject({
      missing: [],
      current: [{ n: 0 }, { instanceId: 'p-regions-1-r2' }, { n: 2 }],
    });
    expect(childrenAtHand(step(3, 3), [again, ...known]).missing).toEqual([{ n: 1, inputs: {} }]);
  });
});

describe('a run cell', () => {
  it('waits until all have ended', () => {
    const children = [
      child(0, { ending: 'completed' }),
      child(1, { ending: 'cancelled' }),
      child(2),
    ];
    expect(judgeRun('regions', children)).toEqual({
      do: 'park',
      children: { cellId: 'regions', ended: 2, total: 3 },
    });
  });

  it('is satisfied once all have completed', () => {
    const children = [child(0, { ending: 'completed' }), child(1, { ending: 'completed' })];
    expect(judgeRun('regions', children)).toEqual({ do: 'satisfy' });
    const outputs = new Map([
      ['p-regions-0', { outputs: { a: 1 } }],
      ['p-regions-1', { bytes: 300_000 }],
    ]);
    expect(runOutput(children, outputs)).toEqual({
      instances: [
        { instanceId: 'p-regions-0', status: 'completed', outputs: { a: 1 } },
        {
          instanceId: 'p-regions-1',
          status: 'completed',
          outputs: {
            outputLost: {
              why: expect.stringContaining(`together may have ${MAX_CHILD_OUTPUT_BYTES}`),
              bytes: 300_000,
              head: '',
            },
          },
        },
      ],
    });
  });

  it('is refuted when any was cancelled, and names them', () => {
    const children = [child(0, { ending: 'completed' }), child(1, { ending: 'cancelled' })];
    expect(judgeRun('regions', children)).toEqual({
      do: 'refute',
      body: {
        error: '1 of 2 instances were cancelled: p-regions-1',
        instances: [
          { instanceId: 'p-regions-0', status: 'completed' },
          { instanceId: 'p-regions-1', status: 'cancelled' },
        ],
      },
    });
    const many = Array.from({ length: 30 }, (_, n) => child(n, { ending: 'cancelled' }));
    expect(judgeRun('regions', many)).toMatchObject({
      body: { error: expect.stringMatching(/p-regions-19 and 10 more$/) },
    });
  });
});
