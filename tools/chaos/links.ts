import { LINKED_SERVERS } from './faults.ts';
import type { LinkedServer } from './faults.ts';
import { FaultProxy } from './proxy.ts';

/** Where the servers themselves listen. */
export interface ServerUrls {
  etcdUrls: readonly string[];
  natsUrl: string;
  /** Of the application's role. */
  databaseUrl: string;
}

/**
 * One replica's connections, each through proxies of its own: one for each etcd member, one for
 * NATS, one for Postgres.
 */
export class Links {
  readonly #proxies: Record<LinkedServer, { url: string; proxy: FaultProxy }[]>;

  private constructor(proxies: Record<LinkedServer, { url: string; proxy: FaultProxy }[]>) {
    this.#proxies = proxies;
  }

  static async open(urls: ServerUrls): Promise<Links> {
    const before = async (url: string) => {
      const { hostname, port } = new URL(url);
      return { url, proxy: await FaultProxy.before({ host: hostname, port: Number(port) }) };
    };
    const [etcd, nats, postgres] = await Promise.all([
      Promise.all(urls.etcdUrls.map(before)),
      before(urls.natsUrl),
      before(urls.databaseUrl),
    ]);
    return new Links({ etcd, nats: [nats], postgres: [postgres] });
  }

  /** What a replica is given to connect to. */
  get env(): NodeJS.ProcessEnv {
    return {
      LEASEHOLD_ETCD_URLS: this.#urls('etcd').join(','),
      LEASEHOLD_NATS_URLS: this.#urls('nats').join(','),
      LEASEHOLD_DATABASE_URL: this.#urls('postgres').join(','),
    };
  }

  /** The proxies between the replica and one server. */
  to(server: LinkedServer): FaultProxy[] {
    return this.#proxies[server].map(({ proxy }) => proxy);
  }

  /** Everything passes again. */
  async heal(): Promise<void> {
    await Promise.all(
      LINKED_SERVERS.flatMap((server) => this.to(server).map((proxy) => proxy.heal())),
    );
  }

  async close(): Promise<void> {
    await Promise.all(
      LINKED_SERVERS.flatMap((server) => this.to(server).map((proxy) => proxy.close())),
    );
  }

  #urls(server: LinkedServer): string[] {
    return this.#proxies[server].map(({ url, proxy }) => {
      const through = new URL(url);
      through.host = `127.0.0.1:${proxy.port}`;
      return through.pathname === '/' ? through.href.replace(/\/$/, '') : through.href;
    });
  }
}
