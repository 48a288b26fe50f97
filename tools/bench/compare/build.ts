import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { runCommand, tailOf } from '../../stack/command.ts';
import { roleUrl } from '../../stack/servers.ts';
import { BENCH_RUNBOOKS } from '../runbooks.ts';

/** A compiled checkout of leasehold. */
export interface Build {
  /** The checkout's directory. */
  dir: string;
  /** The script that is its command line. */
  mainScript: string;
  /** The package's version, and the hash of its sources where the build recorded one. */
  version: string;
}

/** Where the command line is, newest layout first. */
const MAIN_SCRIPTS = ['dist/cli/main.js', 'dist/src/cli/main.js'];
const HASH_DIGITS = 12;

/** The directory has no compiled command line. */
export class NoBuild extends Error {
  override readonly name = 'NoBuild';
}

/** @throws NoBuild */
export function findBuild(path: string): Build {
  const dir = resolve(path);
  const mainScript = MAIN_SCRIPTS.map((name) => join(dir, name)).find((name) => existsSync(name));
  if (mainScript === undefined || !existsSync(join(dir, 'package.json')))
    throw new NoBuild(
      `${dir} has no compiled leasehold (${MAIN_SCRIPTS.join(' or ')}); run "npm run build" there`,
    );
  const text = readFileSync(join(dir, 'package.json'), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  const hashFile = join(dir, 'dist', '.leasehold-build-hash');
  const hash = existsSync(hashFile)
    ? ` (${readFileSync(hashFile, 'utf8').trim().slice(0, HASH_DIGITS)})`
    : '';
  return { dir, mainScript, version: `${version}${hash}` };
}

/**
 * Creates the schema in an empty database and stores the bench's runbooks, both by the build's own
 * command line: builds may differ in their schema.
 *
 * @returns the URL for the application's role
 * @throws Error with the end of the output of a command that failed
 */
export async function prepareDatabase(
  build: Build,
  superuserUrl: string,
  namespace: string,
): Promise<string> {
  await runVerb(build, ['migrate', '--owner-database', superuserUrl, '--namespace', namespace]);
  const databaseUrl = roleUrl(superuserUrl, 'leasehold_app');
  const dir = mkdtempSync(join(tmpdir(), 'leasehold-bench-runbooks-'));
  try {
    const files = BENCH_RUNBOOKS.map(({ runbookId, document }) => {
      const file = join(dir, `${runbookId}.json`);
      writeFileSync(file, JSON.stringify(document));
      return file;
    });
    const target = ['--database', databaseUrl, '--namespace', namespace];
    await runVerb(build, ['runbook', 'push', ...target, ...files]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return databaseUrl;
}

async function runVerb({ mainScript }: Build, argv: readonly string[]): Promise<void> {
  const kept = ['PATH', 'HOME', 'TMPDIR'].map((name) => [name, process.env[name]]);
  const { code, stdout, stderr } = await runCommand(process.execPath, [mainScript, ...argv], {
    env: Object.fromEntries(kept) as NodeJS.ProcessEnv,
  });
  if (code !== 0) throw new Error(`${mainScript} ${argv[0]} failed:\n${tailOf(stdout + stderr)}`);
}
