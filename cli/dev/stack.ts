import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ConfigError } from '../../src/config/config.ts';
import { packageRoot } from '../../tools/stack/cache-dir.ts';
import { KeptDirError } from '../../tools/stack/kept-dir.ts';
import { replicaArgv } from '../../tools/stack/replica-argv.ts';
import { startStack } from '../../tools/stack/servers.ts';
import type { Stack, StackOptions } from '../../tools/stack/servers.ts';
import { Watchdog } from '../../tools/stack/watchdog.ts';
import type { DevDatabase } from './database.ts';
import { readExternalServers, replicaEnv } from './environment.ts';
import type { DevSize, DevUrls } from './environment.ts';
import { reachGivenServers } from './given-servers.ts';
import { choosePorts, portOf, refusePortsOfGiven, rememberPorts } from './ports.ts';
import type { DevPorts } from './ports.ts';
import { DevProcess, exitText } from './process.ts';

/** The line that a replica prints once it is ready. */
export interface ReplicaReady {
  replicaId: string;
  pid: number;
  httpUrl: string;
}

interface LedgerReady {
  pid: number;
  url: string;
}

/** The line that `leasehold dev --json` prints. */
export interface DevReadyLine extends DevUrls {
  ready: true;
  namespace: string;
  ownerDatabaseUrl: string | null;
  ledgerUrl: string;
  servers: { name: string; pid: number }[];
  replicas: ReplicaReady[];
}

/** How to start a stack. */
export interface DevStackOptions extends DevSize {
  env: NodeJS.ProcessEnv;
  /** Fixed ports. Default: free ones. */
  ports: DevPorts;
  /** A directory that keeps the data for the next run. Default: the data is removed. */
  dataDir: string | undefined;
  /** Reports progress, in lines for people. */
  say: (text: string) => void;
  /** Cancels the start; what has been started is stopped. */
  stop: AbortSignal;
  /** From then on, processes are killed instead of stopped. */
  force: AbortSignal;
}

interface StartedParts {
  logDir: string;
  watchdog: Watchdog;
  namespace: string;
  stack: Stack;
  database: DevDatabase;
  ports: DevPorts;
}

interface Replica {
  process: DevProcess<ReplicaReady>;
  ready: ReplicaReady;
}

/** Servers, ledger and replicas on this machine. What it starts, it stops in reverse order. */
export class DevStack {
  /** The directory of the logs of the replicas and the ledger; removed at the end. */
  readonly logDir: string;
  readonly packageDir = packageRoot();
  readonly namespace: string;
  readonly #options: DevStackOptions;
  readonly #watchdog: Watchdog;
  readonly #stack: Stack;
  readonly #database: DevDatabase;
  readonly #ledger: DevProcess<LedgerReady>;
  readonly #started: DevProcess<ReplicaReady>[] = [];
  #ledgerReady: LedgerReady | undefined;
  #replicas: Replica[] = [];
  #stopping: Promise<void> | undefined;

  private constructor(options: DevStackOptions, started: StartedParts) {
    this.#options = options;
    this.logDir = started.logDir;
    this.namespace = started.namespace;
    this.#watchdog = started.watchdog;
    this.#stack = started.stack;
    this.#database = started.database;
    this.#ledger = new DevProcess({
      name: 'the ledger',
      argv: [
        join(this.packageDir, 'examples', 'ledger', 'ledger.mjs'),
        String(started.ports.ledger ?? 0),
        ...(options.dataDir === undefined ? [] : [join(options.dataDir, 'ledger.jsonl')]),
      ],
      cwd: process.cwd(),
      env: options.env,
      logFile: join(this.logDir, 'ledger.log'),
      watchdog: this.#watchdog,
    });
  }

  /**
   * Starts the servers that the environment does not name, upgrades the database, pushes the
   * examples, and starts the ledger and the replicas.
   *
   * @throws ConfigError before anything is started. After any other error, what had been started is
   *   stopped.
   */
  static async start(options: DevStackOptions): Promise<DevStack> {
    const { env, say, stop, dataDir } = options;
    const external = readExternalServers(env, options);
    const { namespace, etcdUrls, natsUrls, databaseUrl, ownerDatabaseUrl } = external;
    refusePortsOfGiven(options.ports, external);
    const ports = await choosePorts(options.ports, dataDir);
    await reachGivenServers(external);
    say('starting the servers');
    // Imported while the servers start, which takes longer.
    const modules = Promise.all([import('./database.ts'), import('./examples.ts')]);
    modules.catch(() => undefined);
    const stack = await startServers({
      env,
      say,
      ports,
      dataDir,
      given: { etcdUrls, natsUrls, postgresUrl: ownerDatabaseUrl ?? databaseUrl },
    });
    const logDir = await mkdtemp(join(tmpdir(), 'leasehold-dev-'));
    const watchdog = new Watchdog(logDir);
    let dev: DevStack | undefined;
    try {
      stop.throwIfAborted();
      const [{ prepareDatabase }, { pushExamples }] = await modules;
      const database = await prepareDatabase(namespace, external, stack.superuserUrl);
      stop.throwIfAborted();
      dev = new DevStack(options, { logDir, watchdog, namespace, stack, database, ports });
      say(`starting ${replicasText(options.replicas)}`);
      const { databaseUrl: url } = database;
      const packageDir = packageRoot();
      await dev.#startAll((ledgerUrl) =>
        pushExamples({ namespace, databaseUrl: url, packageDir, ledgerUrl, say }),
      );
      if (dataDir !== undefined) await rememberPorts(dataDir, dev.#ports());
      return dev;
    } catch (error) {
      await (dev?.stop() ?? closeAll(stack, watchdog, logDir));
      throw error;
    }
  }

  /** Running replicas, in the order in which they were started. */
  get replicas(): ReplicaReady[] {
    return this.#replicas.filter(({ process }) => process.running).map(({ ready }) => ready);
  }

  /** The directory that keeps the data; undefined where it will be removed. */
  get dataDir(): string | undefined {
    return this.#options.dataDir;
  }

  get ledgerUrl(): string {
    return this.#ledgerReady?.url ?? '';
  }

  /** The URLs and processes of the stack. */
  get readyLine(): DevReadyLine {
    return {
      ready: true,
      namespace: this.namespace,
      etcdUrls: this.#stack.etcdUrls,
      natsUrls: this.#stack.natsUrls,
      databaseUrl: this.#database.databaseUrl,
      ownerDatabaseUrl: this.#database.ownerDatabaseUrl,
      ledgerUrl: this.ledgerUrl,
      servers: [
        ...this.#stack.servers.map(({ name, pid }) => ({ name, pid })),
        { name: 'ledger', pid: this.#ledgerReady?.pid ?? 0 },
      ],
      replicas: this.replicas.map(({ replicaId, pid, httpUrl }) => ({ replicaId, pid, httpUrl })),
    };
  }

  /** An agent's environment: this process's, with the stack's URLs. */
  get env(): NodeJS.ProcessEnv {
    return { ...this.#options.env, LEASEHOLD_NATS_URLS: this.#stack.natsUrls.join(',') };
  }

  /** Starts one more replica; resolves once it is ready. */
  async addReplica(): Promise<ReplicaReady> {
    this.#options.stop.throwIfAborted();
    const index = this.#started.length + 1;
    const { env, leaseTtlS, say } = this.#options;
    const urls = { ...this.#stack, databaseUrl: this.#database.databaseUrl };
    const replicaEnvironment = replicaEnv(env, urls, {
      index,
      leaseTtlS,
      packageDir: this.packageDir,
    });
    const name = replicaEnvironment['LEASEHOLD_REPLICA_NAME'] ?? '';
    const process = new DevProcess<ReplicaReady>({
      name,
      argv: replicaArgv(this.packageDir),
      // Commands of cells run where dev was called, and relative paths in variables mean that.
      cwd: globalThis.process.cwd(),
      env: replicaEnvironment,
      logFile: join(this.logDir, `${name}.log`),
      watchdog: this.#watchdog,
      // With failpoints set, the caller waits for their reports.
      forward:
        (env['LEASEHOLD_FAILPOINTS'] ?? '') === ''
          ? undefined
          : { filter: (line) => line.startsWith('{"failpoint":'), say },
    });
    this.#started.push(process);
    const ready = await process.ready;
    this.#replicas.push({ process, ready });
    void process.exited.then((exit) => {
      if (process.stopping) return;
      const left = this.replicas.length;
      const others = left === 0 ? 'no replica is left' : `${replicasText(left)} left`;
      say(`${ready.replicaId} (pid ${ready.pid}) has ended: ${exitText(exit)}; ${others}`);
    });
    return ready;
  }

  /** Kills a replica (SIGKILL). Resolves when it is gone. */
  async killReplica(replicaId: string): Promise<void> {
    const replica = this.#replicas.find(({ ready }) => ready.replicaId === replicaId);
    if (replica === undefined) throw new Error(`${replicaId} is not a replica of this stack`);
    replica.process.kill();
    await replica.process.exited;
  }

  /** Stops replicas, ledger and servers, in this order. Calling it again changes nothing. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stopAll());
  }

  async #startAll(pushExamples: (ledgerUrl: string) => Promise<void>): Promise<void> {
    const { replicas, stop } = this.#options;
    const aborted = new Promise<never>((_, reject) => {
      stop.addEventListener('abort', () => reject(stop.reason as Error), { once: true });
    });
    const pushed = this.#ledger.ready.then((ready) => {
      this.#ledgerReady = ready;
      return pushExamples(ready.url);
    });
    const all = Array.from({ length: replicas }, () => this.addReplica());
    await Promise.race([Promise.all([pushed, ...all]), aborted]);
    // In the order of their names, not in the order in which they became ready.
    const order = this.#started;
    this.#replicas = this.#replicas.toSorted(
      (a, b) => order.indexOf(a.process) - order.indexOf(b.process),
    );
  }

  #ports(): DevPorts {
    const started = this.#stack.servers.map(({ name, url }) => [name, portOf(url)] as const);
    return { ...Object.fromEntries(started), ledger: portOf(this.ledgerUrl) };
  }

  async #stopAll(): Promise<void> {
    const { force } = this.#options;
    await Promise.all(this.#started.map((replica) => replica.stop(force)));
    await this.#ledger.stop(force);
    const kill = (): void => this.#stack.servers.forEach((server) => server.kill());
    if (force.aborted) kill();
    force.addEventListener('abort', kill, { once: true });
    await closeAll(this.#stack, this.#watchdog, this.logDir);
  }
}

/** @throws ConfigError if the data cannot be kept where `--data` says */
async function startServers(options: StackOptions): Promise<Stack> {
  try {
    return await startStack(options);
  } catch (error) {
    if (error instanceof KeptDirError) throw new ConfigError([`--data: ${error.message}`]);
    throw error;
  }
}

function replicasText(count: number): string {
  return `${count} ${count === 1 ? 'replica' : 'replicas'}`;
}

async function closeAll(stack: Stack, watchdog: Watchdog, logDir: string): Promise<void> {
  await stack.stop();
  await rm(logDir, { recursive: true, force: true });
  await watchdog.close();
}
