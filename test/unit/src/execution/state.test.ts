import { describe, expect, it } from 'vitest';

import {
  applyRow,
  emptyState,
  foldRows,
  nextIdempotencyKey,
} from '../../../../src/execution/state.ts';
import type { JsonObject } from '../../../../src/json.ts';
import { rows, type Line } from './fixture.ts';

const fold = (...lines: Line[]) => foldRows(rows(...lines));
const cut = (attempt: number, reason = 'crash'): Line[] => [
  ['started', 'a', attempt],
  ['interrupted', 'a', attempt, { reason }],
];
const rerun = (attempt: number, by = '@policy'): Line => [
  'decided',
  'a',
  attempt,
  { as: 'rerun', by },
];

describe('a log', () => {
  it('that is empty adds up to nothing', () => {
    expect(foldRows([])).toEqual(emptyState());
  });

  it('is folded the same row by row as at once', () => {
    const log = rows(
      ...cut(1),
      rerun(1),
      ['started', 'a', 2],
      ['completed', 'a', 2, { output: 1 }],
    );
    const state = emptyState();
    for (const row of log) applyRow(state, row);
    expect(state).toEqual(foldRows(log));
    expect(state).toMatchObject({ lastSeq: 5, lastToken: 5, last: { seq: 5 } });
  });

  it.each([1, 3, 7])('may not be applied out of order: seq %i after 1', (seq) => {
    const [first] = rows(['started', 'a', 1]);
    const state = foldRows([first!]);
    expect(() => applyRow(state, { ...first!, seq })).toThrow(`row ${seq} was applied after row 1`);
    expect(state.lastSeq).toBe(1);
  });
});

describe('an attempt', () => {
  it('is open after started, with who runs it since when', () => {
    expect(fold(['started', 'a', 1]).open).toEqual({
      cellId: 'a',
      attempt: 1,
      requestId: 'q1',
      replicaId: 'a-00000001',
      fencingToken: 5,
      idempotencyKey: 'i/a/1',
      since: '1970-01-01T00:00:01.000Z',
    });
  });

  it.each([
    ['completed', { output: 1 }],
    ['failed', { error: 'no' }],
  ] as const)('is closed by %s', (kind, body) => {
    const state = fold(['started', 'a', 1], [kind, 'a', 1, body]);
    expect(state.open).toBeUndefined();
    expect(state.doubt).toBeUndefined();
  });

  it('that was interrupted is in doubt, under the token of the attempt itself and not of who closed it', () => {
    const state = fold(
      ['started', 'a', 1],
      ['interrupted', 'a', 1, { reason: 'crash' }, { fencingToken: 9 }],
    );
    expect(state.open).toBeUndefined();
    expect(state.doubt).toEqual({
      cellId: 'a',
      attempt: 1,
      reason: 'crash',
      requestId: 'q1',
      fencingToken: 5,
      idempotencyKey: 'i/a/1',
      happened: false,
      since: '1970-01-01T00:00:02.000Z',
    });
    expect(state.lastToken).toBe(9);
  });
});

describe('the idempotency key', () => {
  it('is the same across interrupted attempts, and new after a definite failure', () => {
    const keys: string[] = [];
    const state = emptyState();
    for (const row of rows(
      ...cut(1),
      rerun(1),
      ...cut(2),
      rerun(2, 'person'),
      ['started', 'a', 3],
      ['failed', 'a', 3, { error: 'no' }],
      ...cut(4),
      ['decided', 'a', 4, { as: 'failed', by: 'person', reason: 'no' }],
      ['started', 'a', 5],
    )) {
      if (row.kind === 'started') keys.push(nextIdempotencyKey('i', 'a', state.cells.get('a')));
      applyRow(state, row);
    }
    expect(keys).toEqual(['i/a/1', 'i/a/1', 'i/a/1', 'i/a/2', 'i/a/3']);
    expect(nextIdempotencyKey('i', 'never', undefined)).toBe('i/never/1');
  });

  it('of an attempt is the one in its row, even if the rule would give another', () => {
    const started: Line = ['started', 'a', 1, { idempotencyKey: 'as recorded' }];
    expect(fold(started).open?.idempotencyKey).toBe('as recorded');
    const doubt = fold(started, ['interrupted', 'a', 1, { reason: 'crash' }]).doubt;
    expect(doubt?.idempotencyKey).toBe('as recorded');
  });

  it.each([undefined, '', 7])('is never invented: a row with %j is refused', (idempotencyKey) => {
    const [row] = rows(['started', 'a', 1]);
    const body = idempotencyKey === undefined ? {} : { idempotencyKey };
    expect(() => foldRows([{ ...row!, body }])).toThrow('row 1 (cell a, attempt 1)');
  });

  it('of a doubt cannot be missing: an interrupted row is about an attempt that was started', () => {
    expect(() => fold(['interrupted', 'a', 1, { reason: 'crash' }])).toThrow(
      'the newest attempt is not of this cell',
    );
  });

  it('of a doubt is the one that its effect was given', () => {
    const state = fold(['started', 'a', 1], ['failed', 'a', 1, { error: 'no' }], ...cut(2));
    expect(state.doubt?.idempotencyKey).toBe('i/a/2');
  });
});

describe('interruptions in a row', () => {
  const interruptions = (...lines: Line[]) => fold(...lines).cells.get('a')?.interruptions;

  it('are counted, those that never began left out', () => {
    expect(interruptions(...cut(1), rerun(1), ...cut(2))).toBe(2);
    expect(interruptions(...cut(1), rerun(1), ...cut(2, 'not_started'), rerun(2), ...cut(3))).toBe(
      2,
    );
  });

  it.each(['@policy', '@probe', '@late-outcome'])(
    'go on counting when %s asks for another run',
    (by) => {
      expect(interruptions(...cut(1), rerun(1, by))).toBe(1);
    },
  );

  it('start over when a person asks for another run, and at any definite outcome', () => {
    expect(interruptions(...cut(1), rerun(1, 'person'))).toBe(0);
    expect(interruptions(...cut(1), rerun(1), ['started', 'a', 2], ['failed', 'a', 2])).toBe(0);
    expect(
      interruptions(...cut(1), ['decided', 'a', 1, { as: 'failed', by: '@late-outcome' }]),
    ).toBe(0);
  });
});

describe('the run number of the next attempt', () => {
  const run = (...lines: Line[]) => fold(...lines).cells.get('a')?.run;
  const failed = (attempt: number, body: JsonObject = {}): Line[] => [
    ['started', 'a', attempt],
    ['failed', 'a', attempt, body],
  ];

  it('is one more than the refusals ever, the decided ones included', () => {
    expect(run(['started', 'a', 1])).toBe(1);
    expect(run(...failed(1))).toBe(2);
    expect(run(...failed(1), ...failed(2))).toBe(3);
    expect(run(...cut(1), ['decided', 'a', 1, { as: 'failed', by: 'person' }])).toBe(2);
    expect(run(...cut(1), ['decided', 'a', 1, { as: 'failed', by: '@late-outcome' }])).toBe(2);
  });

  it('does not grow when nothing was begun, when the effect happened, or in doubt', () => {
    expect(run(...failed(1, { notBegun: true }))).toBe(1);
    expect(run(...failed(1, { happened: true }))).toBe(1);
    expect(run(...cut(1), rerun(1), ...cut(2))).toBe(1);
    const late = { as: 'failed', by: '@late-outcome', notBegun: true };
    expect(run(...cut(1), ['decided', 'a', 1, late])).toBe(1);
  });

  it('does not fall when a person decides, unlike the count for the retry budget', () => {
    const state = fold(...failed(1), ...failed(2), ...cut(3), rerun(3, 'person'));
    expect(state.cells.get('a')).toMatchObject({ run: 3, failures: 0 });
  });

  it('is never below one that was used', () => {
    const key = { idempotencyKey: 'i/a/4' };
    expect(run(['started', 'a', 1, key])).toBe(4);
    expect(run(['started', 'a', 1, { idempotencyKey: 'no number' }])).toBe(1);
  });
});

describe('the failures that count for the retry budget', () => {
  const failures = (...lines: Line[]) => fold(...lines).cells.get('a')?.failures;

  it('are those of every kind since an agent last decided', () => {
    expect(failures(['started', 'a', 1], ['failed', 'a', 1, { notBegun: true }])).toBe(1);
    expect(failures(...cut(1), ['decided', 'a', 1, { as: 'failed', by: '@late-outcome' }])).toBe(1);
    const two: Line[] = [
      ['started', 'a', 1],
      ['failed', 'a', 1],
      ['started', 'a', 2],
      ['failed', 'a', 2],
    ];
    expect(failures(...two, ...cut(3), rerun(3))).toBe(2);
    expect(failures(...two, ...cut(3), rerun(3, 'person'))).toBe(0);
    expect(failures(...two, ...cut(3), ['decided', 'a', 3, { as: 'failed', by: 'person' }])).toBe(
      1,
    );
  });
});

describe('outputs', () => {
  it('are those of the cells that are through', () => {
    const state = fold(
      ['started', 'a', 1],
      ['completed', 'a', 1, { output: { n: 1 } }],
      ['satisfied', 'gate', 1, { status: 'open' }],
      ['started', 'b', 1],
      ['interrupted', 'b', 1, { reason: 'crash' }],
      ['decided', 'b', 1, { as: 'succeeded', by: 'person', output: 'seen' }],
      ['started', 'c', 1],
      ['interrupted', 'c', 1, { reason: 'crash' }],
      ['decided', 'c', 1, { as: 'skipped', by: 'person' }],
      ['started', 'd', 1],
      ['failed', 'd', 1, { error: 'no', output: 'not this' }],
    );
    expect(state.outputs).toEqual({ a: { n: 1 }, gate: { status: 'open' }, b: 'seen', c: null });
  });

  it('of a completed cell that gave none is null', () => {
    expect(fold(['started', 'a', 1], ['completed', 'a', 1]).outputs).toEqual({ a: null });
  });
});

it('a failure is the newest word on a cell only until it is tried again', () => {
  const failed = fold(['started', 'a', 1], ['failed', 'a', 1, { error: { message: 'no' } }]);
  expect(failed.cells.get('a')).toMatchObject({ failures: 1, failure: { message: 'no' } });
  const again = fold(['started', 'a', 1], ['failed', 'a', 1, { error: 'no' }], ['started', 'a', 2]);
  expect(again.cells.get('a')).toEqual({
    attempts: 2,
    run: 2,
    failures: 1,
    happened: false,
    retryAfterMs: 0,
    interruptions: 0,
  });
});

it('steps are kept by the request that they were written for; what recovery wrote on its own has none', () => {
  const state = fold(
    ['started', 'a', 1],
    ['interrupted', 'a', 1, { reason: 'crash' }, { requestId: null }],
    ['decided', 'a', 1, { as: 'rerun', by: '@policy' }, { requestId: 'q2' }],
    ['started', 'a', 2],
  );
  expect([...state.stepsByRequest]).toEqual([
    [
      'q1',
      [
        { seq: 1, cellId: 'a', kind: 'started', attempt: 1 },
        { seq: 4, cellId: 'a', kind: 'started', attempt: 2 },
      ],
    ],
    ['q2', [{ seq: 3, cellId: 'a', kind: 'decided', attempt: 1 }]],
  ]);
});
