import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { migrateLog } from '../log-access/log-setup.ts';
import { packageRoot } from '../stack/cache-dir.ts';
import { replicaArgv } from '../stack/replica-argv.ts';
import { closeWorkspace, openWorkspace } from '../stack/workspace.ts';
import type { Workspace } from '../stack/workspace.ts';
import { findFaketime } from './faketime.ts';
import { Links } from './links.ts';
import { ownModule } from '../stack/own-script.ts';
import type { ReplicaLife } from './record.ts';
import { ReplicaSlot } from './replica-slot.ts';
import { ChaosServers } from './servers.ts';
import { startWitness } from './witness.ts';
import type { Witness } from './witness.ts';

/** What a run's own stack is made of. */
export interface ArenaOptions {
  namespace: string;
  replicas: number;
  leaseTtlS: number;
  dir: string;
  faketimeLib: string | undefined;
  env: NodeJS.ProcessEnv;
  /** Default: the built command line. */
  replicaArgv?: readonly string[];
  /** Runs on the migrated database, before any replica starts. */
  afterMigrate?: (superuserUrl: string) => Promise<void>;
  nowMs: () => number;
  onLife: (life: ReplicaLife) => void;
  say: (text: string) => void;
}

/**
 * A run's own stack: servers, replicas behind proxies, and the witness, all of them processes on
 * loopback.
 */
export class Arena {
  readonly servers: ChaosServers;
  readonly slots: readonly ReplicaSlot[];
  readonly witness: Witness;
  /** The application's, past the proxies. */
  readonly databaseUrl: string;
  readonly #workspace: Workspace;
  #stopping: Promise<void> | undefined;

  private constructor(
    workspace: Workspace,
    parts: { servers: ChaosServers; slots: ReplicaSlot[]; witness: Witness; databaseUrl: string },
  ) {
    this.#workspace = workspace;
    this.servers = parts.servers;
    this.slots = parts.slots;
    this.witness = parts.witness;
    this.databaseUrl = parts.databaseUrl;
  }

  /**
   * Brings everything up. @throws what kept it from starting; what had been started is stopped
   * before
   */
  static async start(options: ArenaOptions): Promise<Arena> {
    const { namespace, dir, env, say, replicas } = options;
    const logs = join(dir, 'replicas');
    mkdirSync(logs, { recursive: true });
    const workspace = await openWorkspace();
    const undo: (() => Promise<void>)[] = [() => closeWorkspace(workspace)];
    try {
      say('starting an etcd cluster of three, NATS and Postgres');
      const servers = await ChaosServers.start(workspace, env, say);
      undo.unshift(() => servers.stop());
      const databaseUrl = await migrateLog(servers.postgres.url, namespace);
      await options.afterMigrate?.(servers.postgres.url);
      const witness = await startWitness(dir, workspace.watchdog);
      undo.unshift(() => witness.stop());
      say(`starting ${replicas} replicas, each behind proxies of its own`);
      const urls = {
        etcdUrls: servers.cluster.members.map(({ url }) => url),
        natsUrl: servers.nats.url,
        databaseUrl,
      };
      const faketimeLib = options.faketimeLib ?? findFaketime();
      const slots = await Promise.all(
        Array.from({ length: replicas }, async (_, index) => {
          return new ReplicaSlot({
            name: `r${index + 1}`,
            links: await Links.open(urls),
            env: replicaEnv(options),
            dir: logs,
            argv: options.replicaArgv ?? replicaArgv(packageRoot()),
            watchdog: workspace.watchdog,
            faketimeLib,
            nowMs: options.nowMs,
            onLife: options.onLife,
          });
        }),
      );
      undo.unshift(() => closeSlots(slots, false));
      await Promise.all(slots.map((slot) => slot.start()));
      return new Arena(workspace, { servers, slots, witness, databaseUrl });
    } catch (error) {
      for (const step of undo) await step().catch(() => undefined);
      throw error;
    }
  }

  /**
   * Every fault ends: connections heal, the frozen wake, clocks are right, whoever is down is
   * started.
   */
  async heal(): Promise<void> {
    await Promise.all(
      this.slots.map(async (slot) => {
        slot.wake();
        if (slot.canJump) slot.jumpClock(0);
        await slot.links.heal();
        await slot.start();
      }),
    );
  }

  /** Ends replicas and their proxies; the servers stay for the verdict. */
  async stopReplicas(gently: boolean): Promise<void> {
    await closeSlots(this.slots, gently);
    await this.witness.stop();
  }

  /** Stopping twice is harmless. */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  async #stop(): Promise<void> {
    await this.stopReplicas(false);
    await this.servers.stop();
    await closeWorkspace(this.#workspace);
  }
}

async function closeSlots(slots: readonly ReplicaSlot[], gently: boolean): Promise<void> {
  await Promise.all(slots.map((slot) => slot.close(gently)));
  await Promise.all(slots.map(({ links }) => links.close()));
}

/** A replica's environment: nothing of ours that would make it another program. */
function replicaEnv({ namespace, leaseTtlS, env }: ArenaOptions): NodeJS.ProcessEnv {
  const kept = Object.fromEntries(
    Object.entries(env).filter(
      ([name]) => !name.startsWith('LEASEHOLD_') && name !== 'NODE_OPTIONS',
    ),
  );
  return {
    ...kept,
    LEASEHOLD_NAMESPACE: namespace,
    LEASEHOLD_LEASE_TTL_S: String(leaseTtlS),
    LEASEHOLD_HANDLERS: ownModule('handlers', import.meta.dirname),
    LEASEHOLD_LOG_LEVEL: 'info',
    // Short, so that holdings are released and acquired anew within a run.
    LEASEHOLD_IDLE_RELEASE_S: '10',
  };
}
