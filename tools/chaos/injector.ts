import type { Server } from '../stack/server-process.ts';
import type { Arena } from './arena.ts';
import { faultKind } from './faults.ts';
import type { FaultKind } from './faults.ts';
import type { FaultRecord } from './record.ts';
import type { ReplicaSlot } from './replica-slot.ts';
import type { PlannedFault } from './schedule.ts';
import { sleep } from './workload.ts';

/** A fault that may be made now: whom it strikes, and how. */
export interface Aim {
  /** As people are told. */
  target: string;
  /** The replica that it strikes, if it strikes one; its id, where that is known. */
  victim: { readonly replicaId: string | undefined } | undefined;
  /**
   * Resolves when it is over and what it struck is itself again. `struck` is called the moment that
   * it begins, `ended` when its cause is gone, and the healing begins.
   */
  strike(struck: () => void, ended: () => void): Promise<void>;
}

/** Why a fault cannot be made here and now. */
export interface Skipped {
  skipped: string;
}

/** Makes faults happen to a run's own stack. */
export class Injector {
  readonly #arena: Arena;
  readonly #stop: AbortSignal;

  /** @param stop ends every fault early */
  constructor(arena: Arena, stop: AbortSignal) {
    this.#arena = arena;
    this.#stop = stop;
  }

  /** Chooses whom the fault strikes: the one that was planned, or the next that is up. */
  async aim(fault: PlannedFault): Promise<Aim | Skipped> {
    const kind = faultKind(fault.kind);
    switch (kind.target) {
      case 'replica':
      case 'link': {
        const slot = this.#slotOf(fault);
        if (slot === undefined) return { skipped: 'no replica was up' };
        if (fault.kind === 'clock_jump' && !slot.canJump)
          return { skipped: 'there is no libfaketime here' };
        return kind.target === 'link'
          ? this.#onLink(fault, kind, slot)
          : this.#onReplica(fault, slot);
      }
      case 'etcd':
        return this.#onEtcd(fault);
      case 'nats':
      case 'postgres':
        return this.#onServer(fault, kind.target);
      case 'all':
        return fault.kind === 'rolling_restart' ? this.#rolling() : this.#allKilled(fault);
    }
  }

  #slotOf({ replica }: PlannedFault): ReplicaSlot | undefined {
    const { slots } = this.#arena;
    const order = slots.map((_, index) => slots[(replica + index) % slots.length]);
    return order.find((slot) => slot?.up === true);
  }

  #onReplica(fault: PlannedFault, victim: ReplicaSlot): Aim {
    const target = victim.name;
    const lasts = (): Promise<void> => sleep(fault.durationMs, this.#stop);
    switch (fault.kind) {
      case 'sigkill':
        return this.#ending(victim, fault, () => victim.kill());
      case 'sigterm':
        return this.#ending(victim, fault, () => victim.drain());
      case 'sigstop':
        return {
          target,
          victim,
          async strike(struck, ended) {
            victim.freeze();
            struck();
            await lasts();
            ended();
            victim.wake();
          },
        };
      default:
        return {
          target: `${target}, by ${(fault.jumpMs ?? 0) / 1_000} s`,
          victim,
          async strike(struck, ended) {
            victim.jumpClock(fault.jumpMs ?? 0);
            struck();
            await lasts();
            ended();
            victim.jumpClock(0);
          },
        };
    }
  }

  /** A replica that ends, and is replaced under a fresh id. */
  #ending(victim: ReplicaSlot, fault: PlannedFault, end: () => Promise<void>): Aim {
    return {
      target: victim.name,
      victim,
      strike: async (struck, ended) => {
        const gone = end();
        struck();
        await Promise.all([gone, sleep(fault.durationMs, this.#stop)]);
        ended();
        await victim.start();
      },
    };
  }

  #onLink(fault: PlannedFault, { kind, server }: FaultKind, victim: ReplicaSlot): Aim {
    const name = server ?? 'etcd';
    const proxies = victim.links.to(name);
    const [from, to] = fault.silence === 'to_client' ? [name, victim.name] : [victim.name, name];
    const arrow = fault.silence === 'both' || fault.silence === undefined ? '↔' : '→';
    const what = kind.split('_')[0];
    return {
      target: `${from} ${arrow} ${to}${what === 'delay' ? `, by ${fault.delayMs ?? 0} ms` : ''}`,
      victim,
      strike: async (struck, ended) => {
        for (const proxy of proxies) {
          if (what === 'cut') proxy.silence(fault.silence ?? 'both');
          else if (what === 'delay') proxy.delay(fault.delayMs ?? 0, fault.jitterMs ?? 0);
          else if (what === 'reset') proxy.reset();
        }
        if (what === 'refuse') await Promise.all(proxies.map((proxy) => proxy.refuse()));
        struck();
        await sleep(fault.durationMs, this.#stop);
        ended();
        await Promise.all(proxies.map((proxy) => proxy.heal()));
      },
    };
  }

  async #onEtcd(fault: PlannedFault): Promise<Aim | Skipped> {
    const { cluster } = this.#arena.servers;
    const { members } = cluster;
    if (fault.kind === 'etcd_down') return this.#outage('etcd', members, 'kill', fault);
    const member =
      fault.kind === 'etcd_leader_killed' ? await cluster.leader() : members[fault.member];
    if (member === undefined) return { skipped: 'etcd had no leader' };
    return this.#outage(`etcd-${members.indexOf(member) + 1}`, [member], 'kill', fault);
  }

  #onServer(fault: PlannedFault, name: 'nats' | 'postgres'): Aim {
    const how = fault.kind.endsWith('_killed') ? 'kill' : 'stop';
    return this.#outage(name, [this.#arena.servers[name]], how, fault);
  }

  #outage(
    target: string,
    servers: readonly Server[],
    how: 'kill' | 'stop',
    fault: PlannedFault,
  ): Aim {
    return {
      target,
      victim: undefined,
      strike: async (struck, ended) => {
        await this.#arena.servers.outage(servers, how, async () => {
          struck();
          await sleep(fault.durationMs, this.#stop);
          ended();
        });
      },
    };
  }

  #rolling(): Aim {
    return {
      target: 'all replicas',
      victim: undefined,
      strike: async (struck, ended) => {
        struck();
        for (const slot of this.#arena.slots) {
          if (this.#stop.aborted) return;
          await slot.drain();
          await slot.start();
        }
        ended();
      },
    };
  }

  #allKilled(fault: PlannedFault): Aim {
    const { servers, slots } = this.#arena;
    return {
      target: 'all',
      victim: undefined,
      strike: async (struck, ended) => {
        const killed = Promise.all(slots.map((slot) => slot.kill()));
        await servers.outage(servers.all, 'kill', async () => {
          struck();
          await killed;
          await sleep(fault.durationMs, this.#stop);
          ended();
        });
        await Promise.all(slots.map((slot) => slot.start()));
      },
    };
  }
}

/** A fault's line in the record. */
export function faultRecord(
  fault: PlannedFault,
  aim: Aim | Skipped,
  times: { fromMs: number; toMs: number },
): FaultRecord {
  const { id, kind, phase } = fault;
  if ('skipped' in aim)
    return {
      id,
      kind,
      target: `replica ${fault.replica + 1}`,
      phase,
      ...times,
      skipped: aim.skipped,
    };
  return { id, kind, target: aim.target, phase, ...times };
}
