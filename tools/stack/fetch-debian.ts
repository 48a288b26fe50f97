import { mkdir, rename, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { aptOf } from './apt.ts';
import { candidateVersion } from './apt-sources.ts';
import { fetchDir, keepFetched } from './cache-dir.ts';
import { runCommand, tailOf } from './command.ts';
import type { ServerBinary } from './server-binary.ts';
import { SERVER_TRAITS, compareVersions, isOfSeries, parseVersion } from './server-binary.ts';

/**
 * etcd and nats-server come from Debian's packages, which are downloaded and unpacked but never
 * installed, so neither root nor the system's package lists are needed. The mirror is the system's.
 *
 * Suites newer than the system's are tried first, because these Go programs need only libc, and
 * Debian 12's etcd 3.4 is past its end of life. A program that does not run here is skipped.
 */
const NEWER_SUITES = ['forky', 'trixie', 'sid'];
const OLDER_SUITES = ['bookworm'];

const PACKAGES = { etcd: 'etcd-server', nats: 'nats-server' } as const;

export type FetchOutcome =
  | { readonly kind: 'fetched'; readonly binary: ServerBinary }
  | { readonly kind: 'unavailable'; readonly reasons: readonly string[] };

export interface FetchRequest {
  readonly cache: string;
  readonly series: string | undefined;
  readonly say: (text: string) => void;
}

/** Fetches the server from the first suite whose package has the series and runs here. */
export async function fetchDebianServer(
  name: 'etcd' | 'nats',
  request: FetchRequest,
): Promise<FetchOutcome> {
  for (const tool of ['apt-get', 'dpkg-deb']) {
    const probe = await runCommand(tool, ['--version']);
    if (probe.code !== 0) return { kind: 'unavailable', reasons: [`${tool} is not on PATH`] };
  }
  const dir = await fetchDir(request.cache, name);
  const reasons: string[] = [];
  try {
    for (const suite of suiteOrder(name, request.series)) {
      const where = suite ?? "the system's suite";
      request.say(`fetching ${SERVER_TRAITS[name].executable} from Debian (${where})`);
      const outcome = await fetchFromSuite(name, suite, join(dir, suite ?? 'system'), request);
      if (typeof outcome !== 'string') return { kind: 'fetched', binary: outcome };
      reasons.push(`${where}: ${outcome}`);
    }
    return { kind: 'unavailable', reasons };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** The suites in the order in which they are tried; `undefined` is the system's. */
function suiteOrder(name: 'etcd' | 'nats', series: string | undefined): (string | undefined)[] {
  const isOld =
    series !== undefined && compareVersions(series, SERVER_TRAITS[name].preferredSeries) < 0;
  return isOld
    ? [undefined, ...OLDER_SUITES, ...NEWER_SUITES]
    : [...NEWER_SUITES, undefined, ...OLDER_SUITES];
}

/** The server, or the reason why this suite does not have it. */
async function fetchFromSuite(
  name: 'etcd' | 'nats',
  suite: string | undefined,
  dir: string,
  request: FetchRequest,
): Promise<ServerBinary | string> {
  const apt = await aptOf(dir, suite);
  if (apt === undefined) return "the system's apt sources name no main suite";
  const update = await apt.run('apt-get', 'update');
  const policy = await apt.run('apt-cache', 'policy', PACKAGES[name]);
  const version = candidateVersion(policy.stdout);
  if (version === undefined) {
    return update.code === 0
      ? `has no ${PACKAGES[name]}`
      : `apt-get update failed: ${tailOf(update.stderr, 2)}`;
  }
  if (!isOfSeries(version, request.series)) return `has ${version}, not ${String(request.series)}`;

  const failed = await apt.unpack([PACKAGES[name]]);
  if (failed !== undefined) return failed;

  const executable = SERVER_TRAITS[name].executable;
  const binDir = ['usr/bin', 'usr/sbin']
    .map((place) => join(dir, 'unpacked', place))
    .find((place) => existsSync(join(place, executable)));
  if (binDir === undefined) return `its package has no ${executable}`;
  const run = await runCommand(join(binDir, executable), ['--version']);
  const runs = parseVersion(run.stdout);
  if (run.code !== 0 || runs === undefined)
    return `its ${executable} does not run here: ${tailOf(run.stderr, 2)}`;

  const installation = join(dir, 'installation');
  await mkdir(installation);
  await rename(binDir, join(installation, 'bin'));
  return keepFetched(request.cache, name, runs, installation, request.series === undefined);
}
