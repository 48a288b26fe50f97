import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { migrateLog, pushRunbooks } from '../log-access/log-setup.ts';
import { ownScript } from '../stack/own-script.ts';
import { createDatabase } from '../stack/postgres-server.ts';
import { closeWorkspace, openWorkspace } from '../stack/workspace.ts';
import type { Workspace } from '../stack/workspace.ts';
import type { BaselineJobs } from './baseline-jobs.ts';
import type { JobTable } from './jobs.ts';
import type { LeaseJobs } from './lease-jobs.ts';
import type { LoadJobs, LoadTarget } from './load-jobs.ts';
import type { BenchOptions } from './options.ts';
import { ReplicaPool } from './replica-pool.ts';
import { BENCH_RUNBOOKS } from './runbooks.ts';
import { startServers } from './servers.ts';
import type { BenchServers } from './servers.ts';
import { Worker } from './worker.ts';

/** Connections besides those of a baseline's agents: the replicas' and the bench's. */
const OTHER_CONNECTIONS = 150;
/** As in production. */
export const DEFAULT_TTL_S = 5;

/** What a {@link BenchStack} needs of a run's options. */
export type BenchStackOptions = Pick<BenchOptions, 'agents' | 'dir' | 'env'>;

/** How a pool's replicas and their database are made. */
export interface PoolOptions {
  /** Default: 5, as in production. */
  leaseTtlS?: number;
  /** The command line of the replicas' build. Default: this build's. */
  mainScript?: string;
  /**
   * Creates the schema in an empty database and stores the bench's runbooks. Default: this build
   * does.
   *
   * @returns the URL for the application's role
   */
  prepareDatabase?: (superuserUrl: string, namespace: string) => Promise<string>;
}

interface Started {
  workspace: Workspace;
  servers: BenchServers;
  baselinesUrl: string;
}

/** What a run measures on: servers, workers, and pools of replicas as scenarios need them. */
export class BenchStack {
  readonly servers: BenchServers;
  readonly load: Worker<LoadJobs>;
  readonly baselines: Worker<BaselineJobs>;
  /** The baselines' database: a separate one in the same Postgres. */
  readonly baselinesUrl: string;
  readonly #options: BenchStackOptions;
  readonly #workspace: Workspace;
  readonly #pools: ReplicaPool[] = [];
  readonly #workers: { kill(): Promise<void> }[] = [];
  #stopping: Promise<void> | undefined;

  private constructor(options: BenchStackOptions, started: Started) {
    this.#options = options;
    this.#workspace = started.workspace;
    this.servers = started.servers;
    this.baselinesUrl = started.baselinesUrl;
    this.load = this.#startWorker<LoadJobs>('load');
    this.baselines = this.#startWorker<BaselineJobs>('baselines');
  }

  /**
   * Starts the servers and workers.
   *
   * @throws the reason that one did not start; what had started is stopped first
   */
  static async start(
    options: BenchStackOptions,
    note: (text: string) => void,
  ): Promise<BenchStack> {
    mkdirSync(join(options.dir, 'logs'), { recursive: true });
    const workspace = await openWorkspace();
    const maxConnections = Math.max(...options.agents) + OTHER_CONNECTIONS;
    let servers: BenchServers | undefined;
    try {
      note('starting etcd, NATS and Postgres');
      servers = await startServers(workspace, options.env, maxConnections, note);
      const baselinesUrl = await createDatabase(servers.postgres.url, 'baselines');
      const stack = new BenchStack(options, { workspace, servers, baselinesUrl });
      await stack.baselines.run('prepare', { url: baselinesUrl });
      return stack;
    } catch (error) {
      await servers?.stop();
      await closeWorkspace(workspace);
      throw error;
    }
  }

  /** Creates a pool without replicas, with a separate namespace and database. */
  async createPool(namespace: string, options: PoolOptions = {}): Promise<ReplicaPool> {
    const { leaseTtlS = DEFAULT_TTL_S, mainScript, prepareDatabase = prepareByThisBuild } = options;
    const { etcd, nats, postgres } = this.servers;
    const superuserUrl = await createDatabase(postgres.url, namespace.replaceAll('-', '_'));
    const databaseUrl = await prepareDatabase(superuserUrl, namespace);
    const pool = new ReplicaPool({
      namespace,
      etcdUrl: etcd.url,
      natsUrl: nats.url,
      databaseUrl,
      superuserUrl,
      leaseTtlS,
      mainScript,
      dir: this.#logs,
      watchdog: this.#workspace.watchdog,
      env: this.#options.env,
    });
    this.#pools.push(pool);
    return pool;
  }

  /** Starts a process with a coordinator. */
  async startLeaseWorker(
    replicaId: string,
    namespace: string,
    maxHoldings: number,
  ): Promise<Worker<LeaseJobs>> {
    const worker = this.#startWorker<LeaseJobs>('leases', ['--expose-gc']);
    const etcdUrl = this.servers.etcd.url;
    await worker.run('open', { etcdUrl, namespace, replicaId, ttlS: DEFAULT_TTL_S, maxHoldings });
    return worker;
  }

  /** Directs the load generator at a pool. */
  async directLoadAt(
    { namespace }: ReplicaPool,
    how: Pick<LoadTarget, 'broadcastOnly'> = {},
  ): Promise<void> {
    await this.load.run('connect', { natsUrls: [this.servers.nats.url], namespace, ...how });
  }

  /** Kills the replicas that a scenario left running, for example when it failed. */
  async clear(): Promise<void> {
    await Promise.all(this.#pools.splice(0).map((pool) => pool.kill()));
  }

  /** Ends everything that was started. Calling it twice is harmless. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  async #stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.kill()));
    await Promise.all(this.#pools.map((pool) => pool.kill()));
    await this.servers.stop();
    await closeWorkspace(this.#workspace);
  }

  /** Runs NAME-main; the worker ends with the stack. */
  #startWorker<Jobs extends JobTable>(
    name: string,
    nodeOptions: readonly string[] = [],
  ): Worker<Jobs> {
    const worker = new Worker<Jobs>({
      name: `the ${name} process`,
      argv: [...nodeOptions, ...ownScript(`${name}-main`, import.meta.dirname)],
      logFile: join(this.#logs, `${name}.log`),
      watchdog: this.#workspace.watchdog,
    });
    this.#workers.push(worker);
    return worker;
  }

  get #logs(): string {
    return join(this.#options.dir, 'logs');
  }
}

async function prepareByThisBuild(superuserUrl: string, namespace: string): Promise<string> {
  const databaseUrl = await migrateLog(superuserUrl, namespace);
  const documents = BENCH_RUNBOOKS.map(({ document }) => document);
  await pushRunbooks(databaseUrl, namespace, documents);
  return databaseUrl;
}
