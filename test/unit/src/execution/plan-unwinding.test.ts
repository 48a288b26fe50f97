import { describe, expect, it } from 'vitest';

import {
  nextCell,
  nextStep,
  outputsFor,
  placeOfInstance,
  undoCells,
} from '../../../../src/execution/plan.ts';
import { foldRows } from '../../../../src/execution/state.ts';
import type { Cell, Runbook } from '../../../../src/runbook/runbook.ts';
import { decided, exec, failed, ran, rows, viewOf, viewOfBook, type Line } from './fixture.ts';

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
    let view = viewOf(cells, ...done);
    let step = nextStep(view);
    while (step.do === 'start') {
      expect(nextCell(view.runbook, view.state)?.id).toBe(step.cell.id);
      seen.push(step.cell.id);
      done.push(...ran(step.cell.id));
      view = viewOf(cells, ...done);
      step = nextStep(view);
    }
    expect(step).toEqual({ do: 'cancel' });
    expect(seen).toEqual(['undo-gate', 'undo-b', 'undo-a']);
  });

  it('undoes a cell that failed although its effect happened, whatever was decided since', () => {
    const happened = failed('a', 1, { happened: true });
    expect(orderOf(cells, ...happened)).toEqual(['undo-a']);
    expect(orderOf(cells, ...happened, decided('a', 1, 'skipped'))).toEqual(['undo-a']);
    const again: Line[] = [...happened, decided('a', 1, 'rerun'), ...failed('a', 2)];
    expect(orderOf(cells, ...again)).toEqual([]);
  });

  it('undoes a cell whose effect is known to have happened, also if its doubt was skipped', () => {
    const doubt: Line[] = [
      ['started', 'a', 1],
      ['interrupted', 'a', 1, { reason: 'unverified', happened: true }],
    ];
    expect(orderOf(cells, ...doubt, decided('a', 1, 'skipped'))).toEqual(['undo-a']);
  });

  it('gives an undo the outputs so far, and what its own cell put out in any case', () => {
    const seen = (...lines: Line[]) => {
      const done: Line[] = [...ran('b', 2), ...lines, unwind('a')];
      return outputsFor(viewOf(cells, ...done), 'undo-a');
    };
    expect(seen(...ran('a', 7))).toEqual({ a: 7, b: 2 });
    const happened = failed('a', 1, { happened: true, output: 7 });
    expect(seen(...happened)).toEqual({ a: 7, b: 2 });
    expect(seen(...happened, decided('a', 1, 'skipped'))).toEqual({ a: 7, b: 2 });
    expect(seen(...happened, decided('a', 1, 'succeeded', { output: 8 }))).toEqual({ a: 8, b: 2 });
    expect(outputsFor(viewOf(cells, ...happened), 'b')).toEqual({});
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
