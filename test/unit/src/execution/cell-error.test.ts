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
    [
      {
        checks: [
          { cell: 'a', pointer: '/n', atLeast: 5, actual: 3, held: false },
          { cell: 'a', pointer: '/n', atMost: 1, held: false },
          { input: '/mode', in: ['a', 'b'], actual: 'c', held: false },
          { input: '', matches: '^x', actual: 'y', held: false },
          { input: '/n', atLeast: 1, actual: 'y', held: false, error: 'it is text, not a number' },
        ],
      },
      'a /n is 3, expected at least 5; a /n does not exist, expected at most 1; ' +
        'input /mode is "c", expected one of ["a","b"]; ' +
        'the input object is "y", expected text that matches ^x; ' +
        'input /n could not be checked: it is text, not a number',
    ],
    [
      {
        checks: [
          { input: '/m', not: { equals: 'a' }, actual: 'a', held: false },
          { input: '/m', not: { in: ['a'] }, actual: 'a', held: false },
          { input: '/m', not: { atLeast: 5 }, actual: 7, held: false },
          { input: '/m', not: { atMost: 5 }, actual: 4, held: false },
          { input: '/m', not: { matches: 'x' }, actual: 'x', held: false },
          { input: '/m', not: { exists: true }, actual: 'x', held: false },
          { input: '/m', not: { exists: false }, held: false },
        ],
      },
      'input /m is "a", expected another value; input /m is "a", expected none of ["a"]; ' +
        'input /m is 7, expected less than 5; input /m is 4, expected more than 5; ' +
        'input /m is "x", expected text that does not match x; ' +
        'input /m should not exist; input /m should exist',
    ],
    [{ checks: [{ a: 1, held: false }] }, '{"a":1,"held":false}'],
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
