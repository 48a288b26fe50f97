import { describe, expect, it } from 'vitest';

import { NO_REDACTION, Redaction } from '../../../../advancer/secrets/redaction.ts';
import { formsToPrint, tracesOf } from '../../../harness/secret-hunt.ts';

const SECRETS: Record<string, string> = {
  TOKEN: 'tok_live-51H8x',
  QUOTED: 'a"b\\c/d\'e<f>&g h+i%20j',
  LINES: '-----BEGIN KEY-----\nMIIEvQ+/AD==\r\n\tend\n-----END KEY-----',
  UNICODE: 'pässwörd-日本-🔑',
  DIGITS: '1234567890',
  SLASHES: 'C:\\new\\temp\\"x"\\',
  JSON: '{"type":"account","key":"ab\\ncd"}',
};
const redaction = new Redaction(Object.entries(SECRETS).map(([name, value]) => ({ name, value })));

describe.each(Object.entries(SECRETS))('the secret %s', (name, value) => {
  it.each(Object.entries(formsToPrint(value)))('is found: %s', (_, form) => {
    for (const [before, after] of [
      ['', ''],
      ['{"a": "', '"}'],
      ['the key is ', ' and goes on'],
      ['x\\', '\\n'],
      ['%41', '%41'],
      ['AAAA', 'AAAA'],
    ] as const) {
      const redacted = redaction.text(`${before}${form}${after}`);
      expect(redacted).toContain(`[secret ${name}]`);
      expect(tracesOf({ [name]: value }, [['text', redacted]])).toEqual([]);
    }
  });

  it('is found in an object, its keys and its numbers', () => {
    const redacted = redaction.value({
      [value]: [{ a: value }],
      n: 1234567890,
      ok: [1, true, null],
    });
    expect(tracesOf(SECRETS, [['value', JSON.stringify(redacted)]])).toEqual([]);
    expect(redacted).toMatchObject({ n: '[secret DIGITS]', ok: [1, true, null] });
  });
});

describe('a text', () => {
  it('without a secret stays as it is', () => {
    for (const text of [
      '',
      'tok_live-51H8',
      '\\\\\\"%%%2',
      'dG9rX2xpdmUtNTFIOA',
      JSON.stringify({ a: 'text' }),
    ])
      expect(redaction.text(text)).toBe(text);
  });

  it('keeps what stands around a secret', () => {
    expect(redaction.text('a tok_live-51H8x b tok_live-51H8x.')).toBe(
      'a [secret TOKEN] b [secret TOKEN].',
    );
    expect(redaction.text('?key=tok_live-51H8x&next=1')).toBe('?key=[secret TOKEN]&next=1');
  });

  it('may have half of an encoded character in front of a secret', () => {
    const hex = new Redaction([{ name: 'HEX', value: '41 ab/cd ef' }]);
    for (const form of ['41 ab/cd ef', '41%20ab%2Fcd%20ef', '41+ab%2fcd+ef'])
      for (const before of ['%', '%4', '%C3%', '%C3%a'])
        expect(hex.text(`${before}${form}.`)).toBe(`${before}[secret HEX].`);
  });

  it('has one mark for secrets that overlap, with the name of the longest', () => {
    const both = new Redaction([
      { name: 'SHORT', value: 'password' },
      { name: 'LONG', value: 'my password is' },
      { name: 'NEXT', value: 'is another' },
    ]);
    expect(both.text('> my password is another <')).toBe('> [secret LONG] <');
    expect(both.text('> password <')).toBe('> [secret SHORT] <');
  });

  it('costs nothing where there are no secrets', () => {
    const text = 'x'.repeat(10);
    expect(NO_REDACTION.isEmpty).toBe(true);
    expect(NO_REDACTION.reach).toBe(0);
    expect(NO_REDACTION.text(text)).toBe(text);
    const value = { a: text };
    expect(NO_REDACTION.value(value)).toBe(value);
  });

  it('takes time that grows with its length, and hardly with the number of secrets', () => {
    const many = new Redaction(
      Array.from({ length: 500 }, (_, n) => ({ name: `S${n}`, value: `${n}-secret-${n * 7_919}` })),
    );
    const words = 'the quick "brown" fox \\n jumps %20 over\n';
    const mostMs = (length: number): number => {
      const text = words.repeat(length / words.length);
      const started = performance.now();
      many.text(text);
      return performance.now() - started;
    };
    mostMs(100_000);
    // Quadratic, it would take minutes.
    expect(mostMs(2_000_000)).toBeLessThan(20_000);
    expect(many.text(`${words}321-secret-${321 * 7_919}`)).toBe(`${words}[secret S321]`);
  });
});

describe('a text that is cut off', () => {
  it.each(Object.entries(formsToPrint(SECRETS['QUOTED'] ?? '')))(
    'shows no significant beginning of a secret at its end: %s',
    (_, form) => {
      for (let length = form.length - 1; length > 0; length -= 1) {
        const shown = redaction.text(`text: ${form.slice(0, length)}`, true);
        const beginning = SECRETS['QUOTED']?.slice(0, 7) ?? '';
        expect(tracesOf({ beginning }, [['text', shown]])).toEqual([]);
      }
    },
  );

  it('keeps the beginnings of secrets where it is not cut off', () => {
    expect(redaction.text('it was tok_live-51')).toBe('it was tok_live-51');
    expect(redaction.text('it was tok_live-51', true)).toBe('it was [secret TOKEN]');
    expect(redaction.text('it was tok', true)).toBe('it was tok');
  });

  it('leaves out a character of a secret of which the cut left a part', () => {
    const bytes = Buffer.from(`it was ${SECRETS['UNICODE'] ?? ''}`);
    for (let end = 14; end < bytes.length; end += 1)
      expect(redaction.text(bytes.subarray(0, end).toString('utf8'), true)).toBe(
        'it was [secret UNICODE]',
      );
  });

  it('has no end of a secret at a place where its beginning was cut away', () => {
    const text = 'before tok_live-51H8x after';
    for (let from = 0; from < text.length; from += 1) {
      const shown = redaction.textFrom(text, from, false);
      expect(shown).not.toMatch(/51H8x|H8x/);
      const isInside = from > 7 && from < 21;
      const expected = isInside ? '[secret TOKEN] after' : from < 21 ? shown : text.slice(from);
      expect(shown).toBe(expected);
    }
  });
});

describe('a JSON text', () => {
  it('stays JSON, also where a secret was a number or an object', () => {
    const numbers = `{"a": 1234567890, "b": [-991234567890e5, 1], "c": "1234567890"}`;
    expect(JSON.parse(redaction.jsonText(numbers))).toEqual({
      a: '[secret DIGITS]',
      b: ['-99[secret DIGITS]e5', 1],
      c: '[secret DIGITS]',
    });
    const object = `{"key": ${SECRETS['JSON']}, "n": 1}`;
    expect(JSON.parse(redaction.jsonText(object))).toEqual({ key: '[secret JSON]', n: 1 });
  });

  it('is itself where it has none', () => {
    const text = '{"a": "b"}';
    expect(redaction.jsonText(text)).toBe(text);
  });
});
