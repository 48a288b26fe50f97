import { describe, expect, it } from 'vitest';

import { exactNumber, isExact } from '../../../src/exact-number.ts';
import { parseJsonText } from '../../../src/json-text.ts';

describe('a decimal number', () => {
  it.each([
    ['0', '-0', '0.000', '0e999', '-0.0e-5'],
    ['1.10', '0.1', '100', '1e5', '1E+5', '1e23', '12.50'],
    ['9007199254740992', '9007199254740994', '1000000000000000000000', '5e-324'],
    ['.5', '5.', '+5', '007'], // as YAML writes them
  ])('such as %s, %s, %s is exact', (...sources) => {
    for (const source of sources) expect([source, isExact(source)]).toEqual([source, true]);
  });

  it.each([
    ['12345678901234567890', '9007199254740993', '-9007199254740993'],
    ['1e400', '-1e400', '1234e567', '1e-400', '3e-324'],
    ['0.10000000000000000555', '1.00000000000000000001', '0.1234567890123456789'],
    ['', '.', 'e5', '0x10', 'NaN', 'Infinity', '1 2'],
  ])('such as %s, %s, %s is not', (...sources) => {
    for (const source of sources) expect([source, isExact(source)]).toEqual([source, false]);
  });

  it('of any length is judged quickly', () => {
    const zeros = '0'.repeat(200_000);
    const startMs = performance.now();
    expect(isExact(`1${zeros}`)).toBe(false);
    expect(isExact(`1.${zeros}`)).toBe(true);
    expect(isExact(`0.${zeros}1`)).toBe(false);
    expect(isExact(`1.${'01'.repeat(100_000)}`)).toBe(false);
    expect(performance.now() - startMs).toBeLessThan(1_000);
  });
});

describe('a BigInt', () => {
  it('becomes a number only with the same value', () => {
    expect(exactNumber(5n)).toBe(5);
    expect(exactNumber(10n ** 21n)).toBe(1e21);
    expect(exactNumber(2n ** 53n + 1n)).toBeUndefined();
    expect(exactNumber(10n ** 400n)).toBeUndefined();
  });
});

describe('a JSON text', () => {
  it('keeps a number that JavaScript would change as text, and says where', () => {
    const text = '{"a/b": [1.10, {"~": 12345678901234567890}], "c": 1e400, "d": "1e400"}';
    expect(parseJsonText(text)).toEqual({
      value: { 'a/b': [1.1, { '~': '12345678901234567890' }], c: '1e400', d: '1e400' },
      inexact: [
        { path: ['a/b', '1', '~'], source: '12345678901234567890' },
        { path: ['c'], source: '1e400' },
      ],
    });
  });

  it('may be nothing but such a number', () => {
    expect(parseJsonText(' 12345678901234567890 ')).toEqual({
      value: '12345678901234567890',
      inexact: [{ path: [], source: '12345678901234567890' }],
    });
  });

  it('is otherwise what JSON.parse makes of it, with __proto__ and with keys that repeat', () => {
    for (const text of [
      '{"__proto__": {"a": 1e100}, "a": 2}',
      '{"__proto__": 1e100}',
      '{"a": 1e100, "a": 2}',
      '{"a": 1, "a": {"b": 1e100}, "toString": 1e100}',
    ]) {
      const { value, inexact } = parseJsonText(text);
      expect(inexact).toEqual([]);
      expect(JSON.stringify(value)).toBe(JSON.stringify(JSON.parse(text)));
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    }
  });

  it('loses no number behind a key __proto__', () => {
    const text = '{"__proto__": {"a": 12345678901234567890, "__proto__": [1e400]}}';
    const { value, inexact } = parseJsonText(text);
    expect(JSON.stringify(value)).toBe(
      '{"__proto__":{"a":"12345678901234567890","__proto__":["1e400"]}}',
    );
    expect(inexact).toHaveLength(2);
  });

  it.each(['1e-400', '-1.5E+0400', '1234567890.123456789', '123456789012345e295', '1e00000400'])(
    '%s is found wherever a number may stand',
    (number) => {
      for (const text of [number, ` ${number}`, `[${number}]`, `[1,${number}]`, `{"a":${number}}`])
        expect([text, parseJsonText(text).inexact.length]).toEqual([text, 1]);
    },
  );

  it('that is not JSON, or nests hopelessly, is a SyntaxError', () => {
    expect(() => parseJsonText('{"a": 01}')).toThrow(SyntaxError);
    expect(() => parseJsonText(`${'['.repeat(200_000)}1e400${']'.repeat(200_000)}`)).toThrow(
      SyntaxError,
    );
  });
});
