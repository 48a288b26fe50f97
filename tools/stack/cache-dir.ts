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

/** The root of this package: the nearest directory above this file with a package.json. */
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
 * The directory for fetched servers: `LEASEHOLD_CACHE_DIR`, else `.cache` in a clone of the
 * repository, else the user's cache directory (an installed package must not write into itself).
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

/** A server's directory in the cache: one directory per version, and a file with the default. */
function serverDir(cache: string, name: ServerName): string {
  return join(cache, 'servers', `${process.platform}-${process.arch}`, name);
}

/**
 * The cached server of a series. Without a series it is the one that was fetched without a series,
 * so that an old version fetched on request never becomes the default.
 */
export async function findCached(
  cache: string,
  name: ServerName,
  series: string | undefined,
): Promise<ServerBinary | undefined> {
  const dir = serverDir(cache, name);
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

/** Makes a private directory inside the cache, so that a finished fetch can be renamed. */
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
 * Moves a fetched installation (a directory that contains `bin/`) into the cache by one rename, so
 * that runs that share the cache see all of it or nothing. The second of two concurrent fetches
 * uses the first one's.
 */
export async function keepFetched(
  cache: string,
  name: ServerName,
  version: string,
  installation: string,
  isDefault: boolean,
): Promise<ServerBinary> {
  const dir = serverDir(cache, name);
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
