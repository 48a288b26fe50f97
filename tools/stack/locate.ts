import { access, constants, readdir, realpath } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { ConfigError } from '../../src/config/config-error.ts';
import { cacheDir, findCached } from './cache-dir.ts';
import { runCommand } from './command.ts';
import { fetchDebianServer } from './fetch-debian.ts';
import type { FetchOutcome } from './fetch-debian.ts';
import { fetchPostgres } from './fetch-postgres.ts';
import type { ServerBinary, ServerName } from './server-binary.ts';
import { SERVER_TRAITS, compareVersions, isOfSeries, parseVersion } from './server-binary.ts';

export interface LocateOptions {
  /**
   * Version prefix that the server must have, such as `3.4`. Default: `LEASEHOLD_<SERVER>_SERIES`,
   * else any.
   */
  readonly series?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Called with a line of text for each fetch. */
  readonly say?: ((text: string) => void) | undefined;
}

/** The server was not found by any route. The message says which command installs it. */
export class ServerNotFoundError extends Error {
  override readonly name = 'ServerNotFoundError';
}

/** Ways to find a server, in the order in which they are tried. */
export type Route = 'path' | 'docker' | 'fetch';

/**
 * The routes that `LEASEHOLD_STACK_ROUTES` allows: a comma-separated list of path, docker, fetch.
 * Default: all.
 *
 * @throws ConfigError if the list names an unknown route
 */
export function allowedRoutes(env: NodeJS.ProcessEnv = process.env): readonly Route[] {
  const all: readonly Route[] = ['path', 'docker', 'fetch'];
  const text = env['LEASEHOLD_STACK_ROUTES'];
  if (text === undefined || text.trim() === '') return all;
  const chosen = text.split(',').map((word) => word.trim());
  const unknown = chosen.find((word) => !(all as readonly string[]).includes(word));
  if (unknown !== undefined) {
    throw new ConfigError([
      `LEASEHOLD_STACK_ROUTES: unknown route "${unknown}"; use a comma-separated list of ` +
        'path, docker, fetch',
    ]);
  }
  return all.filter((route) => chosen.includes(route));
}

/** The version prefix that the server must have; undefined if any will do. */
export function seriesFor(name: ServerName, options: LocateOptions): string | undefined {
  const fromEnv = (options.env ?? process.env)[SERVER_TRAITS[name].seriesVariable];
  return options.series ?? (fromEnv === '' ? undefined : fromEnv);
}

/**
 * The server that the environment names, else one that is installed here, else undefined.
 *
 * @throws ConfigError if the environment names a file that does not run
 */
export async function findInstalled(
  name: ServerName,
  options: LocateOptions = {},
): Promise<ServerBinary | undefined> {
  const env = options.env ?? process.env;
  const series = seriesFor(name, options);
  const override = await findOverride(name, env);
  if (override !== undefined && isOfSeries(override.version, series)) return override;
  if (!allowedRoutes(env).includes('path')) return undefined;
  for (const dir of await searchDirs(name, env)) {
    const binary = await inspect(name, join(dir, SERVER_TRAITS[name].executable), 'path');
    if (binary !== undefined && isOfSeries(binary.version, series)) return binary;
  }
  return undefined;
}

/**
 * Finds a server that the environment names, that is installed here or cached, or else fetches it.
 *
 * @throws ServerNotFoundError if no route has it
 */
export async function locateServer(
  name: ServerName,
  options: LocateOptions = {},
): Promise<ServerBinary> {
  const env = options.env ?? process.env;
  const series = seriesFor(name, options);
  const installed = await findInstalled(name, options);
  if (installed !== undefined) return installed;

  const reasons: string[] = [];
  if (allowedRoutes(env).includes('fetch')) {
    const cache = await cacheDir(env);
    const cached = await findCached(cache, name, series);
    if (cached !== undefined) return cached;
    const request = { cache, series, say: options.say ?? (() => undefined) };
    const outcome: FetchOutcome =
      name === 'postgres' ? await fetchPostgres(request) : await fetchDebianServer(name, request);
    if (outcome.kind === 'fetched') return outcome.binary;
    reasons.push(...outcome.reasons);
  } else {
    reasons.push('fetching is disabled by LEASEHOLD_STACK_ROUTES');
  }
  throw new ServerNotFoundError(notFoundText(name, series, reasons));
}

function notFoundText(
  name: ServerName,
  series: string | undefined,
  reasons: readonly string[],
): string {
  const { executable, installCommand, overrideVariable } = SERVER_TRAITS[name];
  const wanted = series === undefined ? executable : `${executable} ${series}`;
  const variable =
    name === 'postgres'
      ? `${overrideVariable} to its bin directory`
      : `${overrideVariable} to its path`;
  return [
    `${wanted} was not found and could not be fetched:`,
    ...reasons.map((reason) => `  - ${reason}`),
    'Do one of these and try again:',
    `  - install it:        ${installCommand}`,
    '  - or start Docker:   the Compose file runs all three servers',
    `  - or set ${variable}`,
  ].join('\n');
}

async function findOverride(
  name: ServerName,
  env: NodeJS.ProcessEnv,
): Promise<ServerBinary | undefined> {
  const { overrideVariable, executable } = SERVER_TRAITS[name];
  const given = env[overrideVariable];
  if (given === undefined || given === '') return undefined;
  const path = name === 'postgres' ? join(given, executable) : given;
  const binary = await inspect(name, path, 'environment');
  if (binary === undefined) {
    throw new ConfigError([
      `${overrideVariable}=${given}: ${path} is not a ${executable} that runs here; ` +
        'correct or unset it',
    ]);
  }
  return binary;
}

async function searchDirs(name: ServerName, env: NodeJS.ProcessEnv): Promise<string[]> {
  const dirs = (env['PATH'] ?? '').split(delimiter).filter((dir) => isAbsolute(dir));
  // Debian puts /usr/sbin only on root's PATH, and Postgres on no PATH.
  if (name !== 'postgres') return [...dirs, '/usr/sbin'];
  const debian = '/usr/lib/postgresql';
  const versions = (await readdir(debian).catch(() => [])).filter((entry) => /^\d+$/.test(entry));
  const newestFirst = versions.toSorted((a, b) => compareVersions(b, a));
  return [...dirs, ...newestFirst.map((version) => join(debian, version, 'bin'))];
}

/** The binary at a path, if it exists and runs; Postgres also needs initdb next to it. */
async function inspect(
  name: ServerName,
  path: string,
  from: ServerBinary['from'],
): Promise<ServerBinary | undefined> {
  try {
    await access(path, constants.X_OK);
    const real = await realpath(path);
    if (name === 'postgres') await access(join(dirname(real), 'initdb'), constants.X_OK);
    const run = await runCommand(real, ['--version'], { timeoutMs: 10_000 });
    const version = parseVersion(run.stdout);
    return run.code === 0 && version !== undefined
      ? { name, version, path: real, from }
      : undefined;
  } catch {
    return undefined;
  }
}
