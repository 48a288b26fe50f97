import { describe, expect, it } from 'vitest';

import type { JsonObject } from '../../../../src/json.ts';
import { completeInputs, inputProblemsText } from '../../../../src/runbook/inputs.ts';

/** What `completeInputs` says of these inputs, as text. */
function problemsOf(declared: JsonObject, given: JsonObject): string {
  const completed = completeInputs(declared as Record<string, JsonObject>, given);
  return completed.ok ? '' : inputProblemsText(completed.problems);
}

describe('inputs that are declared by name', () => {
  it('are kept as they are', () => {
    expect(completeInputs(['a'], { a: null })).toEqual({ ok: true, inputs: { a: null } });
  });

  it('must all be there, and no others', () => {
    expect(completeInputs(['a', 'b'], { a: 1, c: 1, constructor: 1 })).toEqual({
      ok: false,
      problems: [
        {
          field: 'inputs',
          message: 'missing b, unknown c, constructor; the runbook declares a, b',
        },
      ],
    });
  });
});

describe('inputs that are declared by schema', () => {
  const declared = {
    service: { type: 'string', pattern: '^[a-z-]+$' },
    regions: { type: 'array', items: { type: 'string' }, uniqueItems: true, default: ['eu'] },
    count: { type: 'integer', minimum: 1, default: 1 },
    note: { default: null },
  };

  it('get the defaults of those that were left out', () => {
    expect(completeInputs(declared, { service: 'web', count: 5 })).toEqual({
      ok: true,
      inputs: { service: 'web', regions: ['eu'], count: 5, note: null },
    });
  });

  it('are the same whether a default is left out or given', () => {
    const given = { service: 'web', regions: ['eu'], count: 1, note: null };
    expect(completeInputs(declared, given)).toEqual(completeInputs(declared, { service: 'web' }));
  });

  it('report every problem by field', () => {
    const given = { regions: [5, 'a', 'a', null], count: 0, serivce: 'web' };
    expect(problemsOf(declared, given)).toBe(
      'inputs.service: is required; inputs.regions.0: must be text; inputs.regions.3: must be text; ' +
        'inputs.regions: must not have an element twice; inputs.count: must be at least 1; ' +
        'inputs.serivce: is not declared (inputs: service, regions, count, note); did you mean service?',
    );
  });

  it('name at most 20 that are not declared', () => {
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`x${i}`, 1]));
    const completed = completeInputs({}, many);
    expect(completed.ok ? [] : completed.problems).toHaveLength(21);
    expect(problemsOf({}, many)).toContain('inputs: 30 more are not declared');
  });

  it('of a large value report the first problem, of a small one all', () => {
    const schema = { list: { type: 'array', items: { type: 'string' } } };
    const list = (length: number) => ({ list: Array.from({ length }, () => 1) });
    expect(problemsOf(schema, list(3)).split('; ')).toHaveLength(3);
    expect(problemsOf(schema, list(30)).split('; ')).toHaveLength(20);
    expect(problemsOf(schema, list(30))).toContain('inputs.list: has 11 more problems');
    expect(problemsOf(schema, list(100_000))).toBe('inputs.list.0: must be text');
  });

  it.each<[string, JsonObject, JsonObject[string], string]>([
    ['type', { type: ['string', 'null'] }, 5, 'must be text or null'],
    ['integer', { type: 'integer' }, 1.5, 'must be a whole number'],
    ['enum', { enum: ['a', 1] }, 'b', 'must be one of "a", 1'],
    ['const', { const: { a: 1 } }, 5, 'must be {"a":1}'],
    ['maximum', { maximum: 3 }, 4, 'must be at most 3'],
    ['exclusiveMinimum', { exclusiveMinimum: 3 }, 3, 'must be more than 3'],
    ['exclusiveMaximum', { exclusiveMaximum: 3 }, 3, 'must be less than 3'],
    ['multipleOf', { multipleOf: 0.01 }, 1.005, 'must be a multiple of 0.01'],
    ['minLength', { minLength: 1 }, '', 'must have at least 1 character'],
    ['maxLength', { maxLength: 2 }, 'abc', 'must have at most 2 characters'],
    ['pattern', { pattern: '^a' }, 'ba', 'must match ^a'],
    ['format', { format: 'date-time' }, '2030-02-30T00:00:00Z', 'must be a valid date-time'],
    ['minItems', { minItems: 2 }, [], 'must have at least 2 elements'],
    ['maxItems', { maxItems: 1 }, [1, 2], 'must have at most 1 element'],
    ['contains', { contains: { const: 1 } }, [2], 'must have an element that fits contains'],
    ['minProperties', { minProperties: 1 }, {}, 'must have at least 1 field'],
    ['maxProperties', { maxProperties: 0 }, { a: 1 }, 'must have at most 0 fields'],
    ['not', { not: { type: 'null' } }, null, 'is a value that its schema excludes'],
    ['false', { properties: { a: false } }, { a: 1 }, '.a: is not allowed'],
    ['required', { required: ['a'] }, {}, '.a: is required'],
    ['a prototype member', { required: ['constructor'] }, {}, '.constructor: is required'],
    ['additionalProperties', { additionalProperties: false }, { a: 1 }, '.a: is not a field here'],
    [
      'unevaluatedProperties',
      { allOf: [{ properties: { a: true } }], unevaluatedProperties: false },
      { a: 1, b: 1 },
      '.b: is not a field here',
    ],
    [
      'dependentRequired',
      { dependentRequired: { a: ['b'] } },
      { a: 1 },
      '.b: is required where there is a',
    ],
    [
      'propertyNames',
      { propertyNames: { maxLength: 1 } },
      { ab: 1 },
      '.ab: is not a name that fits',
    ],
    // oxlint-disable-next-line unicorn/no-thenable -- a schema, never awaited
    ['then', { if: { const: 1 }, then: { const: 2 } }, 1, 'must be 2'],
    [
      'anyOf',
      { anyOf: [{ type: 'string' }, { type: 'object', required: ['a'] }] },
      5,
      'fits none of the alternatives: it must be text, or must be an object',
    ],
    [
      'oneOf',
      { oneOf: [{ type: 'number' }, { const: 1 }] },
      1,
      'fits more than one of the alternatives',
    ],
    ['$ref', { $ref: '#/$defs/a', $defs: { a: { type: 'string' } } }, 5, 'must be text'],
  ])('say what does not fit: %s', (_, schema, value, text) => {
    expect(problemsOf({ x: schema }, { x: value })).toContain(
      text.startsWith('.') ? `inputs.x${text}` : `inputs.x: ${text}`,
    );
  });

  it.each<[JsonObject, JsonObject[string]]>([
    [{ multipleOf: 0.01 }, 1.1],
    [{ multipleOf: 0.1 }, 1e300],
    [{ multipleOf: 1e-7 }, 3e-7],
    [{ uniqueItems: true }, [1, '1', [1], { a: 1 }]],
    [{ uniqueItems: false }, [1, 1]],
    [{ format: 'email' }, 'a@b.example'],
    [{ format: 'uri' }, 'https://a.example/x?y'],
    [{ format: 'uuid' }, '00000000-0000-4000-8000-000000000000'],
    [{ format: 'date' }, '2028-02-29'],
    [{ format: 'time' }, '09:00:00+01:00'],
    [{ format: 'ipv6' }, '::1'],
    [{ format: 'hostname' }, 'a-b.example'],
    [{ patternProperties: { '^x': { type: 'string' } } }, { xa: 'a', y: 1 }],
  ])('accept what fits %j: %j', (schema, value) => {
    expect(problemsOf({ x: schema }, { x: value })).toBe('');
  });
});

describe('an agent cannot make validation slow', () => {
  /** How long it takes, in milliseconds. */
  function timeOf(schema: JsonObject, value: JsonObject[string]): number {
    problemsOf({ x: schema }, { x: null });
    const start = performance.now();
    problemsOf({ x: schema }, { x: value });
    return performance.now() - start;
  }

  it('by many texts, each short enough for its expression', () => {
    const schema = { items: { pattern: '^[ab]*a[ab]{501}$' } };
    const texts = Array.from({ length: 200 }, () => 'ab'.repeat(5_000));
    expect(timeOf(schema, texts)).toBeLessThan(5_000);
    expect(problemsOf({ x: schema }, { x: texts })).toBe(
      'inputs.x: has too much text for the regular expressions of its schema',
    );
    expect(problemsOf({ x: schema }, { x: texts.slice(0, 1) })).toBe('');
  });

  it.each<[string, JsonObject, JsonObject[string]]>([
    ['a text that makes others backtrack', { pattern: '^(a|a)*$' }, `${'a'.repeat(200_000)}b`],
    ['nested repetitions', { pattern: '^((a+)+)+$' }, `${'a'.repeat(200_000)}b`],
    [
      'a list of objects that must differ',
      { uniqueItems: true },
      Array.from({ length: 50_000 }, (_, i) => ({ id: i, a: { b: 'x' } })),
    ],
    [
      'names that are matched',
      { patternProperties: { '(x+x+)+y': true } },
      { ['x'.repeat(100_000)]: 1 },
    ],
    ['a long email', { format: 'email' }, 'a@'.repeat(100_000)],
    ['a long host name', { format: 'hostname' }, 'a-'.repeat(100_000)],
    ['a long number', { multipleOf: 5e-324 }, 1.7e308],
  ])('by %s', (_, schema, value) => {
    expect(timeOf(schema, value)).toBeLessThan(2_000);
  });
});
