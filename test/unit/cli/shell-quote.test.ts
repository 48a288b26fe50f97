import { execFileSync } from 'node:child_process';

import { describe, expect, it } from 'vitest';

import { shellCommand, shellQuote } from '../../../cli/render/shell-quote.ts';

describe('shell quoting', () => {
  it('leaves words alone that a shell does not change', () => {
    expect(shellCommand('leasehold', 'advance', 'refund-7')).toBe('leasehold advance refund-7');
    expect(shellQuote('postgres://app@127.0.0.1:5432/lease')).toBe(
      'postgres://app@127.0.0.1:5432/lease',
    );
  });

  it.each([
    '',
    'two words',
    "it's",
    '$HOME `id` $(id)',
    '{"key":"a","count":1}',
    '~/x',
    '*',
    'a;b&c|d>e',
    'back\\slash',
  ])('gives every shell back the word %j', (word) => {
    const printed = execFileSync('sh', ['-c', `printf %s ${shellQuote(word)}`], {
      encoding: 'utf8',
    });
    expect(printed).toBe(word);
  });

  it.each(['two\nlines', "tab\tand 'quote'\\", 'escape \u001b[31m'])(
    'prints %j without control characters, and bash makes them',
    (word) => {
      const quoted = shellQuote(word);
      // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
      expect(quoted).not.toMatch(/[\u0000-\u001f]/);
      const printed = execFileSync('bash', ['-c', `printf %s ${quoted}`], { encoding: 'utf8' });
      expect(printed).toBe(word);
    },
  );
});
