import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Folders where distributions put the library. */
const FOLDERS = ['/usr/lib', '/usr/lib64', '/usr/local/lib', '/opt/homebrew/lib'];

/**
 * The libfaketime of this machine; undefined when there is none, or it cannot be preloaded here.
 */
export function findFaketime(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  for (const folder of FOLDERS) {
    const near = listed(folder).filter((name) => name.endsWith('-linux-gnu'));
    for (const at of ['', ...near]) {
      const file = join(folder, at, 'faketime', 'libfaketime.so.1');
      if (existsSync(file)) return file;
    }
  }
  return undefined;
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
