import { describe, expect, it } from 'vitest';

import { cellError, failureText } from '../../../../src/execution/cell-error.ts';

describe('why a cell did not succeed', () => {
  it.each([
    [{ code: 'timeout', message: 'stopped after 5 s' }, 'stopped after 5 s (timeout)'],
    [{ message: 'exit code 3' }, 'exit code 3'],
    ['seen in the ledger', 'seen in the ledger'],
    [{ error: '"a b" is not a claim id' }, '"a b" is not a claim id'],
    [
      {
        checks: [
          { cell: 'charge', pointer: '/count', equals: 1, actual: 2, held: false },
          { cell: 'charge', pointer: '/key', exists: true, actual: 'k', held: true },
          { cell: 'charge', pointer: '', equals: 1, held: false },
          { cell: 'charge', pointer: '/a', exists: true, held: false },
          { cell: 'charge', pointer: '/a', exists: false, actual: 1, held: false },
          { cell: 'x', pointer: '/a', equals: '${inputs.a}', held: false, error: 'no input a' },
        ],
      },
      'charge /count is 2, expected 1; charge output does not exist, expected 1; ' +
        'charge /a should exist; charge /a should not exist; x /a could not be checked: no input a',
    ],
    [[1], '[1]'],
  ])('%j reads as a sentence', (failure, text) => {
    expect(failureText(failure)).toBe(text);
  });

  it('keeps the code apart for programs', () => {
    expect(cellError({ code: 'timeout', message: 'late', more: 1 })).toEqual({
      code: 'timeout',
      message: 'late',
    });
  });

  it('cuts a large value of a check', () => {
    const check = { cell: 'a', pointer: '', equals: 1, actual: 'x'.repeat(100_000), held: false };
    expect(failureText({ checks: [check] }).length).toBeLessThan(1_100);
  });
});
