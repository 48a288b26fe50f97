import { execFile } from 'node:child_process';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { isOutOfResources } from '../../../../advancer/cells/invocation.ts';
import { temporaryDirectoryProblem } from '../../../../advancer/cells/temporary-directory.ts';
import { attempt, cell, CONTEXT, Folder, run, runnerWith } from './fixture.ts';

const RUNNER = new URL('../../../../advancer/cells/runner.ts', import.meta.url).href;
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

describe('the folder with which the temporary directory is tried out', () => {
  const printsFolder = {
    command: [
      'node',
      '-e',
      `console.log(require("node:path").dirname(process.env.LEASEHOLD_OUTPUT_FILE))`,
    ],
  };

  it('serves the command, and is empty; nothing is left', async () => {
    const folder = await Folder.make();
    vi.stubEnv('TMPDIR', folder.path);
    const runner = runnerWith();
    expect(runner.unfitFor(printsFolder)).toBeUndefined();
    // Checked again for another instance: still one folder.
    expect(runner.unfitFor(printsFolder)).toBeUndefined();
    const made = readdirSync(folder.path);
    expect(made).toHaveLength(1);
    expect(readdirSync(folder.file(made[0]!))).toEqual([]);
    const outcomes = await Promise.all(
      [1, 2].map(() => runner.run(cell({ exec: printsFolder }), CONTEXT, attempt().signals)),
    );
    const used = outcomes.map((outcome) => 'output' in outcome && outcome.output);
    // One of them got the folder that was made, the other one a separate one.
    expect(used).toContainEqual({ stdout: `${folder.file(made[0]!)}\n` });
    expect(new Set(used.map((output) => JSON.stringify(output))).size).toBe(2);
    expect(readdirSync(folder.path)).toEqual([]);
    await folder.remove();
  });

  it('is tried out each time, and replaced if it is gone or the directory is another one', async () => {
    const [first, second] = [await Folder.make(), await Folder.make()];
    vi.stubEnv('TMPDIR', first.path);
    const runner = runnerWith();
    expect(runner.unfitFor(printsFolder)).toBeUndefined();
    rmSync(first.file(readdirSync(first.path)[0]!), { recursive: true });
    expect(runner.unfitFor(printsFolder)).toBeUndefined();
    expect(readdirSync(first.path)).toHaveLength(1);
    vi.stubEnv('TMPDIR', second.path);
    expect(runner.unfitFor(printsFolder)).toBeUndefined();
    expect(readdirSync(first.path)).toEqual([]);
    expect(readdirSync(second.path)).toHaveLength(1);
    vi.stubEnv('TMPDIR', '/nowhere/at/all');
    expect(runner.unfitFor(printsFolder)?.why).toContain('ENOENT');
    expect(readdirSync(second.path)).toEqual([]);
    await Promise.all([first.remove(), second.remove()]);
  });

  it('is removed when the process ends before a command has used it', async () => {
    const folder = await Folder.make();
    const script = `
      const { createEffectRunner } = await import(${JSON.stringify(RUNNER)});
      const clock = { monotonicMs: () => 0 };
      createEffectRunner({ clock, handlers: {}, httpAllow: [] }).unfitFor({ command: ['true'] });
      console.log((await import('node:fs')).readdirSync(process.env.TMPDIR).join());
    `;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', script],
      { env: { ...process.env, TMPDIR: folder.path } },
    );
    expect(stdout).toContain('leasehold-');
    expect(readdirSync(folder.path).filter((name) => name.startsWith('leasehold-'))).toEqual([]);
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
