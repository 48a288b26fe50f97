import { describe, expect, it } from 'vitest';

import { formsOf, SecretHunt, secretOf } from '../../../../tools/chaos/secret-hunt.ts';

const SECRET = secretOf(7);

/** What programs write when they write a secret. */
const WRITTEN: [string, string][] = [
  ['itself', `Bearer ${SECRET}`],
  ['JSON', JSON.stringify({ token: SECRET })],
  ['JSON in JSON', JSON.stringify({ text: JSON.stringify({ token: SECRET }) })],
  ['a URL', `https://x/?token=${encodeURIComponent(SECRET)}&more`],
  ['a form', new URLSearchParams({ a: 'b', token: SECRET }).toString()],
  ...['', 'a:', 'ab:', 'user:', 'ab'].flatMap((before): [string, string][] => [
    [`base64 after "${before}"`, Buffer.from(`${before}${SECRET} and more`).toString('base64')],
    [`base64url after "${before}"`, Buffer.from(`${before}${SECRET}`).toString('base64url')],
  ]),
  ['its first half', `…${SECRET.slice(0, 14)}`],
];

describe('the hunt for a secret', () => {
  it.each(WRITTEN)('finds it as %s', (_how, text) => {
    const hunt = new SecretHunt(SECRET);
    hunt.look('a row', `before ${text} after`);
    expect(hunt.finds).toMatchObject([{ where: 'a row' }]);
    expect(hunt.searched.get('a row')).toBeGreaterThan(text.length);
  });

  it('finds nothing where it was replaced', () => {
    const hunt = new SecretHunt(SECRET);
    hunt.look('a row', '{"token": "[secret LIVES]"}');
    expect(hunt.finds).toEqual([]);
  });

  it('knows forms that differ, and none that would be found anywhere', () => {
    for (const [, form] of formsOf(SECRET)) expect(form.length).toBeGreaterThanOrEqual(12);
    expect(new Set(formsOf(SECRET).values()).size).toBeGreaterThan(10);
  });
});
