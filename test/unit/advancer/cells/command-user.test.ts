import { chmod, chown, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { commandUserProblem } from '../../../../advancer/cells/command-user.ts';
import {
  giveTo,
  makeTemporaryFolder,
  removeTemporaryFolder,
  temporaryDirectoryProblem,
} from '../../../../advancer/cells/temporary-directory.ts';
import { readOutputFile } from '../../../../advancer/cells/output-file.ts';
import type { CellOutcome } from '../../../../advancer/cells/cells.ts';
import { NO_REDACTION } from '../../../../advancer/secrets/redaction.ts';
import { systemClock } from '../../../../src/time/clock.ts';
import { run, runnerWith } from './fixture.ts';

/** Not the user of any server, so that the test owns every process of it. */
const USER = { uid: 54_321, gid: 54_322, home: '/home/commands' };
const isRoot = process.geteuid?.() === 0;

function sh(script: string, options = {}): Promise<CellOutcome> {
  const exec = { command: ['sh', '-c', script] };
  return run({ exec }, { commandUser: USER, ...options });
}

const textOf = (outcome: CellOutcome): string =>
  (outcome as { output?: { stdout: string } }).output?.stdout ?? '';

// Only root can start processes as other users.
describe.skipIf(!isRoot)('a command that runs as another user', () => {
  const tmp = process.env['TMPDIR'];
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leasehold-user-'));
    await chmod(folder, 0o755);
    process.env['TMPDIR'] = folder;
  });
  afterEach(() => {
    process.env['TMPDIR'] = folder;
  });
  afterAll(async () => {
    if (tmp === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = tmp;
    await rm(folder, { recursive: true });
  });

  it('has that user, its group, no other groups, and its home', async () => {
    const seen = textOf(await sh('id -u; id -g; id -G; echo $HOME'));
    expect(seen.trim().split('\n')).toEqual(['54321', '54322', '54322', '/home/commands']);
  });

  it('cannot read the environment of the replica, or what only the replica may read', async () => {
    const secret = join(folder, 'secret');
    await writeFile(secret, 'secret', { mode: 0o600 });
    const script = `cat /proc/$PPID/environ; cat ${secret}`;
    expect(await sh(script)).toMatchObject({
      kind: 'failed',
      output: { stdout: '' },
      detail: { stderr: expect.stringMatching(/environ.*denied[^]*secret.*denied/) as string },
    });
    const asRoot = await run({ exec: { command: ['sh', '-c', script] } });
    expect(asRoot).toMatchObject({ kind: 'completed' });
    expect(textOf(asRoot)).toContain('PATH=');
  });

  it('writes its output file, in place or by renaming another onto it, and leaves nothing', async () => {
    expect(await sh('echo \'{"a": 1}\' > "$LEASEHOLD_OUTPUT_FILE"')).toMatchObject({
      kind: 'completed',
      output: { a: 1 },
    });
    const renamed = 'cd "$(dirname "$LEASEHOLD_OUTPUT_FILE")"; echo [2] > new; mv new output.json';
    expect(await sh(renamed)).toMatchObject({ kind: 'completed', output: [2] });
    expect(await sh('true')).toMatchObject({ output: { stdout: '' } });
    expect(readdirSync(folder).filter((name) => name.startsWith('leasehold-'))).toEqual([]);
  });

  it('gets nothing read through a link in the place of its output file', async () => {
    const secret = join(folder, 'secret.json');
    await writeFile(secret, '{"secret": true}', { mode: 0o600 });
    expect(await sh(`ln -s ${secret} "$LEASEHOLD_OUTPUT_FILE"`)).toMatchObject({
      output: { outputLost: { why: expect.stringContaining('is not a regular file') as string } },
    });
    // A link to a file of another user, where the system permits hard links to it.
    const how = {
      mode: undefined,
      limitBytes: 1_000,
      redaction: NO_REDACTION,
      clock: systemClock,
      ownerUid: USER.uid,
    };
    expect(await readOutputFile(secret, how)).toMatchObject({
      output: { outputLost: { why: expect.stringContaining('belongs to another user') as string } },
    });
  });

  it('cannot put another directory in the place of its folder', async () => {
    const script = 'd="$(dirname "$LEASEHOLD_OUTPUT_FILE")"; mv "$d" "$d-moved"';
    expect(await sh(script)).toMatchObject({
      kind: 'failed',
      detail: { stderr: expect.stringMatching(/denied|not permitted/i) as string },
    });
  });

  it('cannot choose what is removed after it: a directory in its folder is left alone', async () => {
    const target = join(folder, 'target');
    await mkdir(target);
    await writeFile(join(target, 'kept'), '');
    const made = makeTemporaryFolder();
    giveTo(made, USER);
    await symlink(target, join(made, 'link'));
    await mkdir(join(made, 'directory'));
    await chown(join(made, 'directory'), USER.uid, USER.gid);
    await removeTemporaryFolder(made, USER);
    expect(existsSync(join(target, 'kept'))).toBe(true);
    expect(readdirSync(made)).toEqual(['directory']);
    await rm(made, { recursive: true });
  });

  it('is not begun where that user cannot enter the temporary directory', async () => {
    const closed = join(folder, 'closed');
    await mkdir(join(closed, 'tmp'), { recursive: true });
    await chmod(closed, 0o700);
    process.env['TMPDIR'] = join(closed, 'tmp');
    expect(temporaryDirectoryProblem()).toBeUndefined();
    expect(temporaryDirectoryProblem(USER)).toBe(
      `the temporary directory ${closed}/tmp cannot be entered by the user of ` +
        'LEASEHOLD_COMMAND_USER (user id 54321): name another one in TMPDIR',
    );
    const runner = runnerWith({ commandUser: USER });
    expect(runner.unfitFor({ command: ['true'] })?.why).toContain('cannot be entered');
  });

  it('can be started by this process, as startup verifies', () => {
    expect(commandUserProblem(USER)).toBeUndefined();
  });
});

describe('a command of the replica’s own user', () => {
  it('can read the replica’s environment in /proc: only another user closes that', async () => {
    if (!existsSync('/proc/self/environ')) return;
    const exec = { command: ['sh', '-c', 'cat /proc/$PPID/environ'] };
    expect(textOf(await run({ exec }))).toContain(
      readFileSync('/proc/self/environ', 'utf8').slice(0, 20),
    );
  });
});
