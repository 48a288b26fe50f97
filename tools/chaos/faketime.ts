import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Folders where distributions install the library. */
const FOLDERS = ['/usr/lib', '/usr/lib64', '/usr/local/lib', '/opt/homebrew/lib'];

/** Finds libfaketime; undefined if it is not installed, or cannot be preloaded on this platform. */
export function findFaketime(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  for (const folder of FOLDERS) {
    const archFolders = list(folder).filter((name) => name.endsWith('-linux-gnu'));
    for (const arch of ['', ...archFolders]) {
      const file = join(folder, arch, 'faketime', 'libfaketime.so.1');
      if (existsSync(file)) return file;
    }
  }
  return undefined;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
