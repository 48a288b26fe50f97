import { describe, expect, it } from 'vitest';

import { nextCell, nextStep, placeOfInstance, undoCells } from '../../../../src/execution/plan.ts';
import { foldRows } from '../../../../src/execution/state.ts';
import type { AssertCell } from '../../../../src/runbook/cells.ts';
import type { AwaitCell, Cell, Runbook } from '../../../../src/runbook/runbook.ts';
import { exec, rows, viewOf, viewOfBook, type Line } from './fixture.ts';

const CHECK: AssertCell = { id: 'check', assert: [{ cell: 'a', pointer: '', equals: 1 }] };
const GATE: AwaitCell = { id: 'gate', await: { claim: 'c', statuses: ['open'], within: '1h' } };

const ran = (cellId: string, output: number = 1): Line[] => [
  ['started', cellId, 1],
  ['completed', cellId, 1, { output }],
];
const failed = (cellId: string, attempt: number, body = {}): Line[] => [
  ['started', cellId, attempt],
  ['failed', cellId, attempt, { error: { message: 'no' }, ...body }],
];
const decided = (cellId: string, attempt: number, as: string, more = {}): Line => [
  'decided',
  cellId,
  attempt,
  { as, by: 'ann', reason: 'looked', ...more },
];

describe('a halted instance', () => {
  it('names the attempt that a decision answers', () => {
    expect(nextStep(viewOf([exec('a')], ...failed('a', 1)))).toMatchObject({
      do: 'halt',
      cell: { id: 'a' },
      attempt: 1,
    });
    const refuted = viewOf([exec('a'), CHECK], ...ran('a', 2), ['refuted', 'check', 1, {}]);
    expect(nextStep(refuted)).toMatchObject({ do: 'halt', cell: { id: 'check' }, attempt: 1 });
  });

  it.each([
    ['rerun', { do: 'start', cell: { id: 'a' }, attempt: 2, backoffMs: 0 }],
    ['succeeded', { do: 'start', cell: { id: 'b' }, attempt: 1 }],
    ['skipped', { do: 'start', cell: { id: 'b' }, attempt: 1 }],
  ])('goes on when it is decided %s', (as, expected) => {
    const cells = [exec('a'), exec('b')];
    for (const body of [{}, { happened: true }, { notBegun: true }])
      expect(nextStep(viewOf(cells, ...failed('a', 1, body), decided('a', 1, as)))).toMatchObject(
        expected,
      );
  });

  it('has the output of the decision', () => {
    const cells: Cell[] = [exec('a'), CHECK];
    const repaired = viewOf(cells, ...failed('a', 1), decided('a', 1, 'succeeded', { output: 1 }));
    expect(nextStep(repaired)).toMatchObject({ do: 'satisfy', cell: { id: 'check' } });
  });

  it('has all its retries again after a rerun', () => {
    const cell = exec('a', { retry: { attempts: 2 } });
    const repaired: Line[] = [...failed('a', 1), ...failed('a', 2), decided('a', 2, 'rerun')];
    expect(nextStep(viewOf([cell], ...repaired))).toMatchObject({ do: 'start', attempt: 3 });
    expect(nextStep(viewOf([cell], ...repaired, ...failed('a', 3)))).toMatchObject({
      do: 'start',
      attempt: 4,
      backoffMs: 200,
    });
    const spent = viewOf([cell], ...repaired, ...failed('a', 3), ...failed('a', 4));
    expect(nextStep(spent)).toMatchObject({ do: 'halt', attempt: 4 });
  });

  it('judges a refuted cell again, as its next attempt', () => {
    const refuted: Line[] = [...ran('a', 2), ['refuted', 'check', 1, { checks: [] }]];
    const again = viewOf([exec('a'), CHECK], ...refuted, decided('check', 1, 'rerun'));
    expect(nextStep(again)).toMatchObject({ do: 'refute', cell: { id: 'check' }, attempt: 2 });
    const late: Line[] = [['refuted', 'gate', 1, { deadline: 'x' }], decided('gate', 1, 'rerun')];
    expect(nextStep(viewOf([GATE], ...late))).toMatchObject({
      do: 'await',
      attempt: 2,
      deadline: { sinceIso: '1970-01-01T00:00:02.000Z', afterMs: 3_600_000 },
    });
  });
});

describe('a wait', () => {
  it('begins with the row before it, or with the instance if there is none', () => {
    expect(nextStep(viewOf([GATE]))).toMatchObject({
      deadline: { sinceIso: '1970-01-01T00:00:00.000000Z' },
    });
    expect(nextStep(viewOf([exec('a'), GATE], ...ran('a')))).toMatchObject({
      deadline: { sinceIso: '1970-01-01T00:00:02.000Z' },
    });
  });

  it('that cannot be read refutes its cell, and says why', () => {
    const cell: Cell = { id: 'soak', await: { for: '${inputs.order}' } };
    expect(nextStep(viewOf([cell]))).toMatchObject({
      do: 'refute',
      attempt: 1,
      body: { error: expect.stringContaining('"o1" is not a duration') as string },
    });
  });
});

describe('a condition', () => {
  const warm = (equals: number): Cell =>
    exec('warm', { when: [{ cell: 'a', pointer: '', equals }] });

  it('that holds lets the cell run', () => {
    expect(nextStep(viewOf([exec('a'), warm(1)], ...ran('a')))).toMatchObject({
      do: 'start',
      cell: { id: 'warm' },
    });
  });

  it('that does not hold skips the cell, with what was seen', () => {
    expect(nextStep(viewOf([exec('a'), warm(2)], ...ran('a')))).toEqual({
      do: 'skip',
      cell: warm(2),
      attempt: 1,
      body: { when: [{ cell: 'a', pointer: '', equals: 2, actual: 1, held: false }] },
    });
    const skipped = viewOf([exec('a'), warm(2)], ...ran('a'), ['skipped', 'warm', 1, {}]);
    expect(nextStep(skipped)).toEqual({ do: 'complete' });
  });

  it('is looked at before anything else about the cell', () => {
    const when = [{ input: '/order', equals: 'o2' }];
    for (const cell of [
      { ...GATE, when },
      { ...CHECK, when },
      { id: 'p', await: { for: 'x' }, when },
    ])
      expect(nextStep(viewOf([cell]))).toMatchObject({ do: 'skip' });
  });

  it('that cannot be evaluated halts, since the cell may be needed', () => {
    const lost: Line[] = [
      ['started', 'a', 1],
      [
        'completed',
        'a',
        1,
        { output: { outputLost: { why: 'it was too large', bytes: 1, head: '' } } },
      ],
    ];
    const cells = [exec('a'), warm(1)];
    const view = viewOf(cells, ...lost);
    expect(nextStep(view)).toMatchObject({ do: 'refute', cell: { id: 'warm' }, attempt: 1 });
    const refuted: Line[] = [...lost, ['refuted', 'warm', 1, {}]];
    expect(nextStep(viewOf(cells, ...refuted))).toMatchObject({ do: 'halt', attempt: 1 });
    // A person says that it is to run.
    expect(nextStep(viewOf(cells, ...refuted, decided('warm', 1, 'rerun')))).toMatchObject({
      do: 'start',
      attempt: 2,
    });
  });
});

describe('an instance that is unwound', () => {
  const undo = { handler: 'undo' };
  const cells: Cell[] = [
    { id: 'text', prose: 'Words.' },
    exec('a', { undo }),
    exec('b', { undo: { exec: undo, retry: { attempts: 2 }, onInterrupt: 'rerun' } }),
    { id: 'gate', await: { claim: 'c', statuses: ['open'] }, undo },
    exec('plain'),
    exec('last', { undo }),
  ];
  const gate: Line = ['satisfied', 'gate', 1, { status: 'open' }];
  const through: Line[] = [...ran('a'), ...ran('b'), gate, ...ran('plain')];
  const unwind = (cellId: string): Line => ['unwinding', cellId, 1, { by: 'ann', reason: 'x' }];

  const orderOf = (book: Cell[], ...lines: Line[]): string[] => {
    const { runbook, state } = viewOf(book, ...lines);
    return undoCells(runbook, state).map(({ id }) => id);
  };

  it('undoes what is satisfied and defines an undo, in reverse order', () => {
    expect(orderOf(cells, ...through)).toEqual(['undo-gate', 'undo-b', 'undo-a']);
    const done: Line[] = [...through, unwind('plain')];
    const seen: string[] = [];
    for (let view = viewOf(cells, ...done); ; view = viewOf(cells, ...done)) {
      const step = nextStep(view);
      if (step.do !== 'start') {
        expect(step).toEqual({ do: 'cancel' });
        break;
      }
      expect(nextCell(view.runbook, view.state)?.id).toBe(step.cell.id);
      seen.push(step.cell.id);
      done.push(...ran(step.cell.id));
    }
    expect(seen).toEqual(['undo-gate', 'undo-b', 'undo-a']);
  });

  it('undoes a cell that failed although its effect happened, whatever was decided since', () => {
    const happened = failed('a', 1, { happened: true });
    expect(orderOf(cells, ...happened)).toEqual(['undo-a']);
    expect(orderOf(cells, ...happened, decided('a', 1, 'skipped'))).toEqual(['undo-a']);
    const again: Line[] = [...happened, decided('a', 1, 'rerun'), ...failed('a', 2)];
    expect(orderOf(cells, ...again)).toEqual([]);
  });

  it('does not undo what was skipped, refused or never began', () => {
    expect(orderOf(cells, ['skipped', 'a', 1, {}], ...failed('b', 1))).toEqual([]);
    const doubt: Line[] = [
      ['started', 'a', 1],
      ['interrupted', 'a', 1, { reason: 'crash' }],
      decided('a', 1, 'skipped'),
    ];
    expect(orderOf(cells, ...doubt)).toEqual([]);
  });

  it('retries, halts and repairs an undo like any cell', () => {
    const begun: Line[] = [...ran('a'), ...ran('b'), unwind('b')];
    const tried = [...begun, ...failed('undo-b', 1)];
    expect(nextStep(viewOf(cells, ...tried))).toMatchObject({
      do: 'start',
      cell: { id: 'undo-b' },
      attempt: 2,
      backoffMs: 200,
    });
    const halted = [...tried, ...failed('undo-b', 2)];
    expect(nextStep(viewOf(cells, ...halted))).toMatchObject({
      do: 'halt',
      cell: { id: 'undo-b' },
      attempt: 2,
    });
    expect(nextStep(viewOf(cells, ...halted, decided('undo-b', 2, 'rerun')))).toMatchObject({
      cell: { id: 'undo-b' },
      attempt: 3,
    });
    expect(nextStep(viewOf(cells, ...halted, decided('undo-b', 2, 'skipped')))).toMatchObject({
      cell: { id: 'undo-a' },
    });
  });

  it('closes and settles the attempts of its undo cells', () => {
    const open: Line[] = [...ran('a'), unwind('a'), ['started', 'undo-a', 1]];
    expect(nextStep(viewOf(cells, ...open))).toMatchObject({ do: 'close', cell: { exec: undo } });
    const doubt: Line[] = [...open, ['interrupted', 'undo-a', 1, { reason: 'crash' }]];
    expect(nextStep(viewOf(cells, ...doubt))).toMatchObject({
      do: 'settle',
      doubt: { cellId: 'undo-a' },
      cell: { id: 'undo-a' },
    });
  });

  it('with nothing to undo is cancelled next', () => {
    expect(nextStep(viewOf(cells, unwind('text')))).toEqual({ do: 'cancel' });
  });

  it('runs nothing once it is cancelled, also half undone', () => {
    const half: Line[] = [...through, unwind('plain'), ...ran('undo-gate')];
    const view = viewOf(cells, ...half, ['cancelled', 'undo-gate', 1, { by: 'ann', reason: 'y' }]);
    expect(nextStep(view)).toEqual({ do: 'cancelled' });
    expect(nextCell(view.runbook, view.state)).toBeUndefined();
  });
});

describe('a runbook that is undone when it halts', () => {
  const book: Runbook = {
    runbook: 'book',
    version: 1,
    onHalt: 'undo',
    inputs: [],
    cells: [exec('a', { undo: { handler: 'undo' } }), exec('b', { retry: { attempts: 2 } })],
  };

  it('is unwound once a cell has failed for good, and not before', () => {
    const once: Line[] = [...ran('a'), ...failed('b', 1)];
    expect(nextStep(viewOfBook(book, ...once))).toMatchObject({ do: 'start', attempt: 2 });
    expect(nextStep(viewOfBook(book, ...once, ...failed('b', 2)))).toMatchObject({
      do: 'unwind',
      cell: { id: 'b' },
      attempt: 2,
      reason: 'b failed 2 times: no',
    });
  });

  it('does not unwind what unwinding halts', () => {
    const view = viewOfBook(
      book,
      ...ran('a'),
      ['unwinding', 'a', 1, { by: '@policy', reason: 'x' }],
      ...failed('undo-a', 1),
    );
    expect(nextStep(view)).toMatchObject({ do: 'halt', cell: { id: 'undo-a' } });
  });
});

describe('a runbook of an earlier release with a cell named like an undo cell', () => {
  const cells = [exec('a'), exec('undo-a'), exec('b')];

  it('halts before that cell, and can only be cancelled', () => {
    const step = nextStep(viewOf(cells, ...ran('a')));
    expect(step).toMatchObject({ do: 'halt', cell: { id: 'undo-a' }, attempt: undefined });
    expect(step).toMatchObject({
      why: expect.stringContaining('undo-a begins with undo-') as string,
    });
  });

  it('halts after that cell as well, since no other may follow it', () => {
    expect(nextStep(viewOf(cells, ...ran('a'), ...ran('undo-a')))).toMatchObject({
      do: 'halt',
      cell: { id: 'b' },
      attempt: undefined,
    });
  });

  it('still closes and settles what it had begun', () => {
    expect(nextStep(viewOf(cells, ...ran('a'), ['started', 'undo-a', 1]))).toMatchObject({
      do: 'close',
      cell: { id: 'undo-a', exec: { handler: 'any' } },
    });
  });
});

it('a row about the whole instance names the place of the row before, or the first cell', () => {
  const cells = [{ id: 'text', prose: 'Words.' }, exec('a')];
  expect(placeOfInstance(viewOf(cells))).toEqual({ cellId: 'text', attempt: 1 });
  expect(placeOfInstance(viewOf(cells, ...failed('a', 1), ...failed('a', 2)))).toEqual({
    cellId: 'a',
    attempt: 2,
  });
});

it('an instance’s own rows count for no cell', () => {
  const [first] = rows(['unwinding', 'a', 1, { by: 'ann', reason: 'x' }]);
  expect(foldRows([first!]).cells.size).toBe(0);
});
