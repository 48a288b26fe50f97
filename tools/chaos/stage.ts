import { mkdirSync } from 'node:fs';

import { closeWorkspace, openWorkspace } from '../stack/workspace.ts';
import { Arena } from './arena.ts';
import { faultKind } from './faults.ts';
import { Injector } from './injector.ts';
import type { Aim, Skipped } from './injector.ts';
import type { AttachTo, ChaosOptions } from './options.ts';
import type { ChaosRecord, ReplicaLife } from './record.ts';
import type { PlannedFault } from './schedule.ts';
import { startWitness } from './witness.ts';
import type { Witness } from './witness.ts';
import { sleep } from './workload.ts';

/** What a run plays on: a stack of its own, or one that already runs. */
export interface Stage {
  readonly namespace: string;
  readonly natsUrls: readonly string[];
  readonly databaseUrl: string;
  readonly witness: Witness;
  /** Whether the replicas are this run's own, with its handlers and commands. */
  readonly own: boolean;
  readonly serverVersions: Pick<ChaosRecord['versions'], 'etcd' | 'nats'>;
  aim(fault: PlannedFault): Promise<Aim | Skipped>;
  /** Ends every fault. */
  heal(): Promise<void>;
  /** Ends what is this run's own, but for the log. */
  stopReplicas(gently: boolean): Promise<void>;
  /** Ends all that is this run's own. Stopping twice is harmless. */
  stop(): Promise<void>;
}

/** What setting a stage needs beside the options. */
export interface StageHooks {
  nowMs: () => number;
  onLife: (life: ReplicaLife) => void;
  say: (text: string) => void;
  /** Ends faults early. */
  stop: AbortSignal;
}

/** @throws what kept the stack from coming up */
export async function setStage(options: ChaosOptions, hooks: StageHooks): Promise<Stage> {
  mkdirSync(options.dir, { recursive: true });
  return options.attach === undefined
    ? ownStage(options, hooks)
    : attached(options, options.attach, hooks);
}

const OWN_NAMESPACE = 'chaos';

async function ownStage(options: ChaosOptions, hooks: StageHooks): Promise<Stage> {
  const arena = await Arena.start({ ...options, ...hooks, namespace: OWN_NAMESPACE });
  const injector = new Injector(arena, hooks.stop);
  const { cluster, nats } = arena.servers;
  return {
    namespace: OWN_NAMESPACE,
    natsUrls: [nats.url],
    databaseUrl: arena.databaseUrl,
    witness: arena.witness,
    own: true,
    serverVersions: { etcd: cluster.members[0]?.version ?? 'unknown', nats: nats.version },
    aim: (fault) => injector.aim(fault),
    heal: () => arena.heal(),
    stopReplicas: (gently) => arena.stopReplicas(gently),
    stop: () => arena.stop(),
  };
}

async function attached(options: ChaosOptions, to: AttachTo, hooks: StageHooks): Promise<Stage> {
  const workspace = await openWorkspace();
  const witness = await startWitness(options.dir, workspace.watchdog);
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await witness.stop();
    await closeWorkspace(workspace);
  };
  return {
    namespace: to.namespace,
    natsUrls: to.natsUrls,
    databaseUrl: to.databaseUrl,
    witness,
    own: false,
    serverVersions: { etcd: 'as attached', nats: 'as attached' },
    aim: (fault) => Promise.resolve(aimAtPids(fault, to.pids, hooks.stop)),
    heal() {
      for (const pid of to.pids) signal(pid, 'SIGCONT');
      return Promise.resolve();
    },
    stopReplicas: () => witness.stop(),
    stop: () => (stopping ??= stop()),
  };
}

/**
 * Of a stack that is not ours, only processes that were named may be struck; whoever runs them
 * starts them again.
 */
function aimAtPids(fault: PlannedFault, pids: readonly number[], stop: AbortSignal): Aim | Skipped {
  if (faultKind(fault.kind).target !== 'replica' || fault.kind === 'clock_jump') {
    return { skipped: 'cannot be made in a stack that is not this run’s own' };
  }
  if (pids.length === 0) return { skipped: 'no --replica-pid was given' };
  const order = pids.map((_, index) => pids[(fault.replica + index) % pids.length] ?? 0);
  const pid = order.find((one) => signal(one, 0));
  if (pid === undefined) return { skipped: 'none of the replicas that were given lives' };
  const target = `pid ${pid}`;
  const strike = async (struck: () => void, ended: () => void): Promise<void> => {
    signal(
      pid,
      fault.kind === 'sigkill' ? 'SIGKILL' : fault.kind === 'sigterm' ? 'SIGTERM' : 'SIGSTOP',
    );
    struck();
    await sleep(fault.durationMs, stop);
    ended();
    if (fault.kind === 'sigstop') signal(pid, 'SIGCONT');
  };
  return { target, victim: undefined, strike };
}

/** @returns whether there is such a process */
function signal(pid: number, which: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, which);
    return true;
  } catch {
    return false;
  }
}
