import { engineRuns, startCompose } from './compose.ts';
import type { ComposeProject } from './compose.ts';
import { startEtcd } from './etcd-server.ts';
import { allowedRoutes, findInstalled, locateServer, seriesFor } from './locate.ts';
import type { LocateOptions } from './locate.ts';
import { startNats } from './nats-server.ts';
import { createDatabase, startPostgres } from './postgres-server.ts';
import type { ServerBinary, ServerName } from './server-binary.ts';
import { SERVER_NAMES } from './server-binary.ts';
import type { Server } from './server-process.ts';
import { closeWorkspace, openWorkspace, refuseStarts } from './workspace.ts';
import type { Workspace } from './workspace.ts';

export type { Server } from './server-process.ts';
export type { ServerName } from './server-binary.ts';

export interface StackOptions {
  /** Servers that already run. The stack uses them and neither starts nor stops them. */
  readonly given?: {
    readonly etcdUrls?: readonly string[] | undefined;
    readonly natsUrls?: readonly string[] | undefined;
    /** A superuser's URL, or any other that the caller uses instead of the stack's. */
    readonly postgresUrl?: string | undefined;
  };
  /** Version prefixes, such as `{ etcd: '3.4' }`. Default: from the environment, else any. */
  readonly series?: Readonly<Partial<Record<ServerName, string>>> | undefined;
  /** Ports of servers that the stack starts. Default: free ones. */
  readonly ports?: Readonly<Partial<Record<ServerName, number | undefined>>> | undefined;
  /**
   * A directory that keeps the servers' data for the next stack. Only programs of this machine can
   * use it, so no container is started. Default: the data is removed.
   */
  readonly dataDir?: string | undefined;
  /** `false` turns Postgres' fsync off. Default true. */
  readonly durable?: boolean | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Called with a line of text for each step that takes time, such as a fetch. */
  readonly say?: ((text: string) => void) | undefined;
}

/** Local etcd, NATS and Postgres on loopback. Stopping them removes data that is not kept. */
export interface Stack {
  readonly etcdUrls: readonly string[];
  readonly natsUrls: readonly string[];
  /** `postgres://postgres@127.0.0.1:PORT/leasehold` */
  readonly superuserUrl: string;
  /** The servers that this stack started, without the given ones. */
  readonly servers: readonly Server[];
  /** @throws Error if the stack did not start this server */
  server(name: ServerName): Server;
  /** The URL for another role or database of the same Postgres. */
  roleUrl(user: string, password?: string, database?: string): string;
  /** Creates a database unless it exists. @returns the superuser's URL of it */
  createDatabase(database: string): Promise<string>;
  /** Stops every server and removes the data unless it is kept. Calling it twice is harmless. */
  stop(): Promise<void>;
}

/** The URL for another role, and optionally another database, of the same server. */
export function roleUrl(
  baseUrl: string,
  user: string,
  password?: string,
  database?: string,
): string {
  const url = new URL(baseUrl);
  url.username = encodeURIComponent(user);
  url.password = password === undefined ? '' : encodeURIComponent(password);
  if (database !== undefined) url.pathname = `/${encodeURIComponent(database)}`;
  return url.href;
}

/**
 * Starts the servers that are not given. Each comes from the first place that has it: the
 * environment, PATH, Docker Compose if an engine runs, the cache, a fetch.
 *
 * @throws ServerNotFoundError if no place has a server; ServerStartError, with the end of its log,
 *   if one does not start; KeptDirError if `dataDir` cannot be used. Servers that had started are
 *   stopped first.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const { given = {} } = options;
  const givenUrls: Readonly<Record<ServerName, readonly string[] | undefined>> = {
    etcd: given.etcdUrls,
    nats: given.natsUrls,
    postgres: given.postgresUrl === undefined ? undefined : [given.postgresUrl],
  };
  const names = SERVER_NAMES.filter((name) => givenUrls[name] === undefined);
  const plan = await planServers(names, options);
  const workspace = await openWorkspace(options.dataDir);
  const servers: Server[] = [];
  let project: ComposeProject | undefined;

  let stopping: Promise<void> | undefined;
  const stopAll = async (): Promise<void> => {
    refuseStarts(workspace);
    await Promise.all(
      servers.filter((server) => project?.servers.includes(server) !== true).map((s) => s.stop()),
    );
    await project?.down();
    await closeWorkspace(workspace);
  };
  const stop = (): Promise<void> => (stopping ??= stopAll());

  try {
    if (plan.compose.length > 0) {
      options.say?.(`starting ${plan.compose.join(', ')} with Docker Compose`);
      project = await startCompose(plan.compose, workspace, options.ports);
      servers.push(...project.servers);
    }
    const starts = plan.binaries.map(async (binary) => {
      servers.push(await startServer(binary, workspace, options));
    });
    const failed = (await Promise.allSettled(starts)).find(
      (result) => result.status === 'rejected',
    );
    if (failed !== undefined) throw failed.reason;
  } catch (error) {
    await stop();
    throw error;
  }

  const byName = (name: ServerName): Server | undefined =>
    servers.find((server) => server.name === name);
  const urlsOf = (name: ServerName): readonly string[] => {
    const started = byName(name);
    return started === undefined ? (givenUrls[name] ?? []) : [started.url];
  };
  const [superuserUrl = ''] = urlsOf('postgres');
  return {
    etcdUrls: urlsOf('etcd'),
    natsUrls: urlsOf('nats'),
    superuserUrl,
    servers: SERVER_NAMES.flatMap((name) => byName(name) ?? []),
    server(name) {
      const server = byName(name);
      if (server === undefined)
        throw new Error(`this stack did not start ${name}: its URL was given`);
      return server;
    },
    roleUrl: (user, password, database) => roleUrl(superuserUrl, user, password, database),
    createDatabase: (database) => createDatabase(superuserUrl, database),
    stop,
  };
}

interface Plan {
  readonly binaries: readonly ServerBinary[];
  readonly compose: readonly ServerName[];
}

/** Decides for each server whether to start a program of this machine or a container. */
async function planServers(names: readonly ServerName[], options: StackOptions): Promise<Plan> {
  const binaries: ServerBinary[] = [];
  const compose: ServerName[] = [];
  let engine: Promise<boolean> | undefined;
  for (const name of names) {
    const wanted: LocateOptions = {
      series: options.series?.[name],
      env: options.env,
      say: options.say,
    };
    const installed = await findInstalled(name, wanted);
    if (installed !== undefined) {
      binaries.push(installed);
      continue;
    }
    // The Compose file has fixed versions, so it cannot serve a request for a series.
    const mayCompose =
      options.dataDir === undefined &&
      allowedRoutes(options.env).includes('docker') &&
      seriesFor(name, wanted) === undefined;
    if (mayCompose && (await (engine ??= engineRuns()))) compose.push(name);
    else binaries.push(await locateServer(name, wanted));
  }
  return { binaries, compose };
}

function startServer(
  binary: ServerBinary,
  workspace: Workspace,
  options: StackOptions,
): Promise<Server> {
  const port = options.ports?.[binary.name];
  switch (binary.name) {
    case 'etcd':
      return startEtcd(binary, workspace, { port });
    case 'nats':
      return startNats(binary, workspace, { port });
    case 'postgres':
      return startPostgres(binary, workspace, { port, durable: options.durable });
  }
}
