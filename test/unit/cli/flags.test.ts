import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import {
  countFlag,
  durationFlag,
  idFlag,
  inputFlag,
  jsonFlag,
  jsonObjectFlag,
} from '../../../cli/flags.ts';
import { defaultAgentId } from '../../../cli/shared-options.ts';

describe('flags', () => {
  it('read durations as milliseconds', () => {
    expect(['200ms', '30s', '5m', '1h'].map(durationFlag)).toEqual([
      200, 30_000, 300_000, 3_600_000,
    ]);
    expect(() => durationFlag('30')).toThrow(/such as 200ms/);
  });

  it('keep inputs as text, unless := says that they are JSON', () => {
    const inputs = inputFlag(
      'count:=3',
      inputFlag('list:=[1]', inputFlag('url=http://a?b=c', inputFlag('order=007'))),
    );
    expect(inputs).toEqual({ order: '007', url: 'http://a?b=c', list: [1], count: 3 });
    expect(inputFlag('empty=')).toEqual({ empty: '' });
    expect(() => inputFlag('nothing')).toThrow(/NAME=TEXT/);
    expect(() => inputFlag('x:=oops')).toThrow(/must be JSON/);
  });

  it('keep an input that is named like a property of every object', () => {
    expect(Object.entries(inputFlag('constructor=x'))).toEqual([['constructor', 'x']]);
  });

  it('read JSON from a file after an @', () => {
    const dir = mkdtempSync(join(tmpdir(), 'leasehold-flags-'));
    try {
      writeFileSync(join(dir, 'x.json'), '{"a": 1}');
      expect(jsonObjectFlag(`@${join(dir, 'x.json')}`)).toEqual({ a: 1 });
      expect(() => jsonFlag(`@${join(dir, 'y.json')}`)).toThrow(/cannot be read/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('reject a number in JSON that would be changed, and say where it is', () => {
    const message =
      /^The number 12345678901234567890 at \/order\/0 cannot be kept exactly; send it as text: "12345678901234567890"\.$/;
    const text = '{"order": [12345678901234567890]}';
    expect(() => jsonObjectFlag(text)).toThrow(message);
    expect(() => inputFlag(`x:=${text}`)).toThrow(message);
    expect(() => inputFlag('x:=1e400')).toThrow(/^The number 1e400 cannot be kept/);
    expect(inputFlag('x=12345678901234567890')).toEqual({ x: '12345678901234567890' });
    expect(jsonFlag('[1.10, 9007199254740992]')).toEqual([1.1, 9_007_199_254_740_992]);
  });

  it('read a JSON file past a byte-order mark, and reject one that is not UTF-8', () => {
    const dir = mkdtempSync(join(tmpdir(), 'leasehold-flags-'));
    try {
      writeFileSync(join(dir, 'mark.json'), '\uFEFF{"a": 1}');
      expect(jsonFlag(`@${join(dir, 'mark.json')}`)).toEqual({ a: 1 });
      writeFileSync(join(dir, 'latin1.json'), Buffer.from('{\n"a": "ä"}', 'latin1'));
      expect(() => jsonFlag(`@${join(dir, 'latin1.json')}`)).toThrow(
        /^The file is not UTF-8: byte 0xE4 at line 2, column 7 /,
      );
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('refuse what is not a number or an id', () => {
    for (const text of ['0', '-1', '1.5', '1e3', '', 'x', '9999999999'])
      expect(() => countFlag(text)).toThrow(/whole number/);
    for (const text of ['', 'a b', 'a.b', '*', 'x'.repeat(129)])
      expect(() => idFlag(text)).toThrow(/1 to 128 characters/);
  });

  it('name an agent after its user, whatever the user is called', () => {
    expect(defaultAgentId('anna')).toBe('cli-anna');
    expect(idFlag(defaultAgentId('DOMAIN\\anna müller'))).toBe('cli-DOMAIN-anna-m-ller');
    expect(defaultAgentId('')).toBe('cli-user');
    expect(idFlag(defaultAgentId('x'.repeat(200)))).toHaveLength(104);
  });
});
