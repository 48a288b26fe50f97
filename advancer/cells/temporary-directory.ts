import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
 * Why no command can be run, because its folder cannot be made or written to; undefined when it
 * can. Tried out, because only that shows a full or read-only disk. Synchronous: it takes a tenth
 * of a millisecond, and a command takes many.
 */
export function temporaryDirectoryProblem(): string | undefined {
  let folder: string | undefined;
  try {
    folder = makeTemporaryFolder();
    writeFileSync(join(folder, 'output.json'), '{}');
    return undefined;
  } catch (error) {
    return (
      `the temporary directory ${temporaryDirectory()} cannot be used (${messageOf(error)}): ` +
      'make room in it, or name another one in TMPDIR'
    );
  } finally {
    if (folder !== undefined) removed(folder);
  }
}

/** What cannot be removed is left to the system's cleanup. */
function removed(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // The disk may have failed in between; the next command finds out.
  }
}
