import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { startEtcdCluster } from '../stack/etcd-cluster.ts';
import type { EtcdCluster } from '../stack/etcd-cluster.ts';
import { locateServer } from '../stack/locate.ts';
import { startNats } from '../stack/nats-server.ts';
import { startPostgres } from '../stack/postgres-server.ts';
import type { Server } from '../stack/server-process.ts';
import type { Workspace } from '../stack/workspace.ts';
import { hostileNatsConfig } from './hostile/hostile.ts';

/** A run's servers: three etcd members, NATS, and a Postgres that syncs to disk. */
export class ChaosServers {
  readonly cluster: EtcdCluster;
  readonly nats: Server;
  readonly postgres: Server;
  /** The latest outage of each server; the next one waits for it. */
  readonly #outages = new Map<Server, Promise<unknown>>();

  private constructor(cluster: EtcdCluster, nats: Server, postgres: Server) {
    this.cluster = cluster;
    this.nats = nats;
    this.postgres = postgres;
  }

  /** @throws ServerNotFoundError, ServerStartError */
  static async start(
    workspace: Workspace,
    env: NodeJS.ProcessEnv,
    say: (text: string) => void,
  ): Promise<ChaosServers> {
    const [etcd, nats, postgres] = await Promise.all([
      locateServer('etcd', { env, say }),
      locateServer('nats', { env, say }),
      locateServer('postgres', { env, say }),
    ]);
    const configFile = join(workspace.dir, 'nats.conf');
    await writeFile(configFile, hostileNatsConfig());
    const started = await Promise.allSettled([
      startEtcdCluster(etcd, workspace),
      startNats(nats, workspace, { configFile }),
      startPostgres(postgres, workspace, { durable: true }),
    ]);
    const [cluster, natsServer, postgresServer] = started;
    if (
      cluster.status === 'fulfilled' &&
      natsServer.status === 'fulfilled' &&
      postgresServer.status === 'fulfilled'
    ) {
      return new ChaosServers(cluster.value, natsServer.value, postgresServer.value);
    }
    const servers = started.flatMap((one) => {
      if (one.status === 'rejected') return [];
      return 'members' in one.value ? one.value.members : [one.value];
    });
    await Promise.all(servers.map((server) => server.stop()));
    throw started.find((one) => one.status === 'rejected')?.reason;
  }

  get all(): readonly Server[] {
    return [...this.cluster.members, this.nats, this.postgres];
  }

  /**
   * Kills servers with SIGKILL, or stops them cleanly, and starts them again together once `until`
   * resolves.
   */
  async outage(
    servers: readonly Server[],
    how: 'kill' | 'stop',
    until: () => Promise<void>,
  ): Promise<void> {
    const before = servers.map((server) => this.#outages.get(server) ?? Promise.resolve());
    const work = Promise.all(before).then(async () => {
      if (how === 'kill') for (const server of servers) server.kill();
      else await Promise.all(servers.map((server) => server.stop()));
      await until();
      // Together, because etcd members wait for one another.
      await Promise.all(servers.map((server) => server.restart()));
    });
    for (const server of servers)
      this.#outages.set(
        server,
        work.catch(() => undefined),
      );
    await work;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#outages.values());
    await Promise.all(this.all.map((server) => server.stop()));
  }
}
