import {
  access,
  constants,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ServerBinary, ServerName } from './server-binary.ts';
import { SERVER_TRAITS, compareVersions, isOfSeries } from './server-binary.ts';

/** The folder of this package: the nearest one above this file that has a package.json. */
export function packageRoot(): string {
  let dir = import.meta.dirname;
  while (!existsSync(join(dir, 'package.json'))) {
    const parent = dirname(dir);
    if (parent === dir) throw new Error(`no package.json above ${import.meta.dirname}`);
    dir = parent;
  }
  return dir;
}

/**
 * Where fetched servers are kept: `LEASEHOLD_CACHE_DIR`, else `.cache` in a clone of the
 * repository, else the user's cache folder (an installed package must not write into itself).
 */
export async function cacheDir(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  if (env['LEASEHOLD_CACHE_DIR'] !== undefined && env['LEASEHOLD_CACHE_DIR'] !== '') {
    return env['LEASEHOLD_CACHE_DIR'];
  }
  const root = packageRoot();
  if (existsSync(join(root, 'tsconfig.json'))) {
    const writable = await access(root, constants.W_OK).then(
      () => true,
      () => false,
    );
    if (writable) return join(root, '.cache');
  }
  const userCache = env['XDG_CACHE_HOME'];
  return join(
    userCache !== undefined && userCache !== '' ? userCache : join(homedir(), '.cache'),
    'leasehold',
  );
}

/** One server's shelf in the cache: a folder per version, and the name of the default one. */
function shelf(cache: string, name: ServerName): string {
  return join(cache, 'servers', `${process.platform}-${process.arch}`, name);
}

/**
 * The cached server of a series; without a series the one that an earlier fetch of the
 * default brought, so that an old version fetched on demand never becomes the default.
 */
export async function findCached(
  cache: string,
  name: ServerName,
  series: string | undefined,
): Promise<ServerBinary | undefined> {
  const dir = shelf(cache, name);
  const entries = await readdir(dir).catch(() => []);
  const versions = entries.filter((entry) => /^\d/.test(entry)).toSorted(compareVersions);
  const version =
    series === undefined
      ? (await readFile(join(dir, 'default'), 'utf8').catch(() => '')).trim()
      : versions.findLast((candidate) => isOfSeries(candidate, series));
  if (version === undefined || !versions.includes(version)) return undefined;
  const path = join(dir, version, 'bin', SERVER_TRAITS[name].executable);
  return existsSync(path) ? { name, version, path, from: 'cache' } : undefined;
}

/** Makes a private folder inside the cache, so that a finished fetch can be moved, not copied. */
export async function fetchDir(cache: string, name: ServerName): Promise<string> {
  const dir = join(
    cache,
    'fetching',
    `${name}-${process.pid}-${Math.random().toString(36).slice(2, 10)}`,
  );
  await mkdir(dir, { recursive: true });
  return dir;
}

/**
 * Puts a fetched installation (a folder with `bin/` in it) on its shelf by one rename, so
 * that runs which share the cache see all of it or nothing. Whoever comes second keeps the first's.
 */
export async function keepFetched(
  cache: string,
  name: ServerName,
  version: string,
  installation: string,
  isDefault: boolean,
): Promise<ServerBinary> {
  const dir = shelf(cache, name);
  await mkdir(dir, { recursive: true });
  const target = join(dir, version);
  await rename(installation, target).catch((cause: unknown) => {
    if (!existsSync(join(target, 'bin'))) {
      throw new Error(`could not move the fetched ${name} ${version} to ${target}`, { cause });
    }
  });
  if (isDefault) {
    const draft = join(dir, `.default-${process.pid}-${Math.random().toString(36).slice(2, 10)}`);
    await writeFile(draft, `${version}\n`);
    await rename(draft, join(dir, 'default'));
  }
  await rm(installation, { recursive: true, force: true });
  return {
    name,
    version,
    path: join(target, 'bin', SERVER_TRAITS[name].executable),
    from: 'fetched',
  };
}
