import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { packageRoot } from '../../tools/stack/cache-dir.ts';
import { replicaArgv } from '../../tools/stack/replica-argv.ts';
import { startStack } from '../../tools/stack/servers.ts';
import type { Stack } from '../../tools/stack/servers.ts';
import { Watchdog } from '../../tools/stack/watchdog.ts';
import type { DevDatabase } from './database.ts';
import { givenServers, replicaEnv } from './environment.ts';
import type { DevOptions, DevUrls } from './environment.ts';
import { DevProcess, exitText } from './process.ts';

/** What a replica says of itself once it is ready. */
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

/** How to start one. */
export interface DevStackOptions extends DevOptions {
  env: NodeJS.ProcessEnv;
  /** Hears what goes on, in lines for a person. */
  say: (text: string) => void;
  /** Stops the start; what has been started is stopped then. */
  stop: AbortSignal;
  /** Everything is stopped by force from then on. */
  hurry: AbortSignal;
}

interface Replica {
  process: DevProcess<ReplicaReady>;
  ready: ReplicaReady;
}

/**
 * Servers, ledger and replicas on this machine; whatever it started, it stops, in the opposite
 * order.
 */
export class DevStack {
  /** Where replicas and the ledger write their logs; removed at the end. */
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

  private constructor(
    options: DevStackOptions,
    parts: {
      logDir: string;
      watchdog: Watchdog;
      namespace: string;
      stack: Stack;
      database: DevDatabase;
    },
  ) {
    this.#options = options;
    this.logDir = parts.logDir;
    this.namespace = parts.namespace;
    this.#watchdog = parts.watchdog;
    this.#stack = parts.stack;
    this.#database = parts.database;
    this.#ledger = new DevProcess({
      name: 'the ledger',
      argv: [join(this.packageDir, 'examples', 'ledger', 'ledger.mjs')],
      cwd: this.packageDir,
      env: options.env,
      logFile: join(this.logDir, 'ledger.log'),
      watchdog: this.#watchdog,
    });
  }

  /**
   * Starts everything that is not given, brings the database up to date, and pushes the examples.
   *
   * @throws ConfigError before anything is started; whatever else goes wrong, with all that had
   *   been started stopped
   */
  static async start(options: DevStackOptions): Promise<DevStack> {
    const { env, say, stop } = options;
    const given = givenServers(env, options);
    // Loaded beside the servers' start, which takes a while anyway.
    const databases = import('./database.ts');
    databases.catch(() => undefined);
    const stack = await startStack({
      env,
      say,
      given: {
        etcdUrls: given.etcdUrls,
        natsUrls: given.natsUrls,
        postgresUrl: given.ownerDatabaseUrl ?? given.databaseUrl,
      },
    });
    const logDir = await mkdtemp(join(tmpdir(), 'leasehold-dev-'));
    const watchdog = new Watchdog(logDir);
    let dev: DevStack | undefined;
    try {
      stop.throwIfAborted();
      const { prepareDatabase, pushExamples } = await databases;
      const { namespace } = given;
      const database = await prepareDatabase(namespace, given, stack.superuserUrl);
      stop.throwIfAborted();
      dev = new DevStack(options, { logDir, watchdog, namespace, stack, database });
      say(`starting ${options.replicas} ${options.replicas === 1 ? 'replica' : 'replicas'}`);
      await dev.#startAll(() => pushExamples(namespace, database.databaseUrl, packageRoot(), say));
      return dev;
    } catch (error) {
      await (dev?.stop() ?? closeAll(stack, watchdog, logDir));
      throw error;
    }
  }

  /** Living replicas, in the order of their start. */
  get replicas(): ReplicaReady[] {
    return this.#replicas.filter(({ process }) => process.running).map(({ ready }) => ready);
  }

  get ledgerUrl(): string {
    return this.#ledgerReady?.url ?? '';
  }

  /** Where everything is and which processes there are. */
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

  /** Our environment with the stack's URLs: for agents. */
  get env(): NodeJS.ProcessEnv {
    return { ...this.#options.env, LEASEHOLD_NATS_URLS: this.#stack.natsUrls.join(',') };
  }

  /** Starts one more replica; resolves once it is ready. */
  async addReplica(): Promise<ReplicaReady> {
    this.#options.stop.throwIfAborted();
    const index = this.#started.length + 1;
    const { env, leaseTtlS, say } = this.#options;
    const urls = { ...this.#stack, databaseUrl: this.#database.databaseUrl };
    const ownEnv = replicaEnv(env, urls, { index, leaseTtlS, packageDir: this.packageDir });
    const name = ownEnv['LEASEHOLD_REPLICA_NAME'] ?? '';
    const process = new DevProcess<ReplicaReady>({
      name,
      argv: replicaArgv(this.packageDir),
      cwd: this.packageDir,
      env: ownEnv,
      logFile: join(this.logDir, `${name}.log`),
      watchdog: this.#watchdog,
      // Whoever sets failpoints waits for their reports.
      overhear:
        (env['LEASEHOLD_FAILPOINTS'] ?? '') === ''
          ? undefined
          : { wanted: (line) => line.startsWith('{"failpoint":'), say },
    });
    this.#started.push(process);
    const ready = await process.ready;
    this.#replicas.push({ process, ready });
    void process.exited.then((exit) => {
      if (process.stopping) return;
      const left = this.replicas.length;
      const others = left === 0 ? 'none is left' : `${left} ${left === 1 ? 'is' : 'are'} left`;
      say(`${ready.replicaId} (pid ${ready.pid}) has ended: ${exitText(exit)}; ${others}`);
    });
    return ready;
  }

  /** Kills a replica (SIGKILL). Resolves when it is gone. */
  async killReplica(replicaId: string): Promise<void> {
    const replica = this.#replicas.find(({ ready }) => ready.replicaId === replicaId);
    if (replica === undefined) throw new Error(`${replicaId} is none of this stack's replicas`);
    replica.process.kill();
    await replica.process.exited;
  }

  /** Stops replicas, ledger and servers, in this order. Stopping twice is harmless. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stopAll());
  }

  async #startAll(pushExamples: () => Promise<void>): Promise<void> {
    const { replicas, stop } = this.#options;
    const aborted = new Promise<never>((_, reject) => {
      stop.addEventListener('abort', () => reject(stop.reason as Error), { once: true });
    });
    const ledger = this.#ledger.ready.then((ready) => (this.#ledgerReady = ready));
    const all = Array.from({ length: replicas }, () => this.addReplica());
    await Promise.race([Promise.all([ledger, pushExamples(), ...all]), aborted]);
    // In the order of their names, whichever was ready first.
    const order = this.#started;
    this.#replicas = this.#replicas.toSorted(
      (a, b) => order.indexOf(a.process) - order.indexOf(b.process),
    );
  }

  async #stopAll(): Promise<void> {
    const { hurry } = this.#options;
    await Promise.all(this.#started.map((replica) => replica.stop(hurry)));
    await this.#ledger.stop(hurry);
    const kill = (): void => this.#stack.servers.forEach((server) => server.kill());
    if (hurry.aborted) kill();
    hurry.addEventListener('abort', kill, { once: true });
    await closeAll(this.#stack, this.#watchdog, this.logDir);
  }
}

async function closeAll(stack: Stack, watchdog: Watchdog, logDir: string): Promise<void> {
  await stack.stop();
  await rm(logDir, { recursive: true, force: true });
  await watchdog.close();
}
