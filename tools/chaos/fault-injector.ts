import type { Server } from '../stack/server-process.ts';
import { faultKind } from './faults.ts';
import type { FaultKind } from './faults.ts';
import type { HostileClients } from './hostile/hostile.ts';
import { HOSTILE_RATE } from './hostile/rate.ts';
import type { ReplicaSlot } from './replica-slot.ts';
import type { PlannedFault } from './schedule.ts';
import type { ChaosServers } from './servers.ts';
import { sleep } from './sleep.ts';

/** A fault that can be made now, and what it will affect. */
export interface PreparedFault {
  /** For people. */
  target: string;
  /** The affected replica, if it is one; its replica id, where that is known. */
  victim: { readonly replicaId: string | undefined } | undefined;
  /**
   * Makes the fault. Resolves when it is over and its target works again.
   *
   * @param onStart called at the moment the fault begins
   * @param onEnd called when its cause is gone and recovery begins
   */
  inject(onStart: () => void, onEnd: () => void): Promise<void>;
}

/** A fault that cannot be made here and now. */
export interface SkippedFault {
  /** Why. */
  skipped: string;
}

/** What faults are made with. */
export interface FaultInjectorOptions {
  servers: ChaosServers;
  slots: readonly ReplicaSlot[];
  hostile: HostileClients;
  /** Ends every fault early. */
  stop: AbortSignal;
}

/** Makes faults in a run's own stack. */
export class FaultInjector {
  readonly #servers: ChaosServers;
  readonly #slots: readonly ReplicaSlot[];
  readonly #hostile: HostileClients;
  readonly #stop: AbortSignal;

  constructor({ servers, slots, hostile, stop }: FaultInjectorOptions) {
    this.#servers = servers;
    this.#slots = slots;
    this.#hostile = hostile;
    this.#stop = stop;
  }

  /** Chooses the victim: the planned replica, or the next one that is up. */
  async prepare(fault: PlannedFault): Promise<PreparedFault | SkippedFault> {
    const kind = faultKind(fault.kind);
    switch (kind.target) {
      case 'replica':
      case 'link': {
        const slot = this.#slotOf(fault);
        if (slot === undefined) return { skipped: 'no replica was up' };
        if (fault.kind === 'clock_jump' && !slot.canJumpClock)
          return { skipped: 'libfaketime is not installed' };
        return kind.target === 'link'
          ? this.#linkFault(fault, kind, slot)
          : this.#replicaFault(fault, slot);
      }
      case 'etcd':
        return this.#etcdFault(fault);
      case 'nats':
      case 'postgres':
        return this.#serverFault(fault, kind.target);
      case 'bus':
        return this.#hostileClient(fault);
      case 'all':
        return fault.kind === 'rolling_restart' ? this.#rollingRestart() : this.#allKilled(fault);
    }
  }

  #slotOf({ replica }: PlannedFault): ReplicaSlot | undefined {
    const slots = this.#slots;
    const order = slots.map((_, index) => slots[(replica + index) % slots.length]);
    return order.find((slot) => slot?.up === true);
  }

  #replicaFault(fault: PlannedFault, victim: ReplicaSlot): PreparedFault {
    const target = victim.name;
    switch (fault.kind) {
      case 'sigkill':
        return this.#replicaDown(victim, fault, () => victim.kill());
      case 'sigterm':
        return this.#replicaDown(victim, fault, () => victim.drain());
      case 'sigstop':
        return {
          target,
          victim,
          inject: async (onStart, onEnd) => {
            victim.freeze();
            onStart();
            await sleep(fault.durationMs, this.#stop);
            onEnd();
            victim.resume();
          },
        };
      default:
        return {
          target: `${target}, by ${(fault.jumpMs ?? 0) / 1_000} s`,
          victim,
          inject: async (onStart, onEnd) => {
            victim.jumpClock(fault.jumpMs ?? 0);
            onStart();
            await sleep(fault.durationMs, this.#stop);
            onEnd();
            victim.jumpClock(0);
          },
        };
    }
  }

  /** A replica that ends, and is replaced under a new replica id. */
  #replicaDown(victim: ReplicaSlot, fault: PlannedFault, end: () => Promise<void>): PreparedFault {
    return {
      target: victim.name,
      victim,
      inject: async (onStart, onEnd) => {
        const exited = end();
        onStart();
        await Promise.all([exited, sleep(fault.durationMs, this.#stop)]);
        onEnd();
        await victim.start();
      },
    };
  }

  #linkFault(fault: PlannedFault, { kind, server }: FaultKind, victim: ReplicaSlot): PreparedFault {
    const name = server ?? 'etcd';
    const proxies = victim.links.to(name);
    const [from, to] = fault.silence === 'to_client' ? [name, victim.name] : [victim.name, name];
    const arrow = fault.silence === 'both' || fault.silence === undefined ? '↔' : '→';
    const what = kind.split('_')[0];
    return {
      target: `${from} ${arrow} ${to}${what === 'delay' ? `, by ${fault.delayMs ?? 0} ms` : ''}`,
      victim,
      inject: async (onStart, onEnd) => {
        for (const proxy of proxies) {
          if (what === 'cut') proxy.silence(fault.silence ?? 'both');
          else if (what === 'delay') proxy.delay(fault.delayMs ?? 0, fault.jitterMs ?? 0);
          else if (what === 'reset') proxy.reset();
        }
        if (what === 'refuse') await Promise.all(proxies.map((proxy) => proxy.refuse()));
        onStart();
        await sleep(fault.durationMs, this.#stop);
        onEnd();
        await Promise.all(proxies.map((proxy) => proxy.heal()));
      },
    };
  }

  async #etcdFault(fault: PlannedFault): Promise<PreparedFault | SkippedFault> {
    const { cluster } = this.#servers;
    const { members } = cluster;
    if (fault.kind === 'etcd_down') return this.#outage('etcd', members, 'kill', fault);
    const member =
      fault.kind === 'etcd_leader_killed' ? await cluster.leader() : members[fault.member];
    if (member === undefined) return { skipped: 'etcd had no leader' };
    return this.#outage(`etcd-${members.indexOf(member) + 1}`, [member], 'kill', fault);
  }

  #serverFault(fault: PlannedFault, name: 'nats' | 'postgres'): PreparedFault {
    const how = fault.kind.endsWith('_killed') ? 'kill' : 'stop';
    return this.#outage(name, [this.#servers[name]], how, fault);
  }

  #outage(
    target: string,
    servers: readonly Server[],
    how: 'kill' | 'stop',
    fault: PlannedFault,
  ): PreparedFault {
    return {
      target,
      victim: undefined,
      inject: async (onStart, onEnd) => {
        await this.#servers.outage(servers, how, async () => {
          onStart();
          await sleep(fault.durationMs, this.#stop);
          onEnd();
        });
      },
    };
  }

  #hostileClient(fault: PlannedFault): PreparedFault {
    return {
      target: `the bus, ${HOSTILE_RATE} messages/s`,
      victim: undefined,
      inject: async (onStart, onEnd) => {
        const end = await this.#hostile.start(HOSTILE_RATE, fault.id);
        onStart();
        await sleep(fault.durationMs, this.#stop);
        onEnd();
        await end();
      },
    };
  }

  #rollingRestart(): PreparedFault {
    return {
      target: 'all replicas',
      victim: undefined,
      inject: async (onStart, onEnd) => {
        onStart();
        for (const slot of this.#slots) {
          if (this.#stop.aborted) return;
          await slot.drain();
          await slot.start();
        }
        onEnd();
      },
    };
  }

  #allKilled(fault: PlannedFault): PreparedFault {
    const [servers, slots] = [this.#servers, this.#slots];
    return {
      target: 'all',
      victim: undefined,
      inject: async (onStart, onEnd) => {
        const killed = Promise.all(slots.map((slot) => slot.kill()));
        await servers.outage(servers.all, 'kill', async () => {
          onStart();
          await killed;
          await sleep(fault.durationMs, this.#stop);
          onEnd();
        });
        await Promise.all(slots.map((slot) => slot.start()));
      },
    };
  }
}
