import { constants } from 'node:fs';
import { lstat, open, readdir, type FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

import { HEAD_BYTES, lostOutput } from '../../src/runbook/lost-output.ts';
import type { Clock } from '../../src/time/clock.ts';
import { codeOf, isOutOfResources, messageOf } from './invocation.ts';
import { lost, tooLarge, type ReadOutput } from './output.ts';
import { readBytes, type TextReading } from './text-output.ts';

/** How a command's output is read. */
export interface Reading extends TextReading {
  clock: Clock;
  /** The user that the output file must belong to; undefined: any. */
  ownerUid: number | undefined;
}

const WHAT = 'what the command wrote to LEASEHOLD_OUTPUT_FILE';

/**
 * How often reading the file is tried, and how far apart, while the replica is out of files or its
 * temporary directory is gone: that lies with the replica, and may pass.
 */
const READ_TRIES = 10;
const READ_AGAIN_MS = 100;

/** The output that a command wrote to its output file; undefined if it wrote none. */
export async function readOutputFile(path: string, how: Reading): Promise<ReadOutput | undefined> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await readOnce(path, how);
    } catch (error) {
      const mayPass = isOutOfResources(error) || codeOf(error)['code'] === 'ENOENT';
      if (!mayPass || tries >= READ_TRIES) return unreadable(`cannot be read: ${messageOf(error)}`);
      await how.clock.sleep(READ_AGAIN_MS);
    }
  }
}

/** @throws the system's error, also if the folder of the file is gone */
async function readOnce(path: string, how: Reading): Promise<ReadOutput | undefined> {
  const seen = await lstat(path).catch(async (error: unknown) => {
    if (codeOf(error)['code'] !== 'ENOENT') throw error;
    // The folder itself says that the file is not there. That the folder exists would say less: it
    // may have come back, with the file, since the file was looked for.
    const names = await readdir(dirname(path));
    if (!names.includes(basename(path))) return undefined;
    throw error;
  });
  if (seen === undefined) return undefined;
  if (!seen.isFile()) return unreadable('is not a regular file');
  let file: FileHandle | undefined;
  try {
    // What the command left running may replace the file at any moment: no link is followed, and
    // what counts is the file that was opened.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const opened = await file.stat();
    if (!opened.isFile()) return unreadable('is not a regular file');
    if (how.ownerUid !== undefined && opened.uid !== how.ownerUid)
      return unreadable('belongs to another user than the command');
    const { size } = opened;
    const { limitBytes, redaction } = how;
    if (size <= limitBytes) return readBytes(await beginning(file, size), 'file', how);
    const bytes = await beginning(file, HEAD_BYTES + redaction.reach);
    return tooLarge(WHAT, size, limitBytes, redaction.text(bytes.toString('utf8'), true));
  } finally {
    await file?.close();
  }
}

function unreadable(why: string): ReadOutput {
  return lost('not_json', lostOutput(`${WHAT} ${why}`, 0, ''));
}

/** At most this many bytes, from the first one. */
async function beginning(file: FileHandle, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let read = 0;
  while (read < length) {
    const { bytesRead } = await file.read(bytes, read, length - read, read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return bytes.subarray(0, read);
}
