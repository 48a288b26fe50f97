import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const HOOK = pathToFileURL(join(import.meta.dirname, 'log-imports.mjs')).href;

/**
 * Runs a Node process with the environment that `run` is given, which also lets it run TypeScript,
 * and returns the URLs of all modules that it resolved, next to the result of `run`.
 */
export async function recordImports<T>(
  run: (env: { NODE_OPTIONS: string; IMPORT_LOG: string }) => Promise<T>,
): Promise<{ result: T; urls: string[] }> {
  const dir = mkdtempSync(join(tmpdir(), 'leasehold-imports-'));
  const file = join(dir, 'imports.log');
  try {
    const result = await run({ NODE_OPTIONS: `--import tsx --import ${HOOK}`, IMPORT_LOG: file });
    return { result, urls: [...new Set(readFileSync(file, 'utf8').split('\n'))] };
  } finally {
    rmSync(dir, { recursive: true });
  }
}
