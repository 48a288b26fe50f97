import { describe, expect, it } from 'vitest';

import { foldRows } from '../../../../src/execution/state.ts';
import { rows, type Line } from './fixture.ts';

const fold = (...lines: Line[]) => foldRows(rows(...lines));
const failed = (attempt: number, body = {}): Line[] => [
  ['started', 'a', attempt],
  ['failed', 'a', attempt, { error: 'no', ...body }],
];
const decided = (as: string, attempt = 1, more = {}): Line => [
  'decided',
  'a',
  attempt,
  { as, by: 'ann', reason: 'looked', ...more },
];

describe('a skipped cell', () => {
  it('has no output, and keeps why it was skipped', () => {
    const state = fold(['skipped', 'a', 1, { when: [{ held: false }] }]);
    expect(state.cells.get('a')).toMatchObject({
      result: 'skipped',
      output: null,
      skipped: { when: [{ held: false }] },
      attempts: 1,
    });
    expect(state.outputs).toEqual({ a: null });
  });

  it('may have been skipped by a person', () => {
    expect(fold(...failed(1), decided('skipped')).cells.get('a')).toMatchObject({
      result: 'skipped',
      output: null,
      skipped: { by: 'ann', reason: 'looked' },
    });
  });
});

describe('a decision about a halted cell', () => {
  it('for another run leaves no failure and no used-up retry, but the run number', () => {
    const cell = fold(...failed(1), ...failed(2), decided('rerun', 2)).cells.get('a');
    expect(cell).toMatchObject({ failures: 0, run: 3, attempts: 2, retryAfterMs: 0 });
    expect(cell?.failure).toBeUndefined();
    expect(cell?.result).toBeUndefined();
  });

  it('for another run after the effect happened keeps that it happened, and the key', () => {
    const state = fold(...failed(1, { happened: true }), decided('rerun'));
    expect(state.cells.get('a')).toMatchObject({ happened: true, run: 1 });
  });

  it('opens a refuted cell again', () => {
    const cell = fold(['refuted', 'a', 1, { checks: [] }], decided('rerun')).cells.get('a');
    expect(cell).toMatchObject({ attempts: 1 });
    expect(cell?.result).toBeUndefined();
    expect(cell?.failure).toBeUndefined();
  });

  it('as succeeded gives its output', () => {
    const state = fold(['refuted', 'a', 1, {}], decided('succeeded', 1, { output: 7 }));
    expect(state.outputs).toEqual({ a: 7 });
    expect(state.cells.get('a')).toMatchObject({ result: 'satisfied', output: 7 });
  });
});

describe('the end of an instance', () => {
  it('says who unwinds it, why and since when', () => {
    const state = fold(...failed(1), ['unwinding', 'a', 1, { by: '@policy', reason: 'a failed' }]);
    expect(state.unwinding).toMatchObject({
      by: '@policy',
      reason: 'a failed',
      children: false,
      since: '1970-01-01T00:00:03.000Z',
      seq: 3,
    });
    expect(state.cancelled).toBeUndefined();
  });

  it('says who cancelled it, why, and what was left in doubt', () => {
    const left = [{ cellId: 'a', attempt: 1 }];
    const state = fold(
      ['started', 'a', 1],
      ['interrupted', 'a', 1, { reason: 'crash' }],
      ['cancelled', 'a', 1, { by: 'ann', reason: 'enough', children: true, left }],
    );
    expect(state.cancelled).toMatchObject({
      by: 'ann',
      reason: 'enough',
      children: true,
      left,
      since: '1970-01-01T00:00:03.000Z',
      seq: 3,
    });
    expect(state.doubt).toBeUndefined();
  });

  it('has no attempt of the cell that its row names', () => {
    const state = fold(['cancelled', 'a', 1, { by: 'ann', reason: 'enough', left: [] }]);
    expect(state.cells.size).toBe(0);
    expect(state.lastSeq).toBe(1);
    expect(state.stepsByRequest.get('q1')).toEqual([
      { seq: 1, cellId: 'a', kind: 'cancelled', attempt: 1 },
    ]);
  });

  it('is read as far as it can be', () => {
    const left = [{ cellId: 7, attempt: 1 }, 'a', { cellId: 'b', attempt: 2, more: 1 }];
    expect(fold(['cancelled', 'a', 1, { left }]).cancelled).toMatchObject({
      by: '',
      left: [{ cellId: 'b', attempt: 2 }],
    });
  });
});
