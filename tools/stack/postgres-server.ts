import { existsSync } from 'node:fs';
import { chown, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isReachable } from '../../src/reachable.ts';
import type { MachineUser } from '../../src/reachable.ts';
import { runCommand, tailOf } from './command.ts';
import { KeptDirError } from './kept-dir.ts';
import { querySql } from './postgres-wire.ts';
import type { ServerBinary } from './server-binary.ts';
import { ServerProcess } from './server-process.ts';
import type { Server } from './server-process.ts';
import { reachableBinDir, unprivilegedUser } from './unprivileged-user.ts';
import type { Workspace } from './workspace.ts';
import { onFreePort } from './workspace.ts';

export interface PostgresOptions {
  /** Default: a free one. */
  readonly port?: number | undefined;
  /** `false` turns fsync off: tests run faster, and a power cut may lose data. Default true. */
  readonly durable?: boolean | undefined;
  /** The maximum number of connections. Default 200. */
  readonly maxConnections?: number | undefined;
}

/** The database that a new server has. */
export const DEFAULT_DATABASE = 'leasehold';

/**
 * Creates a new cluster, unless the workspace keeps one, and starts it on loopback only, without
 * Unix sockets. It trusts every loopback connection to be the role that it names: acceptable for
 * development and tests, and for nothing else.
 */
export async function startPostgres(
  binary: ServerBinary,
  workspace: Workspace,
  options: PostgresOptions = {},
): Promise<Server> {
  const durable = options.durable ?? true;
  const user = await unprivilegedUser();
  const dir = join(workspace.dir, 'postgres');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if (user !== undefined) {
    await chown(dir, user.uid, user.gid);
    if (workspace.isKept && !isReachable(dir, user, 'list'))
      throw new KeptDirError(
        `${workspace.dir} cannot be entered by the account that runs Postgres (user id ${user.uid}), because Postgres refuses to run as root; choose a directory that every user may pass through`,
      );
  }
  const installed = dirname(binary.path);
  const binDir =
    user === undefined
      ? installed
      : await reachableBinDir(installed, user, join(workspace.dir, 'postgres-program'));
  const dataDir = join(dir, 'data');
  if (!workspace.isKept) await rm(dataDir, { recursive: true, force: true });
  if (!existsSync(dataDir)) await initCluster(binDir, dataDir, dir, user, durable);

  const server = await onFreePort(
    (port) =>
      ServerProcess.start({
        name: 'postgres',
        version: binary.version,
        url: `postgres://postgres@127.0.0.1:${port}/${DEFAULT_DATABASE}`,
        command: join(binDir, 'postgres'),
        argv: postgresArgv(dataDir, port, durable, options.maxConnections ?? 200),
        user,
        cwd: dir,
        logFile: join(workspace.dir, 'postgres.log'),
        probe: () => probePostgres(`postgres://postgres@127.0.0.1:${port}/postgres`),
        watchdog: workspace.watchdog,
        stopping: workspace.stopping.signal,
      }),
    options.port,
  );
  await createDatabase(server.url, DEFAULT_DATABASE);
  return server;
}

/** Makes a whole cluster appear in the directory, or none. */
async function initCluster(
  binDir: string,
  dataDir: string,
  cwd: string,
  user: MachineUser | undefined,
  durable: boolean,
): Promise<void> {
  const draft = `${dataDir}.new`;
  await rm(draft, { recursive: true, force: true });
  const argv = ['-D', draft, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C'];
  if (!durable) argv.push('--no-sync');
  const env = { PATH: process.env['PATH'], HOME: '/', LC_ALL: 'C' };
  const result = await runCommand(join(binDir, 'initdb'), argv, {
    cwd,
    env,
    uid: user?.uid,
    gid: user?.gid,
  });
  if (result.code !== 0)
    throw new Error(`initdb failed:\n${tailOf(result.stdout + result.stderr)}`);
  await rename(draft, dataDir);
}

function postgresArgv(
  dataDir: string,
  port: number,
  durable: boolean,
  maxConnections: number,
): string[] {
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    `max_connections=${maxConnections}`,
  ];
  if (!durable) settings.push('fsync=off', 'full_page_writes=off');
  return ['-D', dataDir, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])];
}

/** Resolves if Postgres answers a query. */
export async function probePostgres(url: string): Promise<void> {
  await querySql(url, 'SELECT 1');
}

/**
 * Creates a database, given any superuser URL of the server. A database that exists is kept.
 *
 * @returns the superuser's URL of the database
 */
export async function createDatabase(superuserUrl: string, database: string): Promise<string> {
  const url = new URL(superuserUrl);
  url.pathname = '/postgres';
  const quoted = `"${database.replaceAll('"', '""')}"`;
  for (let tries = 1; ; tries += 1) {
    try {
      await querySql(url.href, `CREATE DATABASE ${quoted}`);
      break;
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      if (code === '42P04') break; // it exists
      // 55006: another session is copying the template at this moment.
      if (code !== '55006' || tries === 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50 * tries));
    }
  }
  url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}
