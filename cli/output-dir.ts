import { accessSync, constants, mkdirSync, mkdtempSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

import { ConfigError } from '../src/config/config-error.ts';
import { errorText } from '../src/error-text.ts';

/**
 * Where a tool's files go: the directory that `--out` names, which is created, or a new temporary
 * one. It is checked before the tool runs, which may take an hour.
 *
 * @throws ConfigError if it cannot be written to
 */
export function outputDir(out: string | undefined, prefix: string): string {
  if (out === undefined) return mkdtempSync(join(tmpdir(), prefix));
  const dir = resolve(out);
  try {
    mkdirSync(dir, { recursive: true });
    accessSync(dir, constants.W_OK);
    return dir;
  } catch (cause) {
    throw new ConfigError([
      `--out: ${dir} cannot be written to (${errorText(cause)}); name a directory that can`,
    ]);
  }
}

/**
 * The whole path of a file that an option names, which need not exist. Returns why it cannot be
 * written, if so.
 */
export function outputFile(option: string, file: string): { path: string; problem?: string } {
  const path = resolve(file);
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true)
      return { path, problem: `${option}: ${path} is a directory; name a file` };
    accessSync(dirname(path), constants.W_OK);
    return { path };
  } catch (cause) {
    const problem = `${option}: ${path} cannot be written (${errorText(cause)}); create its directory, or name another file`;
    return { path, problem };
  }
}
