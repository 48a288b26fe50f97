import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { ALLOW_EVERYWHERE } from '../../src/config/http-allow.ts';
import { migrateLog } from '../log-access/log-setup.ts';
import { packageRoot } from '../stack/cache-dir.ts';
import { ownModule } from '../stack/own-script.ts';
import { replicaArgv } from '../stack/replica-argv.ts';
import { closeWorkspace, openWorkspace } from '../stack/workspace.ts';
import type { Workspace } from '../stack/workspace.ts';
import { findFaketime } from './faketime.ts';
import { FaultInjector } from './fault-injector.ts';
import type { PreparedFault, SkippedFault } from './fault-injector.ts';
import { HostileClients } from './hostile/hostile.ts';
import { Links } from './links.ts';
import type { ServerUrls } from './links.ts';
import type { ChaosOptions } from './options.ts';
import { ReplicaSlot } from './replica-slot.ts';
import type { PlannedFault } from './schedule.ts';
import { secretOf, type SecretHunt } from './secret-hunt.ts';
import { SECRET } from './secret-runbook.ts';
import { ChaosServers } from './servers.ts';
import type { SystemHooks, SystemUnderTest } from './system-under-test.ts';
import { startWitness } from './witness.ts';
import type { Witness } from './witness.ts';

/** What a run's own stack is started with. */
export interface StackOptions
  extends
    SystemHooks,
    Pick<
      ChaosOptions,
      | 'seed'
      | 'replicas'
      | 'leaseTtlS'
      | 'dir'
      | 'faketimeLib'
      | 'env'
      | 'replicaArgv'
      | 'afterMigrate'
    > {}

/** The processes of a running stack. */
interface StackParts {
  workspace: Workspace;
  servers: ChaosServers;
  slots: readonly ReplicaSlot[];
  witness: Witness;
  hostile: HostileClients;
  databaseUrl: string;
  secret: string;
  /** Where the run's files are. */
  dir: string;
  stop: AbortSignal;
}

const NAMESPACE = 'chaos';

/**
 * A run's own stack: servers, replicas behind proxies, and the witness, all of them processes on
 * loopback.
 */
export class Stack implements SystemUnderTest {
  readonly own = true;
  readonly namespace = NAMESPACE;
  readonly servers: ChaosServers;
  readonly slots: readonly ReplicaSlot[];
  readonly witness: Witness;
  readonly databaseUrl: string;
  readonly hostile: HostileClients;
  readonly secret: string;
  readonly #dir: string;
  readonly #workspace: Workspace;
  readonly #injector: FaultInjector;
  #stopping: Promise<void> | undefined;

  private constructor(options: StackParts) {
    this.servers = options.servers;
    this.slots = options.slots;
    this.witness = options.witness;
    this.databaseUrl = options.databaseUrl;
    this.secret = options.secret;
    this.#dir = options.dir;
    this.#workspace = options.workspace;
    this.hostile = options.hostile;
    this.#injector = new FaultInjector(options);
  }

  /**
   * Starts everything.
   *
   * @throws why it did not start; what had been started is stopped first
   */
  static async start(options: StackOptions): Promise<Stack> {
    const { dir, env, say, replicas, stop } = options;
    mkdirSync(join(dir, 'replicas'), { recursive: true });
    const workspace = await openWorkspace();
    const undo: (() => Promise<void>)[] = [() => closeWorkspace(workspace)];
    try {
      say('starting an etcd cluster of three members, NATS and Postgres');
      const servers = await ChaosServers.start(workspace, env, say);
      undo.unshift(() => servers.stop());
      const databaseUrl = await migrateLog(servers.postgres.url, NAMESPACE);
      await options.afterMigrate?.(servers.postgres.url);
      const witness = await startWitness(dir, workspace.watchdog);
      undo.unshift(() => witness.stop());
      say(`starting ${replicas} replicas, each behind its own proxies`);
      const urls = {
        etcdUrls: servers.cluster.members.map(({ url }) => url),
        natsUrl: servers.nats.url,
        databaseUrl,
      };
      const slots = await openSlots(options, workspace, urls);
      undo.unshift(() => closeSlots(slots, false));
      await Promise.all(slots.map((slot) => slot.start()));
      const hostile = new HostileClients({
        natsUrl: servers.nats.url,
        namespace: NAMESPACE,
        dir,
        watchdog: workspace.watchdog,
      });
      const secret = secretOf(options.seed);
      const parts = { workspace, servers, slots, witness, hostile, databaseUrl };
      return new Stack({ ...parts, secret, dir, stop });
    } catch (error) {
      for (const step of undo) await step().catch(() => undefined);
      throw error;
    }
  }

  get natsUrls(): readonly string[] {
    return [this.servers.nats.url];
  }

  get serverVersions(): SystemUnderTest['serverVersions'] {
    const { cluster, nats } = this.servers;
    return { etcd: cluster.members[0]?.version ?? 'unknown', nats: nats.version };
  }

  prepare(fault: PlannedFault): Promise<PreparedFault | SkippedFault> {
    return this.#injector.prepare(fault);
  }

  /**
   * Ends every fault: hostile clients end, links heal, frozen replicas resume, clocks are reset,
   * replicas restart.
   */
  async heal(): Promise<void> {
    await this.hostile.stop();
    await Promise.all(
      this.slots.map(async (slot) => {
        slot.resume();
        if (slot.canJumpClock) slot.jumpClock(0);
        await slot.links.heal();
        await slot.start();
      }),
    );
  }

  async searchReplicas(hunt: SecretHunt): Promise<void> {
    for (const { httpUrl = '' } of this.slots) if (httpUrl !== '') await hunt.searchPages(httpUrl);
  }

  async searchRemains(hunt: SecretHunt): Promise<void> {
    await hunt.searchDatabase(this.servers.postgres.url);
    await hunt.searchEtcd(this.servers.cluster.members[0]?.url ?? '');
    for (const file of filesIn(this.#dir)) await hunt.searchFile('files of the run', file);
    for (const file of filesIn(this.#workspace.dir))
      if (file.endsWith('.log')) await hunt.searchFile('logs of the servers', file);
  }

  async stopReplicas(gently: boolean): Promise<void> {
    await this.hostile.stop();
    await closeSlots(this.slots, gently);
    await this.witness.stop();
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  async #stop(): Promise<void> {
    await this.stopReplicas(false);
    await this.servers.stop();
    await closeWorkspace(this.#workspace);
  }
}

function openSlots(
  options: StackOptions,
  { watchdog }: Workspace,
  urls: ServerUrls,
): Promise<ReplicaSlot[]> {
  const faketimeLib = options.faketimeLib ?? findFaketime();
  return Promise.all(
    Array.from({ length: options.replicas }, async (_, index) => {
      return new ReplicaSlot({
        name: `r${index + 1}`,
        links: await Links.open(urls),
        env: replicaEnv(options),
        dir: join(options.dir, 'replicas'),
        argv: options.replicaArgv ?? replicaArgv(packageRoot()),
        watchdog,
        faketimeLib,
        nowMs: options.nowMs,
        onProcess: options.onProcess,
      });
    }),
  );
}

async function closeSlots(slots: readonly ReplicaSlot[], gently: boolean): Promise<void> {
  await Promise.all(slots.map((slot) => slot.close(gently)));
  await Promise.all(slots.map(({ links }) => links.close()));
}

/** A replica's environment, without variables of ours that would change how it behaves. */
function replicaEnv({ seed, leaseTtlS, env }: StackOptions): NodeJS.ProcessEnv {
  const kept = Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !name.startsWith('LEASEHOLD_') && name !== 'NODE_OPTIONS',
    ),
  );
  return {
    ...kept,
    LEASEHOLD_NAMESPACE: NAMESPACE,
    LEASEHOLD_LEASE_TTL_S: String(leaseTtlS),
    LEASEHOLD_HANDLERS: ownModule('handlers', import.meta.dirname),
    // The witness runs on this machine.
    LEASEHOLD_HTTP_ALLOW: ALLOW_EVERYWHERE,
    LEASEHOLD_LOG_LEVEL: 'info',
    [`LEASEHOLD_SECRET_${SECRET}`]: secretOf(seed),
    // Short, so that holdings are released and reacquired within a run.
    LEASEHOLD_IDLE_RELEASE_S: '10',
  };
}

/** Every file in a folder and in those below it. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
}
