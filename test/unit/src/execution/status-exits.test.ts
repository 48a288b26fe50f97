import { describe, expect, it } from 'vitest';

import { cancelledOf, cellViews, statusOf, unwindingOf } from '../../../../src/execution/status.ts';
import type { Cell } from '../../../../src/runbook/runbook.ts';
import { exec, viewOf, type Line } from './fixture.ts';

const undo = { handler: 'undo' };
const CELLS: Cell[] = [
  exec('a', { undo }),
  { id: 'soak', await: { for: '10m' } },
  { id: 'gate', await: { claim: 'c', statuses: ['open'] } },
  { id: 'regions', run: { runbook: 'region' } },
];
const ran = (cellId: string): Line[] => [
  ['started', cellId, 1],
  ['completed', cellId, 1, { output: 1 }],
];
const soaked: Line[] = [...ran('a'), ['satisfied', 'soak', 1, {}]];
const opened: Line[] = [...soaked, ['satisfied', 'gate', 1, {}]];
const unwinding: Line = ['unwinding', 'a', 1, { by: 'ann', reason: 'x' }];

describe('the status of an instance', () => {
  it.each([
    ['a pause', ran('a'), 1, 'waiting'],
    ['a claim', soaked, 2, 'awaiting'],
    ['the instances that its cell started', opened, 3, 'waiting'],
  ])('is parked while it waits for %s', (_what, lines, index, state) => {
    const view = viewOf(CELLS, ...lines);
    expect(statusOf(view, true)).toBe('parked');
    expect(cellViews(view, true)[index]?.state).toBe(state);
    expect(statusOf(view, false)).toBe('ready');
    expect(cellViews(view, false)[index]?.state).toBe('pending');
  });

  it.each([
    ['nothing of it is undone', [], 'ready'],
    ['an undo runs', [['started', 'undo-a', 1]], 'running'],
    [
      'an undo is in doubt',
      [
        ['started', 'undo-a', 1],
        ['interrupted', 'undo-a', 1, { reason: 'crash' }],
      ],
      'in_doubt',
    ],
    [
      'an undo has failed',
      [
        ['started', 'undo-a', 1],
        ['failed', 'undo-a', 1, { error: 'no' }],
      ],
      'halted',
    ],
    ['all is undone', ran('undo-a'), 'ready'],
    ['it is cancelled', [...ran('undo-a'), ['cancelled', 'undo-a', 1, {}]], 'cancelled'],
  ] as [string, Line[], string][])('while it is unwound, when %s', (_when, lines, status) => {
    expect(statusOf(viewOf(CELLS, ...ran('a'), unwinding, ...lines), false)).toBe(status);
  });

  it('is ready when the runbook wants it undone after a halt: the next advance begins that', () => {
    const view = viewOf(CELLS, ['started', 'a', 1], ['failed', 'a', 1, { error: 'no' }]);
    view.runbook.onHalt = 'undo';
    expect(statusOf(view, false)).toBe('ready');
  });
});

describe('the cells', () => {
  it('of an instance that is not unwound are those of its runbook', () => {
    expect(cellViews(viewOf(CELLS, ...ran('a')), false)).toHaveLength(CELLS.length);
  });

  it('have an undo cell each that is to run, with what became of it', () => {
    const pending = cellViews(viewOf(CELLS, ...ran('a'), unwinding), false);
    expect(pending[0]).toMatchObject({ cellId: 'a', state: 'satisfied' });
    expect(pending.at(-1)).toEqual({ cellId: 'undo-a', type: 'exec', state: 'pending' });
    const halted = viewOf(
      CELLS,
      ...ran('a'),
      unwinding,
      ['started', 'undo-a', 1],
      ['failed', 'undo-a', 1, { error: { message: 'no' } }],
    );
    expect(cellViews(halted, false).at(-1)).toMatchObject({
      cellId: 'undo-a',
      state: 'failed',
      error: { message: 'no' },
    });
  });

  it('are undone once their undo is through, and not if it was skipped', () => {
    const undone = viewOf(CELLS, ...ran('a'), unwinding, ...ran('undo-a'));
    expect(cellViews(undone, false)[0]).toMatchObject({ state: 'undone' });
    expect(cellViews(undone, false).at(-1)).toMatchObject({ state: 'satisfied' });
    const skipped = viewOf(
      CELLS,
      ...ran('a'),
      unwinding,
      ['started', 'undo-a', 1],
      ['failed', 'undo-a', 1, {}],
      ['decided', 'undo-a', 1, { as: 'skipped', by: 'ann' }],
    );
    expect(cellViews(skipped, false)[0]).toMatchObject({ state: 'satisfied' });
    expect(cellViews(skipped, false).at(-1)).toMatchObject({ state: 'skipped' });
  });

  it('are as they were left when the instance is cancelled', () => {
    const view = viewOf(CELLS, ...ran('a'), ['cancelled', 'a', 1, { by: 'ann', reason: 'x' }]);
    expect(cellViews(view, false).map(({ state }) => state)).toEqual([
      'satisfied',
      'pending',
      'pending',
      'pending',
    ]);
  });
});

it('what receipts show of an end has no field beyond the contract’s', () => {
  const { state } = viewOf(CELLS, ...ran('a'), unwinding);
  expect(unwindingOf(state.unwinding!)).toEqual({ by: 'ann', reason: 'x' });
  const left = [{ cellId: 'a', attempt: 1 }];
  const body = { by: 'ann', reason: 'x', left };
  const cancelled = viewOf(CELLS, ...ran('a'), ['cancelled', 'a', 1, body]).state.cancelled!;
  expect(cancelledOf(cancelled)).toEqual(body);
});
