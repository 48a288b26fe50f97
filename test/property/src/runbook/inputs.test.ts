import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { isMultipleOf } from '../../../../src/exact-multiple.ts';
import { sameJson, type Json } from '../../../../src/json.ts';
import { completeInputs } from '../../../../src/runbook/inputs.ts';

const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;
const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,6}$/).filter((text) => text !== '__proto__');

describe('typed inputs', () => {
  it('are completed once: completing what was completed changes nothing', () => {
    const declared = fc.dictionary(name, fc.record({ default: json }, { requiredKeys: [] }));
    fc.assert(
      fc.property(declared, fc.dictionary(name, json), (schemas, given) => {
        const once = completeInputs(schemas, given);
        if (!once.ok) return;
        expect(completeInputs(schemas, once.inputs)).toEqual(once);
        expect(Object.keys(once.inputs).sort()).toEqual(Object.keys(schemas).sort());
      }),
    );
  });

  it('find an element that occurs twice as comparing all pairs does', () => {
    fc.assert(
      fc.property(fc.array(json, { maxLength: 6 }), (list) => {
        const repeats = list.some((a, i) => list.some((b, j) => i < j && sameJson(a, b)));
        expect(completeInputs({ x: { uniqueItems: true } }, { x: list }).ok).toBe(!repeats);
      }),
    );
  });
});

describe('a multiple', () => {
  it('of a decimal number is found, and one that is off by a digit is not', () => {
    const digits = fc.integer({ min: 1, max: 9_999 });
    fc.assert(
      fc.property(digits, fc.integer({ min: 0, max: 8 }), digits, (base, places, factor) => {
        const divisor = Number(`${base}e-${places}`);
        expect(isMultipleOf(Number(`${base * factor}e-${places}`), divisor)).toBe(true);
        const next = Number(`${base * factor + 1}e-${places}`);
        expect(isMultipleOf(next, divisor)).toBe(base === 1);
      }),
    );
  });
});
