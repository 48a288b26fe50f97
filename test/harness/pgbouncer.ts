import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, cp, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { TestContext } from 'vitest';

import { aptOf } from '../../tools/stack/apt.ts';
import { cacheDir } from '../../tools/stack/cache-dir.ts';
import { runCommand } from '../../tools/stack/command.ts';
import { freePort } from '../../tools/stack/free-port.ts';
import { compareVersions, parseVersion } from '../../tools/stack/server-binary.ts';
import { unprivilegedUser } from '../../tools/stack/unprivileged-user.ts';
import { Output } from './child-process.ts';

/** A PgBouncer: a program on PATH, or a directory of the cache with its libraries. */
interface PgBouncerProgram {
  version: string;
  /** The program, or the directory. */
  path: string;
  isDirectory: boolean;
}

/** Versions before it do not keep prepared statements in transaction mode. */
const KEEPS_STATEMENTS = '1.21';

/** Whether this version keeps prepared statements in transaction mode. */
function keepsStatements({ version }: PgBouncerProgram): boolean {
  return compareVersions(version, KEEPS_STATEMENTS) >= 0;
}

/** From before 1.21, or after. */
export type PgBouncerKind = 'old' | 'new';

const programs = new Map<PgBouncerKind, Promise<PgBouncerProgram | string>>();

/** The PgBouncer of that kind; skips the test, with the reason, if there is none. */
export async function pgBouncer(
  context: Pick<TestContext, 'skip'>,
  kind: PgBouncerKind,
): Promise<PgBouncerProgram> {
  const looked = programs.get(kind) ?? findPgBouncer(kind);
  programs.set(kind, looked);
  const program = await looked;
  return typeof program === 'string'
    ? context.skip(`PgBouncer (${kind}) cannot be had here: ${program}`)
    : program;
}

/**
 * Looks on PATH and in the cache, else fetches it into the cache from Debian's packages (Debian 12
 * has 1.18, Debian 13 has 1.24).
 *
 * @returns the reason if there is none
 */
async function findPgBouncer(kind: PgBouncerKind): Promise<PgBouncerProgram | string> {
  const fits = (program: PgBouncerProgram): boolean =>
    keepsStatements(program) === (kind === 'new');
  for (const dir of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']) {
    const installed = await inspect(join(dir, 'pgbouncer'), false);
    if (installed !== undefined && fits(installed)) return installed;
  }
  const cache = join(await cacheDir(), 'servers', `${process.platform}-${process.arch}`);
  const kept = join(cache, 'pgbouncer', kind);
  const cached = await inspect(kept, true);
  if (cached !== undefined) return cached;
  const suite = kind === 'old' ? 'bookworm' : 'trixie';
  const dir = await mkdtemp(join(tmpdir(), 'leasehold-pgbouncer-'));
  try {
    const failed = await fetchInto(dir, suite);
    const fetched = failed ?? (await inspect(join(dir, 'unpacked'), true));
    if (fetched === undefined) return `the pgbouncer of Debian ${suite} does not run here`;
    if (typeof fetched === 'string') return `Debian ${suite}: ${fetched}`;
    if (!fits(fetched)) return `Debian ${suite} has pgbouncer ${fetched.version}`;
    await mkdir(join(cache, 'pgbouncer'), { recursive: true });
    const draft = `${kept}-${process.pid}`;
    await cp(join(dir, 'unpacked'), draft, { recursive: true, verbatimSymlinks: true });
    // A concurrent run may have been faster.
    await rename(draft, kept).catch(() => rm(draft, { recursive: true }));
    return { ...fetched, path: kept };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Fetches the package and the libraries that it names; its own C library too. */
async function fetchInto(dir: string, suite: string): Promise<string | undefined> {
  const apt = await aptOf(dir, suite);
  if (apt === undefined) return "the system's apt sources name no main suite";
  const update = await apt.run('apt-get', 'update');
  if (update.code !== 0) return `apt-get update failed: ${update.stderr.trim()}`;
  const shown = await apt.run('apt-cache', 'depends', 'pgbouncer');
  const libraries = [...shown.stdout.matchAll(/Depends: (lib\S+)$/gm)].map(([, name]) => name!);
  if (libraries.length === 0) return 'it has no package pgbouncer';
  return apt.unpack(['pgbouncer', ...libraries]);
}

async function inspect(path: string, isDirectory: boolean): Promise<PgBouncerProgram | undefined> {
  if (!existsSync(path)) return undefined;
  const [command, ...argv] = await commandOf(path, isDirectory);
  if (command === undefined) return undefined;
  const ran = await runCommand(command, [...argv, '--version']);
  const version = parseVersion(ran.stdout);
  return ran.code === 0 && version !== undefined ? { version, path, isDirectory } : undefined;
}

/** Libraries of another Debian need that one's C library, and so its loader. */
async function commandOf(path: string, isDirectory: boolean): Promise<string[]> {
  if (!isDirectory) return [path];
  const places = [join(path, 'usr', 'lib'), join(path, 'lib')];
  const dirs: string[] = [];
  for (const place of places) {
    const entries = await readdir(place).catch(() => []);
    dirs.push(
      ...entries.filter((name) => name.endsWith('-linux-gnu')).map((name) => join(place, name)),
    );
  }
  for (const dir of dirs) {
    const loader = (await readdir(dir)).find((name) => name.startsWith('ld-linux'));
    if (loader === undefined) continue;
    const program = join(path, 'usr', 'sbin', 'pgbouncer');
    return [join(dir, loader), '--library-path', dirs.join(':'), program];
  }
  return [];
}

/** How PgBouncer is to be set up. */
export interface PgBouncerOptions {
  poolMode: 'session' | 'transaction';
  /** Further lines of its section `[pgbouncer]`. */
  settings?: readonly string[];
}

/** A PgBouncer in front of a Postgres that trusts loopback. */
export interface PgBouncer {
  /** The URL of the same role and database through it. */
  urlOf(directUrl: string): string;
  log(): string;
  stop(): Promise<void>;
}

/** Starts PgBouncer in front of the server of that URL. */
export async function startPgBouncer(
  program: PgBouncerProgram,
  serverUrl: string,
  { poolMode, settings = [] }: PgBouncerOptions,
): Promise<PgBouncer> {
  const server = new URL(serverUrl);
  const user = await unprivilegedUser();
  const dir = await mkdtemp('/tmp/leasehold-pgbouncer-');
  await chmod(dir, 0o755);
  // The account may not be able to reach the cache.
  const path = program.isDirectory ? join(dir, 'program') : program.path;
  if (program.isDirectory)
    await cp(program.path, path, { recursive: true, verbatimSymlinks: true });
  const port = await freePort();
  await writeFile(
    join(dir, 'users.txt'),
    ['leasehold_app', 'leasehold_owner', 'postgres'].map((role) => `"${role}" ""\n`).join(''),
  );
  const lines = [
    '[databases]',
    `* = host=${server.hostname} port=${server.port}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = trust',
    `auth_file = ${join(dir, 'users.txt')}`,
    `pool_mode = ${poolMode}`,
    ...settings,
  ];
  await writeFile(join(dir, 'pgbouncer.ini'), `${lines.join('\n')}\n`);
  if (user !== undefined) await chown(dir, user.uid, user.gid);
  const [command, ...argv] = await commandOf(path, program.isDirectory);
  const child = spawn(command!, [...argv, join(dir, 'pgbouncer.ini')], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(user !== undefined && { uid: user.uid, gid: user.gid }),
  });
  const output = new Output(child.stderr);
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
    await rm(dir, { recursive: true, force: true });
  };
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`pgbouncer ended:\n${output.text}`);
    await sleep(20);
  }
  return {
    urlOf(directUrl) {
      const url = new URL(directUrl);
      url.hostname = '127.0.0.1';
      url.port = String(port);
      return url.href;
    },
    log: () => output.text,
    stop,
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (accepted: boolean): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once('connect', () => settle(true)).once('error', () => settle(false));
  });
}
