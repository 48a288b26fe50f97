import { chmodSync, chownSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { readdir, rm, rmdir, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { isReachable, type MachineUser } from '../../src/reachable.ts';
import { messageOf } from './invocation.ts';

/** Where commands get a folder for their output file: TMPDIR, or the system's. */
export function temporaryDirectory(): string {
  return tmpdir();
}

/**
 * Makes a folder for one command.
 *
 * @throws the system's error
 */
export function makeTemporaryFolder(): string {
  return mkdtempSync(join(temporaryDirectory(), 'leasehold-'));
}

/**
 * Lets another user's command write in its folder. The folder stays the replica's, and the user's
 * group may write in it. So that user cannot put something else in its place, such as a link to a
 * file that only the replica can read.
 *
 * @throws the system's error
 */
export function giveTo(folder: string, user: MachineUser): void {
  chownSync(folder, process.getuid?.() ?? 0, user.gid);
  chmodSync(folder, 0o770);
}

/**
 * Writes to a folder: only that shows a full or read-only disk. Nothing is left in it.
 *
 * @throws the system's error
 */
export function tryOut(folder: string): void {
  const file = join(folder, 'tried');
  writeFileSync(file, '{}');
  unlinkSync(file);
}

/**
 * Removes the folder of a command that has ended. What cannot be removed is left to the system's
 * cleanup: the command's outcome stands.
 *
 * With another user's folder it does not descend into directories, because that user may still put
 * a link in the place of one and so choose what is removed.
 */
export async function removeTemporaryFolder(
  folder: string,
  user: MachineUser | undefined,
): Promise<void> {
  try {
    if (user === undefined) {
      await rm(folder, { recursive: true, force: true });
      return;
    }
    for (const name of await readdir(folder))
      await unlink(join(folder, name)).catch(() => undefined);
    await rmdir(folder);
  } catch {
    // The disk may have failed, or the command left a directory.
  }
}

/**
 * Why no command can be run, because its folder cannot be made, written to, or entered by the user
 * of commands; undefined when it can. Tried out, because only that shows a full or read-only disk.
 * Synchronous: it takes a tenth of a millisecond, and a command takes many.
 *
 * @param keep takes the folder that was made for this; default: it is removed
 */
export function temporaryDirectoryProblem(
  user?: MachineUser,
  keep: (folder: string) => void = removeNow,
): string | undefined {
  const directory = temporaryDirectory();
  if (user !== undefined && !isReachable(directory, user, 'enter'))
    return (
      `the temporary directory ${directory} cannot be entered by the user of ` +
      `LEASEHOLD_COMMAND_USER (user id ${user.uid}): name another one in TMPDIR`
    );
  let folder: string | undefined;
  try {
    folder = makeTemporaryFolder();
    tryOut(folder);
    keep(folder);
    return undefined;
  } catch (error) {
    if (folder !== undefined) removeNow(folder);
    return (
      `the temporary directory ${directory} cannot be used (${messageOf(error)}): ` +
      'make room in it, or name another one in TMPDIR'
    );
  }
}

/** Removes a folder that no command has used. What cannot be removed is left to the system. */
export function removeNow(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // The disk may have failed in between; the next command finds out.
  }
}
