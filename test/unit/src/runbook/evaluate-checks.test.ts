import { describe, expect, it } from 'vitest';

import type { Json } from '../../../../src/json.ts';
import type { Check } from '../../../../src/runbook/checks.ts';
import { evaluateChecks } from '../../../../src/runbook/evaluate-checks.ts';
import { lostOutput } from '../../../../src/runbook/lost-output.ts';

const outputs = { charge: { count: 3, order: 'o-1', flags: ['new', 'paid'], zero: 0, none: null } };
const inputs = { order: 'o-1', mode: 'live', most: 5, modes: ['live', 'test'], nested: { a: 1 } };

function held(check: Check): boolean {
  return evaluateChecks([check], outputs, inputs).held;
}

/** A check of an output, and the same as a check of an input. */
const COUNT = { cell: 'charge', pointer: '/count' };
const NOTHING = { cell: 'charge', pointer: '/nothing' };

describe('a check holds', () => {
  it.each<[Check, boolean]>([
    [{ ...COUNT, equals: 3 }, true],
    [{ ...COUNT, equals: '3' }, false],
    [{ cell: 'charge', pointer: '/none', equals: null }, true],
    [{ cell: 'charge', pointer: '/order', equals: '${inputs.order}' }, true],
    [{ ...NOTHING, equals: null }, false],
    [{ ...COUNT, exists: true }, true],
    [{ ...NOTHING, exists: false }, true],
    [{ cell: 'absent', pointer: '', exists: true }, false],
    [{ cell: 'toString', pointer: '', exists: true }, false],
    [{ ...COUNT, in: [1, 2, 3] }, true],
    [{ ...COUNT, in: ['${outputs.charge.count}'] }, true],
    [{ ...COUNT, in: [1, 2] }, false],
    [{ ...NOTHING, in: [null] }, false],
    [{ input: '/mode', in: '${inputs.modes}' }, true],
    [{ ...COUNT, atLeast: 3 }, true],
    [{ ...COUNT, atLeast: 3.0000000000000004 }, false],
    [{ ...COUNT, atMost: 2.9999999999999996 }, false],
    [{ ...COUNT, atMost: '${inputs.most}' }, true],
    [{ ...NOTHING, atLeast: 0 }, false],
    [{ ...NOTHING, atMost: 0 }, false],
    [{ cell: 'charge', pointer: '/zero', atLeast: -0 }, true],
    [{ cell: 'charge', pointer: '/order', matches: '^o-[0-9]+$' }, true],
    [{ cell: 'charge', pointer: '/order', matches: '-' }, true],
    [{ cell: 'charge', pointer: '/order', matches: '^[0-9]+$' }, false],
    [{ ...NOTHING, matches: '' }, false],
    [{ input: '/nested', equals: { a: 1 } }, true],
    [{ input: '/nested/a', atMost: 1 }, true],
    [{ input: '', exists: true }, true],
    [{ input: '/absent', exists: false }, true],
    [{ input: '/constructor', exists: true }, false],
  ])('%j: %j', (check, expected) => {
    expect(held(check)).toBe(expected);
    const { cell, pointer, input, ...demand } = check as Record<string, Json>;
    const subject = input === undefined ? { cell, pointer } : { input };
    expect(held({ ...subject, not: demand } as Check)).toBe(!expected);
  });
});

describe('what was seen', () => {
  it('is each check with its placeholders filled, and the value', () => {
    const checks: Check[] = [
      { ...COUNT, equals: 3 },
      { cell: 'charge', pointer: '/order', equals: '${inputs.order}' },
      { cell: 'charge', pointer: '/refund', exists: false },
      { input: '/mode', not: { in: '${inputs.modes}' } },
    ];
    expect(evaluateChecks(checks, outputs, inputs)).toEqual({
      held: false,
      fault: undefined,
      seen: [
        { ...COUNT, equals: 3, actual: 3, held: true },
        { cell: 'charge', pointer: '/order', equals: 'o-1', actual: 'o-1', held: true },
        { cell: 'charge', pointer: '/refund', exists: false, held: true },
        { input: '/mode', not: { in: ['live', 'test'] }, actual: 'live', held: false },
      ],
    });
  });
});

describe('a check that cannot be evaluated', () => {
  const why = 'the output of lost was lost: it has 300000 bytes';
  const withLost = { ...outputs, lost: lostOutput('it has 300000 bytes', 300_000, '{"b": 1}') };

  it.each<[Check, string]>([
    [
      { ...COUNT, equals: '${inputs.absent}' },
      '${inputs.absent} cannot be filled: inputs has no absent',
    ],
    [{ ...COUNT, in: '${inputs.mode}' }, 'in is text, not a list'],
    [{ ...COUNT, atLeast: '${inputs.mode}' }, 'atLeast is text, not a number'],
    [{ cell: 'charge', pointer: '/order', atLeast: 1 }, 'it is text, not a number'],
    [{ cell: 'charge', pointer: '/none', atMost: 1 }, 'it is null, not a number'],
    [{ cell: 'charge', pointer: '/flags', matches: 'new' }, 'it is a list, not text'],
    [{ ...COUNT, matches: '3' }, 'it is a number, not text'],
    [{ input: '/nested', matches: 'a' }, 'it is an object, not text'],
    [{ cell: 'lost', pointer: '/b', exists: true }, why],
    [{ cell: 'lost', pointer: '/b', exists: false }, why],
    [{ cell: 'lost', pointer: '', not: { equals: 1 } }, why],
  ])('%j does not hold, negated or not, and says why', (check, error) => {
    const { cell, pointer, input, ...demand } = check as Record<string, Json>;
    const subject = input === undefined ? { cell, pointer } : { input };
    const negated = 'not' in check ? check : ({ ...subject, not: demand } as Check);
    for (const one of [check, negated]) {
      expect(evaluateChecks([one], withLost, inputs)).toMatchObject({
        held: false,
        fault: error,
        seen: [{ held: false, error }],
      });
    }
  });

  it('since it would take too long, is refused before it begins', () => {
    const text = 'ab'.repeat(25_000);
    const check: Check = { input: '/text', matches: '^[ab]*a[ab]{501}$' };
    expect(evaluateChecks([check], {}, { text })).toMatchObject({
      held: false,
      fault: 'it is too long for its regular expression',
    });
    expect(evaluateChecks([check], {}, { text: text.slice(0, 2_000) }).held).toBe(true);
  });

  it('leaves the verdict open only if no other check is false', () => {
    const unreadable: Check = { ...COUNT, matches: '3' };
    const verdict = (...checks: Check[]) => evaluateChecks(checks, outputs, inputs);
    expect(verdict({ ...COUNT, equals: 3 }, unreadable).fault).toBe('it is a number, not text');
    expect(verdict(unreadable, { ...COUNT, equals: 4 }).fault).toBeUndefined();
    expect(verdict({ ...COUNT, equals: 3 })).toMatchObject({ held: true, fault: undefined });
  });
});
