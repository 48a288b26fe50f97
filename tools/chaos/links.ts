import { LINKED_SERVERS } from './faults.ts';
import type { LinkedServer } from './faults.ts';
import { FaultProxy } from './proxy.ts';

/** Where the servers listen. */
export interface ServerUrls {
  etcdUrls: readonly string[];
  natsUrl: string;
  /** For the application's role. */
  databaseUrl: string;
}

/** The proxies to each server, with the URL each leads to. */
type Proxies = Record<LinkedServer, { url: string; proxy: FaultProxy }[]>;

/**
 * The links between one replica and its servers. Each goes through a separate proxy: one for each
 * etcd member, one for NATS, one for Postgres.
 */
export class Links {
  readonly #proxies: Proxies;

  private constructor(proxies: Proxies) {
    this.#proxies = proxies;
  }

  static async open(urls: ServerUrls): Promise<Links> {
    const proxied = async (url: string) => {
      const { hostname, port } = new URL(url);
      return { url, proxy: await FaultProxy.open({ host: hostname, port: Number(port) }) };
    };
    const [etcd, nats, postgres] = await Promise.all([
      Promise.all(urls.etcdUrls.map(proxied)),
      proxied(urls.natsUrl),
      proxied(urls.databaseUrl),
    ]);
    return new Links({ etcd, nats: [nats], postgres: [postgres] });
  }

  /** The URLs that lead a replica through the proxies. */
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

  /** Ends every fault on these links. */
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
