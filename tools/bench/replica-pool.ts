import { join } from 'node:path';

import { ALLOW_EVERYWHERE } from '../../src/config/http-allow.ts';
import { Child } from '../stack/child.ts';
import { ownModule } from '../stack/own-script.ts';
import { packageRoot } from '../stack/cache-dir.ts';
import { replicaArgv, replicaArgvOf } from '../stack/replica-argv.ts';
import type { Watchdog } from '../stack/watchdog.ts';

/** How to start the replicas of a pool. */
export interface ReplicaPoolOptions {
  namespace: string;
  etcdUrl: string;
  natsUrl: string;
  /** With the application's role. */
  databaseUrl: string;
  /** The same database as a superuser. */
  superuserUrl: string;
  leaseTtlS: number;
  /** The command line of the replicas' build. Default: this build's. */
  mainScript?: string | undefined;
  /** The directory for their logs. */
  dir: string;
  watchdog: Watchdog;
  env: NodeJS.ProcessEnv;
}

/** A replica that is ready. */
export interface PooledReplica {
  readonly name: string;
  readonly replicaId: string;
  readonly pid: number;
  /** Of its health and metrics. */
  readonly httpUrl: string;
  /** Resolves when its process has ended. */
  readonly exited: Promise<unknown>;
  signal(signal: NodeJS.Signals): void;
}

interface Ready {
  replicaId: string;
  pid: number;
  httpUrl: string;
}

const DRAIN_WITHIN_MS = 12_000;

/**
 * Replicas of one namespace, each a process of the compiled command line, connected to the servers
 * without proxies.
 */
export class ReplicaPool {
  readonly namespace: string;
  readonly databaseUrl: string;
  readonly superuserUrl: string;
  readonly #options: ReplicaPoolOptions;
  readonly #replicas = new Map<string, PooledReplica>();
  /** All processes that run, also those that are not ready yet. */
  readonly #running = new Set<Child<Ready>>();
  #started = 0;

  constructor(options: ReplicaPoolOptions) {
    this.namespace = options.namespace;
    this.databaseUrl = options.databaseUrl;
    this.superuserUrl = options.superuserUrl;
    this.#options = options;
  }

  /** The replicas that are ready, oldest first. */
  get replicas(): readonly PooledReplica[] {
    return [...this.#replicas.values()];
  }

  /**
   * Starts replicas and waits until all are ready.
   *
   * @throws Error with the end of the log of one that exited before it was ready
   */
  async start(count: number): Promise<readonly PooledReplica[]> {
    return Promise.all(Array.from({ length: count }, () => this.#startOne()));
  }

  async #startOne(): Promise<PooledReplica> {
    const { dir, watchdog, namespace, mainScript } = this.#options;
    const name = `${namespace}-r${(this.#started += 1)}`;
    const child = new Child<Ready>({
      name,
      argv: mainScript === undefined ? replicaArgv(packageRoot()) : replicaArgvOf(mainScript),
      env: { ...this.#env(), LEASEHOLD_REPLICA_NAME: name },
      logFile: join(dir, `${name}.log`),
      watchdog,
    });
    this.#running.add(child);
    void child.exited.then(() => this.#running.delete(child));
    const { replicaId, httpUrl } = await child.ready;
    const replica: PooledReplica = {
      name,
      replicaId,
      pid: child.pid,
      httpUrl,
      exited: child.exited,
      signal: (signal) => child.signal(signal),
    };
    this.#replicas.set(name, replica);
    void child.exited.then(() => this.#replicas.delete(name));
    return replica;
  }

  /** Drains all replicas, and kills those that do not exit in time. */
  stop(): Promise<void> {
    return this.stopAllBut(0);
  }

  /** Drains all but the oldest `count` replicas. */
  async stopAllBut(count: number): Promise<void> {
    await Promise.all(
      this.replicas.slice(count).map(async (replica) => {
        replica.signal('SIGCONT');
        replica.signal('SIGTERM');
        const force = setTimeout(() => replica.signal('SIGKILL'), DRAIN_WITHIN_MS);
        await replica.exited;
        clearTimeout(force);
      }),
    );
  }

  /** Sends SIGKILL to all, also to those that are not ready yet. */
  async kill(): Promise<void> {
    const all = [...this.#running];
    for (const child of all) child.signal('SIGKILL');
    await Promise.all(all.map(({ exited }) => exited));
  }

  /** No LEASEHOLD_ variable and no Node option of the caller reaches a replica. */
  #env(): NodeJS.ProcessEnv {
    const { env, namespace, etcdUrl, natsUrl, databaseUrl, leaseTtlS } = this.#options;
    const kept = Object.fromEntries(
      Object.entries(env).filter(
        ([name]) => !name.startsWith('LEASEHOLD_') && name !== 'NODE_OPTIONS',
      ),
    );
    return {
      ...kept,
      LEASEHOLD_NAMESPACE: namespace,
      LEASEHOLD_ETCD_URLS: etcdUrl,
      LEASEHOLD_NATS_URLS: natsUrl,
      LEASEHOLD_DATABASE_URL: databaseUrl,
      LEASEHOLD_LEASE_TTL_S: String(leaseTtlS),
      LEASEHOLD_HANDLERS: ownModule('handlers', import.meta.dirname),
      LEASEHOLD_HTTP_ALLOW: ALLOW_EVERYWHERE,
      LEASEHOLD_LOG_LEVEL: 'warn',
    };
  }
}
