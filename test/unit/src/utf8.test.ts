import { expect, it } from 'vitest';

import { decodeUtf8, notUtf8Text } from '../../../src/utf8.ts';

const bytes = (...parts: (string | number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string)));

it('UTF-8 is decoded, without its byte-order mark', () => {
  expect(decodeUtf8(bytes([0xef, 0xbb, 0xbf], 'a: ü😀\n'))).toEqual({ ok: true, text: 'a: ü😀\n' });
  expect(decodeUtf8(bytes('\uFFFD'))).toEqual({ ok: true, text: '\uFFFD' });
  expect(decodeUtf8(bytes())).toEqual({ ok: true, text: '' });
});

it.each<[string, Buffer, { line: number; column: number; byte: number }]>([
  ['Latin-1', bytes('a\nü: k', [0xe4], 'se'), { line: 2, column: 5, byte: 0xe4 }],
  [
    'a sequence that breaks off',
    bytes('ab', [0xe2, 0x82], 'c'),
    { line: 1, column: 3, byte: 0xe2 },
  ],
  [
    'a sequence that ends with the file',
    bytes('a\n', [0xf0, 0x9f]),
    { line: 2, column: 1, byte: 0xf0 },
  ],
  ['a stray continuation', bytes([0x80]), { line: 1, column: 1, byte: 0x80 }],
  ['half a surrogate pair', bytes('x', [0xed, 0xa0, 0x80]), { line: 1, column: 2, byte: 0xed }],
  ['UTF-16', bytes([0xff, 0xfe], 'a\0'), { line: 1, column: 1, byte: 0xff }],
  [
    'a fault after a mark',
    bytes([0xef, 0xbb, 0xbf], 'é', [0xff]),
    { line: 1, column: 2, byte: 0xff },
  ],
  [
    'a fault far into the file',
    bytes('x\n'.repeat(70_000), 'ab', [0xc0]),
    { line: 70_001, column: 3, byte: 0xc0 },
  ],
])('%s is reported where it is', (_, file, position) => {
  expect(decodeUtf8(file)).toEqual({ ok: false, ...position });
});

it('the report names the byte and its place', () => {
  expect(notUtf8Text({ line: 2, column: 5, byte: 0x0e })).toBe(
    'is not UTF-8: byte 0x0E at line 2, column 5 begins no character; save the file as UTF-8',
  );
});
