import { describe, expect, it } from 'vitest';

import { cellViews, inDoubtOf, inFlightOf, statusOf } from '../../../../src/execution/status.ts';
import type { Cell } from '../../../../src/runbook/runbook.ts';
import { viewOf, exec, type Line } from './fixture.ts';

const CELLS: Cell[] = [
  { id: 'text', prose: 'Words.' },
  exec('a'),
  { id: 'gate', await: { claim: 'c', statuses: ['open'] } },
  { id: 'check', assert: [{ cell: 'a', pointer: '', equals: 1 }] },
];

const ran: Line[] = [
  ['started', 'a', 1],
  ['completed', 'a', 1, { output: 1 }],
];
const through: Line[] = [...ran, ['satisfied', 'gate', 1, { status: 'open' }]];
const doubt: Line[] = [
  ['started', 'a', 1],
  ['interrupted', 'a', 1, { reason: 'crash' }],
];

describe('the status of an instance', () => {
  const cases: [string, Line[], boolean, string, string[]][] = [
    ['nothing has run', [], false, 'ready', ['text', 'pending', 'pending', 'pending']],
    [
      'an attempt is open',
      [['started', 'a', 1]],
      false,
      'running',
      ['text', 'running', 'pending', 'pending'],
    ],
    [
      'an attempt is in doubt',
      doubt,
      false,
      'in_doubt',
      ['text', 'in_doubt', 'pending', 'pending'],
    ],
    [
      'a cell has failed for good',
      [
        ['started', 'a', 1],
        ['failed', 'a', 1, { error: 'no' }],
      ],
      false,
      'halted',
      ['text', 'failed', 'pending', 'pending'],
    ],
    [
      'a doubt was decided as skipped',
      [...doubt, ['decided', 'a', 1, { as: 'skipped', by: 'p' }]],
      true,
      'parked',
      ['text', 'skipped', 'awaiting', 'pending'],
    ],
    ['its await waits', ran, true, 'parked', ['text', 'satisfied', 'awaiting', 'pending']],
    ['its await may go on', ran, false, 'ready', ['text', 'satisfied', 'pending', 'pending']],
    [
      'only an assert is left',
      through,
      false,
      'ready',
      ['text', 'satisfied', 'satisfied', 'pending'],
    ],
    [
      'an assert was false',
      [...through, ['refuted', 'check', 1, {}]],
      false,
      'halted',
      ['text', 'satisfied', 'satisfied', 'refuted'],
    ],
    [
      'everything is through',
      [...through, ['satisfied', 'check', 1, {}]],
      false,
      'completed',
      ['text', 'satisfied', 'satisfied', 'satisfied'],
    ],
  ];

  it.each(cases)('when %s', (_when, lines, parked, status, cells) => {
    const at = viewOf(CELLS, ...lines);
    expect(statusOf(at, parked)).toBe(status);
    expect(cellViews(at, parked).map(({ state }) => state)).toEqual(cells);
  });

  it('is ready between a definite failure and its retry', () => {
    const at = viewOf(
      [exec('a', { retry: { attempts: 2 } })],
      ['started', 'a', 1],
      ['failed', 'a', 1, { error: 'no' }],
    );
    expect(statusOf(at, false)).toBe('ready');
    expect(cellViews(at, false)[0]?.state).toBe('failed');
  });
});

it('cells show their newest attempt and what they gave, and nothing of what never was', () => {
  const at = viewOf(
    CELLS,
    ...doubt,
    ['decided', 'a', 1, { as: 'rerun', by: '@policy' }],
    ['started', 'a', 2],
    ['completed', 'a', 2, { output: { n: 1 } }],
  );
  expect(cellViews(at, false)).toEqual([
    { cellId: 'text', type: 'prose', state: 'text' },
    { cellId: 'a', type: 'exec', state: 'satisfied', attempt: 2, output: { n: 1 } },
    { cellId: 'gate', type: 'await', state: 'pending' },
    { cellId: 'check', type: 'assert', state: 'pending' },
  ]);
});

it('what receipts show of attempts has no field beyond the contract’s', () => {
  const { open } = viewOf(CELLS, ['started', 'a', 1]).state;
  expect(inFlightOf(open!)).toEqual({
    cellId: 'a',
    attempt: 1,
    requestId: 'q1',
    since: '1970-01-01T00:00:01.000Z',
  });
  expect(inDoubtOf(viewOf(CELLS, ...doubt).state.doubt!)).toEqual({
    cellId: 'a',
    attempt: 1,
    reason: 'crash',
    since: '1970-01-01T00:00:02.000Z',
  });
});
