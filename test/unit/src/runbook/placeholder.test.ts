import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Json, JsonObject } from '../../../../src/json.ts';
import { fill, placeholdersOf } from '../../../../src/runbook/placeholder.ts';

const scope = {
  inputs: {
    order: 'o-1',
    count: 3,
    items: ['a', { name: 'b' }],
    nothing: null,
    sneaky: '${inputs.order}',
  },
  outputs: { charge: { id: 7, deep: { a: true } } },
};

describe('a placeholder', () => {
  it.each<[string, Json, Json]>([
    ['inside text is put in as it is', 'refund-${inputs.order}!', 'refund-o-1!'],
    [
      'of another type is put into text as JSON',
      '${inputs.count}/${outputs.charge}',
      '3/{"id":7,"deep":{"a":true}}',
    ],
    [
      'that stands alone keeps its type',
      ['${inputs.count}', '${outputs.charge.deep}'],
      [3, { a: true }],
    ],
    ['may be null', '${inputs.nothing}', null],
    ['reaches into lists by index', '${inputs.items.1.name}', 'b'],
    [
      'is filled at every depth, keys excepted',
      { '${inputs.order}': [{ a: '${inputs.order}' }] },
      { '${inputs.order}': [{ a: 'o-1' }] },
    ],
    ['that an input brings along is not filled', '${inputs.sneaky}', '${inputs.order}'],
    [
      'is written literally with $${',
      '$${inputs.order} ${inputs.order} $5 $$',
      '${inputs.order} o-1 $5 $$',
    ],
  ])('%s', (_, value, filled) => {
    expect(fill(value, scope)).toEqual({ ok: true, value: filled });
  });

  it.each<[string, string, string]>([
    ['of a missing input', '${inputs.who}', '${inputs.who} cannot be filled: inputs has no who'],
    [
      'of a missing member',
      'x ${outputs.charge.deep.b}',
      '${outputs.charge.deep.b} cannot be filled: outputs.charge.deep has no b',
    ],
    [
      'through a scalar',
      '${inputs.order.length}',
      '${inputs.order.length} cannot be filled: inputs.order has no length',
    ],
    [
      'of a list’s length',
      '${inputs.items.length}',
      '${inputs.items.length} cannot be filled: inputs.items has no length',
    ],
    [
      'of a prototype',
      '${inputs.__proto__}',
      '${inputs.__proto__} cannot be filled: inputs has no __proto__',
    ],
    [
      'of an inherited method',
      '${inputs.toString}',
      '${inputs.toString} cannot be filled: inputs has no toString',
    ],
  ])('%s is an error that names it', (_, value, message) => {
    expect(fill(value, scope)).toEqual({ ok: false, message });
  });

  it.each([
    '${',
    '${}',
    '${inputs}',
    '${inputs.}',
    '${inputs..a}',
    '${env.HOME}',
    '${inputs.a b}',
    '${inputs.${x}}',
    'a${b',
  ])('%s is a syntax error', (text) => {
    expect(fill(text, scope).ok).toBe(false);
    expect(placeholdersOf({ a: [text] })).toEqual([{ at: ['a', 0], fault: expect.any(String) }]);
  });

  it('is found wherever it is', () => {
    expect(placeholdersOf({ a: ['x', '${inputs.b} ${outputs.c.d}'], e: 1 })).toEqual([
      { at: ['a', 1], placeholder: { root: 'inputs', path: ['b'] } },
      { at: ['a', 1], placeholder: { root: 'outputs', path: ['c', 'd'] } },
    ]);
  });
});

describe('for any text', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc
      .array(
        fc.constantFrom(
          '$',
          '{',
          '}',
          '${',
          '$${',
          'inputs',
          '.',
          'a',
          'outputs',
          '0',
          '__proto__',
        ),
      )
      .map((all) => all.join('')),
  );

  const filledTo = (value: Json, inputs: JsonObject, wanted: Json): boolean => {
    const filled = fill(value, { inputs, outputs: {} });
    return filled.ok && JSON.stringify(filled.value) === JSON.stringify(wanted);
  };

  it('escaped text is filled to itself', () => {
    const property = fc.property(text, (original) =>
      filledTo(
        original.replaceAll('${', () => '$${'),
        {},
        original,
      ),
    );
    expect(() => fc.assert(property)).not.toThrow();
  });

  it('filling never throws, and never changes a value without placeholders', () => {
    const value = fc.oneof(text, fc.jsonValue()) as fc.Arbitrary<Json>;
    const property = fc.property(value, (one) => {
      const filled = fill(one, scope);
      return JSON.stringify(one).includes('${')
        ? typeof filled.ok === 'boolean'
        : filledTo(one, {}, one);
    });
    expect(() => fc.assert(property)).not.toThrow();
  });

  it('an input of any text is inserted unchanged, alone and inside text', () => {
    const property = fc.property(
      text,
      (order) =>
        filledTo('${inputs.order}', { order }, order) &&
        filledTo('<${inputs.order}>', { order }, `<${order}>`),
    );
    expect(() => fc.assert(property)).not.toThrow();
  });

  it('an object with the key __proto__ keeps it as a plain key', () => {
    const value = JSON.parse('{"__proto__": {"polluted": "${inputs.order}"}}') as Json;
    const filled = fill(value, scope);
    expect(JSON.stringify(filled.ok && filled.value)).toBe('{"__proto__":{"polluted":"o-1"}}');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
