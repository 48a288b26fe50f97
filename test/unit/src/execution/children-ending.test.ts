import { describe, expect, it } from 'vitest';

import { endingOf, outputIn } from '../../../../src/execution/children.ts';
import { nextStep } from '../../../../src/execution/plan.ts';
import type { Cell } from '../../../../src/runbook/runbook.ts';
import { exec, viewOf, type Line } from './fixture.ts';

describe('the end of an instance, from its newest row', () => {
  const LAST: Cell = { id: 'check', assert: [{ cell: 'b', pointer: '/x', exists: false }] };
  const CELLS: Cell[] = [
    { id: 'about', prose: '' },
    exec('a'),
    exec('b'),
    { id: 'end', prose: '' },
  ];
  const ran = (id: string): Line[] => [
    ['started', id, 1],
    ['completed', id, 1, { output: {} }],
  ];
  const lost: Line[] = [
    ['started', 'b', 1],
    ['interrupted', 'b', 1, { reason: 'crash' }],
  ];
  const decided = (as: string): Line => ['decided', 'b', 1, { as, by: 'ann', reason: 'seen' }];

  it.each<[string, Cell[], Line[]]>([
    ['an empty log', CELLS, []],
    ['an open attempt', CELLS, [...ran('a'), ['started', 'b', 1]]],
    ['a cell that is not the last', CELLS, ran('a')],
    ['the last cell', CELLS, [...ran('a'), ...ran('b')]],
    ['a failure', CELLS, [...ran('a'), ['started', 'b', 1], ['failed', 'b', 1, { error: 'no' }]]],
    ['a doubt', CELLS, [...ran('a'), ...lost]],
    ['a decision: rerun', CELLS, [...ran('a'), ...lost, decided('rerun')]],
    ['a decision: failed', CELLS, [...ran('a'), ...lost, decided('failed')]],
    ['a decision: succeeded', CELLS, [...ran('a'), ...lost, decided('succeeded')]],
    ['a decision: skipped', CELLS, [...ran('a'), ...lost, decided('skipped')]],
    ['an assert that holds', [exec('b'), LAST], [...ran('b'), ['satisfied', 'check', 1, {}]]],
    ['an assert that does not', [exec('b'), LAST], [...ran('b'), ['refuted', 'check', 1, {}]]],
    ['a last cell that is skipped', CELLS, [...ran('a'), ['skipped', 'b', 1, { when: [] }]]],
    ['prose alone', [{ id: 'about', prose: '' }], []],
    [
      'a cancellation',
      CELLS,
      [...ran('a'), ['cancelled', 'a', 1, { by: 'ann', reason: 'no', left: [] }]],
    ],
    ['unwinding', CELLS, [...ran('a'), ['unwinding', 'a', 1, { by: 'ann', reason: 'no' }]]],
  ])('is what the plan says: %s', (_, cells, lines) => {
    const view = viewOf(cells, ...lines);
    const { last } = view.state;
    const newest = last && {
      kind: last.kind,
      cellId: last.cellId,
      as: (last.body['as'] ?? null) as string | null,
    };
    const { do: next } = nextStep(view);
    const expected =
      next === 'complete' ? 'completed' : next === 'cancelled' ? 'cancelled' : undefined;
    expect(endingOf(view.runbook, newest)).toBe(expected);
  });

  it('finds the outputs in the rows that the fold finds them in', () => {
    const view = viewOf(
      [exec('a'), exec('b'), LAST, exec('c'), exec('d')],
      ...ran('a'),
      ...lost,
      ['decided', 'b', 1, { as: 'succeeded', by: 'ann', reason: 'seen', output: [1] }],
      ['satisfied', 'check', 1, { checks: [] }],
      ['skipped', 'c', 1, { when: [] }],
      ['started', 'd', 1],
      ['failed', 'd', 1, { error: 'no' }],
      ['decided', 'd', 1, { as: 'skipped', by: 'ann', reason: 'no need' }],
    );
    const found: Record<string, unknown> = {};
    for (const [kind, cellId, body] of [
      ['completed', 'a', { output: {} }],
      ['decided', 'b', { as: 'succeeded', output: [1] }],
      ['satisfied', 'check', { checks: [] }],
      ['skipped', 'c', { when: [] }],
      ['decided', 'd', { as: 'skipped' }],
    ] as const)
      found[cellId] = outputIn({ kind, body: structuredClone(body) as never });
    expect(found).toEqual(view.state.outputs);
    for (const kind of ['started', 'failed', 'interrupted', 'refuted', 'cancelled'] as const)
      expect(outputIn({ kind, body: { output: 1 } })).toBeUndefined();
    expect(outputIn({ kind: 'decided', body: { as: 'rerun' } })).toBeUndefined();
  });
});
