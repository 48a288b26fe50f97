import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { ConfigError, readConfig } from '../../../../src/config/config.ts';
import { unknownVariables } from '../../../../src/config/known-variables.ts';
import { enough } from './config-files.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'leasehold-secrets-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const put = (name: string, content: string | Buffer): void =>
  writeFileSync(join(dir, name), content);

function problems(env: Record<string, string>): readonly string[] {
  try {
    readConfig({ ...enough, ...env });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the variables of secrets', () => {
  it('are read as they are, by name', () => {
    const { secrets, warnings } = readConfig({
      ...enough,
      LEASEHOLD_SECRET_DEPLOY: ' with space ',
      LEASEHOLD_SECRET_db_2: 'exactly8',
    });
    expect(secrets).toEqual({
      dir: undefined,
      variables: { DEPLOY: ' with space ', db_2: 'exactly8' },
    });
    expect(warnings).toEqual([]);
    expect(unknownVariables(['LEASEHOLD_SECRET_X', 'LEASEHOLD_SECRETS_DIR'])).toEqual([]);
  });

  it('that cannot be secrets are all reported, by name, with the fix and without the value', () => {
    const found = problems({
      LEASEHOLD_SECRET_SHORT: 'hunter2',
      LEASEHOLD_SECRET_EMPTY: '',
      LEASEHOLD_SECRET_NUL: 'hunter2\0hunter2',
      LEASEHOLD_SECRET_BLANK: '          ',
      LEASEHOLD_SECRET_BYTES: 'hunter2\ufffdhunter2',
      LEASEHOLD_SECRET_LARGE: 'hunter2'.repeat(4_000),
      'LEASEHOLD_SECRET_a.b': 'hunter2hunter2',
      LEASEHOLD_SECRET_: 'hunter2hunter2',
    });
    expect(found).toEqual([
      expect.stringMatching(
        /^LEASEHOLD_SECRET_SHORT is shorter than 8 bytes, .*; use a longer secret$/,
      ),
      expect.stringMatching(/^LEASEHOLD_SECRET_EMPTY is shorter than 8 bytes/),
      expect.stringMatching(/^LEASEHOLD_SECRET_NUL contains a NUL character, .*base64$/),
      expect.stringMatching(/^LEASEHOLD_SECRET_BLANK is hardly more than white space/),
      expect.stringMatching(/^LEASEHOLD_SECRET_BYTES is not text in UTF-8; use .*base64$/),
      expect.stringMatching(/^LEASEHOLD_SECRET_LARGE has more than 16384 bytes; keep/),
      expect.stringMatching(/^LEASEHOLD_SECRET_a\.b is not the name of a secret: use 1 to 128/),
      expect.stringMatching(/^LEASEHOLD_SECRET_ is not the name of a secret/),
    ]);
    expect(found.join()).not.toContain('hunter2');
  });

  it('count bytes, not characters', () => {
    expect(problems({ LEASEHOLD_SECRET_A: 'äöüß' })).toEqual([]);
    expect(problems({ LEASEHOLD_SECRET_A: 'äöü1' })).toHaveLength(1);
  });

  it('are not passed on to commands by name', () => {
    expect(problems({ LEASEHOLD_COMMAND_ENV: 'TERM,LEASEHOLD_SECRET_DEPLOY' })).toEqual([
      expect.stringMatching(
        /^LEASEHOLD_COMMAND_ENV lists LEASEHOLD_SECRET_DEPLOY, a secret, .*\$\{secrets\.DEPLOY\}/,
      ),
    ]);
  });

  it('have one that is easily mistyped', () => {
    const { warnings } = readConfig({ ...enough, LEASEHOLD_SECRET_DIR: '/run/secrets' });
    expect(warnings).toEqual([
      'LEASEHOLD_SECRET_DIR is read as a secret named DIR; the directory of secrets is LEASEHOLD_SECRETS_DIR',
    ]);
  });
});

describe('the directory of secrets', () => {
  it('may have files, links to files, and files that begin with a dot', () => {
    put('deploy', 'a-secret\n');
    mkdirSync(join(dir, '..data'));
    put('..data/linked', 'another secret');
    symlinkSync(join(dir, '..data/linked'), join(dir, 'linked'));
    put('.hidden', 'x');
    expect(readConfig({ ...enough, LEASEHOLD_SECRETS_DIR: dir }).secrets.dir).toBe(dir);
  });

  it('has its problems reported together, by file', () => {
    put('fine', 'long enough');
    put('short', 'hunter2\n');
    put('nul', 'hunter2\0hunter2');
    put('binary', Buffer.from('hunter2 \xff\xfe hunter2', 'latin1'));
    put('large', 'hunter2'.repeat(4_000));
    put('tls.key', 'hunter2hunter2');
    mkdirSync(join(dir, 'folder'));
    symlinkSync('/nowhere', join(dir, 'gone'));
    put('both', 'hunter2hunter2');
    const found = problems({
      LEASEHOLD_SECRETS_DIR: dir,
      LEASEHOLD_SECRET_both: 'hunter2hunter2',
    });
    expect(found).toEqual([
      expect.stringMatching(/^LEASEHOLD_SECRETS_DIR has binary, which is not text in UTF-8/),
      'LEASEHOLD_SECRETS_DIR has both, which is set by LEASEHOLD_SECRET_both, too; keep one',
      'LEASEHOLD_SECRETS_DIR has folder, which is not a file; move it away',
      expect.stringMatching(/^LEASEHOLD_SECRETS_DIR has gone, which cannot be read: ENOENT/),
      expect.stringMatching(/^LEASEHOLD_SECRETS_DIR has large, which has more than 16384 bytes/),
      expect.stringMatching(/^LEASEHOLD_SECRETS_DIR has nul, which contains a NUL character/),
      expect.stringMatching(/^LEASEHOLD_SECRETS_DIR has short, which is shorter than 8 bytes/),
      expect.stringMatching(/^LEASEHOLD_SECRETS_DIR has tls\.key, which is not the name of a sec/),
    ]);
    expect(found.join()).not.toContain('hunter2');
  });

  it('that cannot be read is named', () => {
    expect(problems({ LEASEHOLD_SECRETS_DIR: join(dir, 'not') })).toEqual([
      expect.stringMatching(/^LEASEHOLD_SECRETS_DIR names a directory that cannot be read: ENOENT/),
    ]);
  });
});
