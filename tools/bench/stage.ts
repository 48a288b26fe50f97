import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { ownScript } from '../stack/own-script.ts';
import { createDatabase } from '../stack/postgres-server.ts';
import { closeWorkspace, openWorkspace } from '../stack/workspace.ts';
import type { Workspace } from '../stack/workspace.ts';
import { Crew } from './crew.ts';
import type { LoadOrders, LoadTarget } from './load-orders.ts';
import type { BenchOptions } from './options.ts';
import type { BaselineOrders, BenchPorts, LeaseOrders } from './ports.ts';
import { BENCH_RUNBOOKS } from './runbooks.ts';
import { startServers } from './servers.ts';
import type { BenchServers } from './servers.ts';
import { Worker } from './worker.ts';

/** Connections beside those of the agents of a baseline: replicas, and our own. */
const OTHER_CONNECTIONS = 150;
/** As in production. */
export const USUAL_TTL_S = 5;

/** What {@link Stage} needs of a run's options. */
export type StageOptions = Pick<BenchOptions, 'agents' | 'dir' | 'env'>;

/** A build of replicas, and how its database is prepared. */
export interface ReplicaBuild {
  /** Its command line. Default: this build's. */
  mainScript?: string;
  /** Default: 5, as in production. */
  leaseTtlS?: number;
  /** Creates the schema in an empty database and stores the runbooks. @returns the application's URL */
  prepare: (superuserUrl: string, namespace: string) => Promise<string>;
}

/**
 * What a run measures on: servers and children of its own, and replicas as a scenario asks for
 * them.
 */
export class Stage {
  readonly servers: BenchServers;
  readonly load: Worker<LoadOrders>;
  readonly baselines: Worker<BaselineOrders>;
  /** Where the baselines' tables are: a database of its own in the same Postgres. */
  readonly baselinesUrl: string;
  readonly ports: BenchPorts;
  readonly #options: StageOptions;
  readonly #workspace: Workspace;
  readonly #crews: Crew[] = [];
  readonly #workers: { kill(): Promise<void> }[] = [];
  #stopping: Promise<void> | undefined;

  private constructor(
    options: StageOptions,
    ports: BenchPorts,
    parts: { workspace: Workspace; servers: BenchServers; baselinesUrl: string },
  ) {
    this.ports = ports;
    this.#options = options;
    this.#workspace = parts.workspace;
    this.servers = parts.servers;
    this.baselinesUrl = parts.baselinesUrl;
    this.load = this.worker<LoadOrders>('load', ownScript('load-main', import.meta.dirname));
    this.baselines = this.worker<BaselineOrders>('baselines', ports.baselinesArgv);
  }

  /**
   * Brings the servers up. @throws what kept them from starting; what had been started is stopped
   * before
   */
  static async set(
    options: StageOptions,
    ports: BenchPorts,
    say: (text: string) => void,
  ): Promise<Stage> {
    mkdirSync(join(options.dir, 'logs'), { recursive: true });
    const workspace = await openWorkspace();
    const maxConnections = Math.max(...options.agents) + OTHER_CONNECTIONS;
    let servers: BenchServers | undefined;
    try {
      say('starting etcd, NATS and Postgres');
      servers = await startServers(workspace, options.env, maxConnections, say);
      const baselinesUrl = await createDatabase(servers.postgres.url, 'baselines');
      const stage = new Stage(options, ports, { workspace, servers, baselinesUrl });
      await stage.baselines.ask('prepare', { url: baselinesUrl });
      return stage;
    } catch (error) {
      await servers?.stop();
      await closeWorkspace(workspace);
      throw error;
    }
  }

  /**
   * A crew in a namespace and a database of its own, with the bench's runbooks and no replica yet.
   *
   * @param leaseTtlS default: 5, as in production
   */
  async crew(namespace: string, leaseTtlS = USUAL_TTL_S): Promise<Crew> {
    return this.crewOf(namespace, {
      leaseTtlS,
      prepare: async (superuserUrl) => {
        const databaseUrl = await this.ports.migrate(superuserUrl, namespace);
        const documents = BENCH_RUNBOOKS.map(({ document }) => document);
        await this.ports.pushRunbooks(databaseUrl, namespace, documents);
        return databaseUrl;
      },
    });
  }

  /** The same for replicas of another build. */
  async crewOf(
    namespace: string,
    { prepare, mainScript, leaseTtlS = USUAL_TTL_S }: ReplicaBuild,
  ): Promise<Crew> {
    const superuserUrl = await createDatabase(
      this.servers.postgres.url,
      namespace.replaceAll('-', '_'),
    );
    const databaseUrl = await prepare(superuserUrl, namespace);
    const crew = new Crew({
      namespace,
      etcdUrl: this.servers.etcd.url,
      natsUrl: this.servers.nats.url,
      databaseUrl,
      superuserUrl,
      leaseTtlS,
      mainScript,
      dir: this.#logs,
      watchdog: this.#workspace.watchdog,
      env: this.#options.env,
    });
    this.#crews.push(crew);
    return crew;
  }

  /** A process with a coordinator of its own. */
  async leases(
    replicaId: string,
    namespace: string,
    maxHoldings: number,
  ): Promise<Worker<LeaseOrders>> {
    const worker = this.worker<LeaseOrders>('leases', this.ports.leasesArgv);
    const etcdUrl = this.servers.etcd.url;
    await worker.ask('open', { etcdUrl, namespace, replicaId, ttlS: USUAL_TTL_S, maxHoldings });
    return worker;
  }

  /** Points the load at a crew. */
  async aimAt({ namespace }: Crew, how: Pick<LoadTarget, 'broadcastOnly'> = {}): Promise<void> {
    await this.load.ask('connect', { natsUrls: [this.servers.nats.url], namespace, ...how });
  }

  /** A child process that ends with the stage. */
  worker<Book extends LoadOrders | BaselineOrders | LeaseOrders>(
    name: string,
    argv: readonly string[],
  ): Worker<Book> {
    const logFile = join(this.#logs, `${name}.log`);
    const worker = new Worker<Book>({
      name: `the ${name} process`,
      argv,
      logFile,
      watchdog: this.#workspace.watchdog,
    });
    this.#workers.push(worker);
    return worker;
  }

  get #logs(): string {
    return join(this.#options.dir, 'logs');
  }

  /** Ends what a scenario has left behind, after a failure say. */
  async clear(): Promise<void> {
    await Promise.all(this.#crews.splice(0).map((crew) => crew.kill()));
  }

  /** Ends everything that was started. Stopping twice is harmless. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  async #stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.kill()));
    await Promise.all(this.#crews.map((crew) => crew.kill()));
    await this.servers.stop();
    await closeWorkspace(this.#workspace);
  }
}
