import { describe, expect, it } from 'vitest';

import { nextStep } from '../../../../src/execution/plan.ts';
import type { AssertCell } from '../../../../src/runbook/cells.ts';
import type { AwaitCell, Cell } from '../../../../src/runbook/runbook.ts';
import { decided, exec, failed, ran, viewOf, type Line } from './fixture.ts';

const CHECK: AssertCell = { id: 'check', assert: [{ cell: 'a', pointer: '', equals: 1 }] };
const GATE: AwaitCell = { id: 'gate', await: { claim: 'c', statuses: ['open'], within: '1h' } };

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
