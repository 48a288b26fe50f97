import { execFileSync } from 'node:child_process';

import { describe, expect, it } from 'vitest';

import { shellCommand, shellQuote, suggestion } from '../../../src/shell-quote.ts';

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

  it.each([
    'two\nlines',
    "tab\tand 'quote'\\",
    'escape \u001b[31m',
    '-n\t100%s \\n',
    'next line \u0085 and ü',
  ])('prints %j without control characters, and every shell makes them', (word) => {
    const quoted = shellQuote(word);
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    expect(quoted).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    for (const shell of ['sh', 'bash']) {
      const printed = execFileSync(shell, ['-c', `printf %s ${quoted}`], { encoding: 'utf8' });
      expect({ shell, printed }).toEqual({ shell, printed: word });
    }
  });

  it.each([
    [['refund-7'], ['--wait'], 'leasehold advance refund-7 --wait'],
    [['-7'], ['--wait'], 'leasehold advance --wait -- -7'],
    [['--help'], [], 'leasehold advance -- --help'],
  ])('suggests %j with %j so that no argument is read as a flag', (args, flags, line) => {
    expect(suggestion('advance', args, flags)).toBe(line);
  });
});
