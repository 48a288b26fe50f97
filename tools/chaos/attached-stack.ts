import { mkdirSync } from 'node:fs';

import { closeWorkspace, openWorkspace } from '../stack/workspace.ts';
import type { Workspace } from '../stack/workspace.ts';
import type { PreparedFault, SkippedFault } from './fault-injector.ts';
import { faultKind } from './faults.ts';
import type { AttachTo } from './options.ts';
import type { PlannedFault } from './schedule.ts';
import { sleep } from './sleep.ts';
import type { SystemUnderTest } from './system-under-test.ts';
import { startWitness } from './witness.ts';
import type { Witness } from './witness.ts';

/** What attaching needs. */
export interface AttachedStackOptions {
  attach: AttachTo;
  /** Folder for the witness's files. */
  dir: string;
  /** Ends faults early. */
  stop: AbortSignal;
}

/**
 * A stack that is already running. Only the processes that were named may be killed or frozen, and
 * their operator has to start them again.
 */
export class AttachedStack implements SystemUnderTest {
  readonly own = false;
  readonly hostile = undefined;
  readonly secret = undefined;
  readonly namespace: string;
  readonly natsUrls: readonly string[];
  readonly databaseUrl: string;
  readonly witness: Witness;
  readonly serverVersions = { etcd: 'as attached', nats: 'as attached' };
  readonly #pids: readonly number[];
  readonly #stop: AbortSignal;
  readonly #workspace: Workspace;
  #stopping: Promise<void> | undefined;

  private constructor(options: AttachedStackOptions, workspace: Workspace, witness: Witness) {
    const { attach, stop } = options;
    this.namespace = attach.namespace;
    this.natsUrls = attach.natsUrls;
    this.databaseUrl = attach.databaseUrl;
    this.witness = witness;
    this.#pids = attach.pids;
    this.#stop = stop;
    this.#workspace = workspace;
  }

  /** Starts the witness; everything else is running. */
  static async start(options: AttachedStackOptions): Promise<AttachedStack> {
    mkdirSync(options.dir, { recursive: true });
    const workspace = await openWorkspace();
    const witness = await startWitness(options.dir, workspace.watchdog);
    return new AttachedStack(options, workspace, witness);
  }

  prepare(fault: PlannedFault): Promise<PreparedFault | SkippedFault> {
    return Promise.resolve(this.#prepare(fault));
  }

  heal(): Promise<void> {
    for (const pid of this.#pids) signal(pid, 'SIGCONT');
    return Promise.resolve();
  }

  /** Effects there have no secret to print. */
  searchReplicas(): Promise<void> {
    return Promise.resolve();
  }

  /** See {@link AttachedStack.searchReplicas}. */
  searchRemains(): Promise<void> {
    return Promise.resolve();
  }

  stopReplicas(): Promise<void> {
    return this.witness.stop();
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stopWitness());
  }

  async #stopWitness(): Promise<void> {
    await this.witness.stop();
    await closeWorkspace(this.#workspace);
  }

  #prepare({ kind, replica, durationMs }: PlannedFault): PreparedFault | SkippedFault {
    if (faultKind(kind).target !== 'replica' || kind === 'clock_jump') {
      return { skipped: 'this run did not start the stack, so it cannot make this fault there' };
    }
    const pids = this.#pids;
    if (pids.length === 0) return { skipped: 'no --replica-pid was given' };
    const order = pids.map((_, index) => pids[(replica + index) % pids.length] ?? 0);
    const pid = order.find((one) => signal(one, 0));
    if (pid === undefined) return { skipped: 'none of the given replica processes is running' };
    const sent = kind === 'sigkill' ? 'SIGKILL' : kind === 'sigterm' ? 'SIGTERM' : 'SIGSTOP';
    return {
      target: `pid ${pid}`,
      victim: undefined,
      inject: async (onStart, onEnd) => {
        signal(pid, sent);
        onStart();
        await sleep(durationMs, this.#stop);
        onEnd();
        if (kind === 'sigstop') signal(pid, 'SIGCONT');
      },
    };
  }
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
