import { deflateSync, gzipSync } from 'node:zlib';

import { describe, expect, it } from 'vitest';

import { decodeBody } from '../../../../advancer/cells/content-encoding.ts';

const LIMIT = 1_000;

describe('a body that cannot be decoded', () => {
  const whole = gzipSync('x'.repeat(LIMIT));

  it.each<[string, string, Buffer, string]>([
    [
      'decodes to more than is allowed',
      'gzip',
      gzipSync('x'.repeat(50_000_000)),
      'has more than 1000 bytes once its encoding gzip is undone',
    ],
    ['is cut off', 'gzip', whole.subarray(0, -9), 'says that its encoding is gzip, but is not'],
    [
      'is something else',
      'br',
      Buffer.from('{"a": 1}'),
      'says that its encoding is br, but is not',
    ],
    [
      'is plain',
      'deflate',
      Buffer.from('{"a": 1}'),
      'says that its encoding is deflate, but is not',
    ],
    ['has an unknown encoding', 'zstd', whole, 'has the encoding zstd, which is not supported'],
    [
      'has a name from every object',
      'constructor',
      whole,
      'has the encoding constructor, which is not supported',
    ],
    ['is encoded over and over', 'gzip, gzip, gzip, gzip', whole, 'has more than 3 encodings'],
  ])('because it %s is reported, with the reason', async (_, encodings, body, why) => {
    expect(await decodeBody(body, encodings, LIMIT)).toEqual({ ok: false, why });
  });
});

it('a body of exactly the limit is decoded', async () => {
  const text = 'x'.repeat(LIMIT);
  for (const [encoding, body] of [
    ['gzip', gzipSync(text)],
    ['deflate', deflateSync(text)],
  ] as const)
    expect(await decodeBody(body, encoding, LIMIT)).toEqual({ ok: true, body: Buffer.from(text) });
});

it('a body without an encoding is returned as it is, whatever its size', async () => {
  const body = Buffer.alloc(2 * LIMIT);
  expect(await decodeBody(body, '', LIMIT)).toEqual({ ok: true, body });
});
