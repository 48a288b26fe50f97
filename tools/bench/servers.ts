import { startEtcd } from '../stack/etcd-server.ts';
import { freePort } from '../stack/free-port.ts';
import { locateServer } from '../stack/locate.ts';
import { startNats } from '../stack/nats-server.ts';
import { startPostgres } from '../stack/postgres-server.ts';
import { querySql } from '../stack/postgres-wire.ts';
import type { Server } from '../stack/server-process.ts';
import type { Workspace } from '../stack/workspace.ts';

/** The servers of a run, one of each. */
export interface BenchServers {
  etcd: Server;
  nats: Server;
  /** Syncs every commit to disk. */
  postgres: Server;
  /** The URL of NATS monitoring: `http://127.0.0.1:PORT`. */
  natsMonitorUrl: string;
  stop(): Promise<void>;
}

/**
 * Starts etcd, NATS and Postgres on loopback.
 *
 * @throws ServerNotFoundError, ServerStartError; servers that had started are stopped first
 */
export async function startServers(
  workspace: Workspace,
  env: NodeJS.ProcessEnv,
  maxConnections: number,
  note: (text: string) => void,
): Promise<BenchServers> {
  const [etcd, nats, postgres] = await Promise.all([
    locateServer('etcd', { env, say: note }),
    locateServer('nats', { env, say: note }),
    locateServer('postgres', { env, say: note }),
  ]);
  const monitorPort = await freePort();
  const starts = await Promise.allSettled([
    startEtcd(etcd, workspace),
    startNats(nats, workspace, { monitorPort }),
    startPostgres(postgres, workspace, { durable: true, maxConnections }),
  ]);
  const started = starts.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.stop()));
  };
  const [etcdServer, natsServer, postgresServer] = started;
  if (etcdServer === undefined || natsServer === undefined || postgresServer === undefined) {
    await stop();
    throw starts.find((one) => one.status === 'rejected')?.reason;
  }
  return {
    etcd: etcdServer,
    nats: natsServer,
    postgres: postgresServer,
    natsMonitorUrl: `http://127.0.0.1:${monitorPort}`,
    stop,
  };
}

const SETTINGS = [
  'fsync',
  'synchronous_commit',
  'full_page_writes',
  'wal_sync_method',
  'shared_buffers',
  'max_connections',
];

/** The settings of the database, for readers of the figures. */
export async function postgresSettings(superuserUrl: string): Promise<Record<string, string>> {
  const names = SETTINGS.map((name) => `'${name}'`).join(', ');
  const rows = await querySql(
    superuserUrl,
    `select name, current_setting(name) from pg_settings where name in (${names}) order by name`,
  );
  return Object.fromEntries(rows.map(([name, value]) => [name ?? '', value ?? '']));
}
