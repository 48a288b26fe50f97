import { join } from 'node:path';

import { Child } from '../stack/child.ts';
import { ownModule } from '../stack/own-script.ts';
import { packageRoot } from '../stack/cache-dir.ts';
import { replicaArgv, replicaArgvOf } from '../stack/replica-argv.ts';
import type { Watchdog } from '../stack/watchdog.ts';

/** What replicas are started with. */
export interface CrewOptions {
  namespace: string;
  etcdUrl: string;
  natsUrl: string;
  /** The application's. */
  databaseUrl: string;
  /** Of the same database. */
  superuserUrl: string;
  leaseTtlS: number;
  /** The script that is the command line of the replicas' build. Default: this build's. */
  mainScript?: string | undefined;
  /** Where their logs go. */
  dir: string;
  watchdog: Watchdog;
  env: NodeJS.ProcessEnv;
}

/** A replica that is ready. */
export interface CrewMember {
  readonly name: string;
  readonly replicaId: string;
  readonly pid: number;
  /** Resolves when its process has ended. */
  readonly exited: Promise<unknown>;
  signal(signal: NodeJS.Signals): void;
}

interface Ready {
  replicaId: string;
  pid: number;
}

const DRAIN_WITHIN_MS = 12_000;

/** Replicas as the built command line, each a process of its own, straight at the servers. */
export class Crew {
  readonly namespace: string;
  readonly databaseUrl: string;
  readonly superuserUrl: string;
  readonly #options: CrewOptions;
  readonly #members = new Map<string, CrewMember>();
  /** All that run, whether they are ready or not. */
  readonly #running = new Set<Child<Ready>>();
  #named = 0;

  constructor(options: CrewOptions) {
    this.namespace = options.namespace;
    this.databaseUrl = options.databaseUrl;
    this.superuserUrl = options.superuserUrl;
    this.#options = options;
  }

  get members(): readonly CrewMember[] {
    return [...this.#members.values()];
  }

  /**
   * Starts replicas and waits until each is ready. @throws Error with the end of the log of one
   * that is not
   */
  async start(count: number): Promise<readonly CrewMember[]> {
    return Promise.all(Array.from({ length: count }, () => this.#startOne()));
  }

  async #startOne(): Promise<CrewMember> {
    const { dir, watchdog, namespace, mainScript } = this.#options;
    const name = `${namespace}-r${(this.#named += 1)}`;
    const child = new Child<Ready>({
      name,
      argv: mainScript === undefined ? replicaArgv(packageRoot()) : replicaArgvOf(mainScript),
      env: { ...this.#env(), LEASEHOLD_REPLICA_NAME: name },
      logFile: join(dir, `${name}.log`),
      watchdog,
    });
    this.#running.add(child);
    void child.exited.then(() => this.#running.delete(child));
    const { replicaId } = await child.ready;
    const member: CrewMember = {
      name,
      replicaId,
      pid: child.pid,
      exited: child.exited,
      signal: (signal) => child.signal(signal),
    };
    this.#members.set(name, member);
    void child.exited.then(() => this.#members.delete(name));
    return member;
  }

  /** Drains them all, and kills what does not end. */
  stop(): Promise<void> {
    return this.stopAllBut(0);
  }

  /** Drains all but those that were started first. */
  async stopAllBut(kept: number): Promise<void> {
    await Promise.all(
      this.members.slice(kept).map(async (member) => {
        member.signal('SIGCONT');
        member.signal('SIGTERM');
        const force = setTimeout(() => member.signal('SIGKILL'), DRAIN_WITHIN_MS);
        await member.exited;
        clearTimeout(force);
      }),
    );
  }

  /** SIGKILL for all, those that are not ready yet included. */
  async kill(): Promise<void> {
    const all = [...this.#running];
    for (const child of all) child.signal('SIGKILL');
    await Promise.all(all.map(({ exited }) => exited));
  }

  /** Nothing of ours from outside that would make it another program. */
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
      LEASEHOLD_LOG_LEVEL: 'warn',
    };
  }
}
