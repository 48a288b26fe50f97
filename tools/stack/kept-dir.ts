import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { errorText } from '../../src/error-text.ts';

/** A directory that cannot keep the data of a stack, and why. */
export class KeptDirError extends Error {
  override readonly name = 'KeptDirError';
}

/**
 * Creates a directory whose data outlives its stack. Returns its whole path.
 *
 * @throws KeptDirError
 */
export async function makeKeptDir(dir: string): Promise<string> {
  const path = resolve(dir);
  try {
    await mkdir(path, { recursive: true });
    return path;
  } catch (cause) {
    const why = `${path} cannot be used (${errorText(cause)})`;
    throw new KeptDirError(`${why}; name a directory that exists or can be created`, { cause });
  }
}

/**
 * Makes the stack of this watchdog the only one that uses the directory. The watchdog's process
 * lives until the last server is gone, even if the stack's own process is killed.
 *
 * @throws KeptDirError if another one uses it
 */
export async function lockKeptDir(dir: string, pid: number): Promise<void> {
  const file = lockFile(dir);
  for (;;) {
    try {
      await writeFile(file, `${pid}\n`, { flag: 'wx' });
      return;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST')
        throw new KeptDirError(
          `${file} cannot be written (${errorText(cause)}); choose a directory that this user may write to`,
          { cause },
        );
    }
    const other = Number(await readFile(file, 'utf8').catch(() => ''));
    if (isAlive(other)) {
      throw new KeptDirError(
        `${dir} is in use by another stack (process ${other}, named in ${file}); stop that one, or choose another directory`,
      );
    }
    await rm(file, { force: true });
  }
}

/** The counterpart of {@link lockKeptDir}. */
export async function unlockKeptDir(dir: string): Promise<void> {
  await rm(lockFile(dir), { force: true });
}

function lockFile(dir: string): string {
  return join(dir, 'stack.pid');
}

function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid < 1) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // It lives and belongs to another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
