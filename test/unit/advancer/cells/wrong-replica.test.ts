import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { isOutOfResources } from '../../../../advancer/cells/invocation.ts';
import { temporaryDirectoryProblem } from '../../../../advancer/cells/temporary-directory.ts';
import { Folder, run, runnerWith } from './fixture.ts';

const OUT_OF_FILES = fileURLToPath(new URL('../../../harness/out-of-files.ts', import.meta.url));

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('without a usable temporary directory', () => {
  it('a replica can run no command, which it finds out before the intent', () => {
    expect(runnerWith().unfitFor({ command: ['true'] })).toBeUndefined();
    vi.stubEnv('TMPDIR', '/nowhere/at/all');
    expect(runnerWith().unfitFor({ command: ['true'] })).toEqual({
      why: expect.stringMatching(
        /^the temporary directory \/nowhere\/at\/all cannot be used \(ENOENT.*name another one in TMPDIR/,
      ),
    });
    expect(runnerWith().unfitFor({ http: { method: 'GET', url: 'http://x' } })).toBeUndefined();
  });

  it('a command that comes so far is not begun, and has not failed', async () => {
    vi.stubEnv('TMPDIR', '/nowhere/at/all');
    expect(await run({ exec: { command: ['true'] } })).toMatchObject({
      kind: 'wrong_replica',
      why: expect.stringContaining('/nowhere/at/all'),
      detail: { code: 'ENOENT' },
    });
  });

  it('a file in its place is a problem too', async () => {
    const folder = await Folder.make();
    writeFileSync(folder.file('file'), '');
    vi.stubEnv('TMPDIR', folder.file('file'));
    expect(temporaryDirectoryProblem()).toContain('ENOTDIR');
    await folder.remove();
  });
});

describe('without file descriptors', () => {
  it(
    'a command and an http call are not begun, and have not failed',
    { timeout: 60_000 },
    async () => {
      // Enough to load the modules, which opens many files at once.
      const script = `ulimit -n 1024; exec "$0" --import tsx "$1"`;
      const { stdout } = await promisify(execFile)('bash', [
        '-c',
        script,
        process.execPath,
        OUT_OF_FILES,
      ]);
      expect(JSON.parse(stdout)).toMatchObject({
        unfit: { why: expect.stringContaining('EMFILE') },
        command: { kind: 'wrong_replica', why: expect.stringContaining('EMFILE') },
        http: { kind: 'wrong_replica', why: expect.stringContaining('EMFILE') },
      });
    },
  );
});

it.each(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM'])('%s is a shortage of this replica', (code) => {
  const error = Object.assign(new Error(code), { code });
  expect(isOutOfResources(error)).toBe(true);
  expect(isOutOfResources(new AggregateError([error, error]))).toBe(true);
});

it.each(['ENOENT', 'EACCES', 'ECONNREFUSED', 'EHOSTUNREACH'])('%s is not', (code) => {
  const error = Object.assign(new Error(code), { code });
  expect(isOutOfResources(error)).toBe(false);
  const other = Object.assign(new Error('EMFILE'), { code: 'EMFILE' });
  expect(isOutOfResources(new AggregateError([error, other]))).toBe(false);
});
