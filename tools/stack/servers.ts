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
  /** Servers that run elsewhere: used as they are, neither started nor stopped. */
  readonly given?: {
    readonly etcdUrls?: readonly string[] | undefined;
    readonly natsUrls?: readonly string[] | undefined;
    /** A superuser's URL, or any other that the caller will use instead of the stack's. */
    readonly postgresUrl?: string | undefined;
  };
  /** Version prefixes, such as `{ etcd: '3.4' }`. Default: the environment's, else any. */
  readonly series?: Readonly<Partial<Record<ServerName, string>>> | undefined;
  /** `false` lets Postgres skip fsync. Default true. */
  readonly durable?: boolean | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Hears progress that takes time, such as a fetch; lines for a person. */
  readonly say?: ((text: string) => void) | undefined;
}

/** Local etcd, NATS and Postgres on loopback, with data that is removed when they are stopped. */
export interface Stack {
  readonly etcdUrls: readonly string[];
  readonly natsUrls: readonly string[];
  /** `postgres://postgres@127.0.0.1:PORT/leasehold` */
  readonly superuserUrl: string;
  /** The servers that this stack started; given ones are not among them. */
  readonly servers: readonly Server[];
  /**
   * @throws if the stack did not start this server.
   */
  server(name: ServerName): Server;
  /** A URL for another role or database of the same Postgres. */
  roleUrl(user: string, password?: string, database?: string): string;
  /** Creates a database (one that exists is kept) and returns the superuser's URL of it. */
  createDatabase(database: string): Promise<string>;
  /** Stops every server and removes the data. Stopping twice is harmless. */
  stop(): Promise<void>;
}

/** The superuser's URL turned into another role's, for a database of the same server. */
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
 * Starts the servers that are not given, each from where it is found first: the environment,
 * PATH, Docker Compose where an engine runs, the cache, a fetch.
 *
 * @throws ServerNotFoundError if a server is to be had by no route; ServerStartError, with the
 * tail of its log, if one does not start. What had been started is stopped before.
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
  const workspace = await openWorkspace();
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
      project = await startCompose(plan.compose, workspace);
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

/** Decides for each server whether a program on this machine or a container is to be started. */
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
    // The Compose file fixes its versions; a wish for a certain series goes past it.
    const mayCompose =
      allowedRoutes(options.env).includes('docker') && seriesFor(name, wanted) === undefined;
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
  switch (binary.name) {
    case 'etcd':
      return startEtcd(binary, workspace);
    case 'nats':
      return startNats(binary, workspace);
    case 'postgres':
      return startPostgres(binary, workspace, { durable: options.durable });
  }
}
