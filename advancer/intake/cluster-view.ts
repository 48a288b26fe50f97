import type { Leases, ReplicaRecord } from '../../coordinator/leases.ts';
import { rankOf } from '../../src/lease/rank.ts';
import type { Clock } from '../../src/time/clock.ts';
import type { Unfit } from '../cells/cells.ts';
import type { WrongReplica } from '../run/wrong-replica.ts';
import { Placements, type Placed } from './placements.ts';
import { rankAmongAble, turnOf, type Membership, type Turn } from './turn.ts';

/** Who may run what this replica cannot. */
interface Elsewhere {
  /** The replica to name, which can run it as far as is known. */
  to: string | undefined;
  /** Whether a replica that does not say which handlers it has may be able to. */
  perhaps: boolean;
}

/**
 * What this replica sees of the others: which are alive, which are draining, and which of them
 * holds an instance. A hint throughout. The router and the sweeper share it, so that both take
 * turns by the same rule.
 */
export class ClusterView {
  readonly #leases: Pick<Leases, 'replicaId' | 'replicas' | 'hint'>;
  /** Grows by one entry for each replica that drains while this one runs. */
  readonly #draining = new Map<string, ReadonlySet<string>>();
  readonly #placements = new Placements();
  readonly #clock: Pick<Clock, 'monotonicMs'>;

  constructor(
    leases: Pick<Leases, 'replicaId' | 'replicas' | 'hint'>,
    clock: Pick<Clock, 'monotonicMs'>,
  ) {
    this.#leases = leases;
    this.#clock = clock;
  }

  /**
   * A replica announced that it is draining: it takes up nothing more.
   *
   * @param busy the instances that it still has attempts of; they are free only once their lease
   *   has vanished. It has ended its terms of all others, so these may be replaced at once
   */
  setDraining(replicaId: string, busy: ReadonlySet<string>): void {
    this.#draining.set(replicaId, busy);
  }

  /** The other replica that holds the instance and is not draining: the request is its to serve. */
  otherHolder(instanceId: string): string | undefined {
    const holder = this.#leases.hint(instanceId)?.replicaId;
    if (holder === undefined || holder === this.#leases.replicaId || this.#draining.has(holder))
      return undefined;
    return holder;
  }

  /** Whether the replica holds the instance, as last seen. */
  isHeldBy(instanceId: string, replicaId: string): boolean {
    return this.#leases.hint(instanceId)?.replicaId === replicaId;
  }

  /** What this replica may do for an instance that it does not hold; see {@link turnOf}. */
  turn(instanceId: string, turnsFromMs: number, nowMs: number): Turn {
    const hint = this.#leases.hint(instanceId);
    return turnOf({ ...this.#membership(instanceId), instanceId, hint, turnsFromMs, nowMs });
  }

  /** Where this replica ranks for an id among those that can act, from 0. */
  rank(id: string): number {
    return rankAmongAble(id, this.#membership(id));
  }

  /** Whether this replica ranks first for an id among those that can act. */
  isFirst(id: string): boolean {
    return this.rank(id) === 0;
  }

  /** A replica cannot run an instance's next cell, and may have named one that can. */
  place(placed: Placed): void {
    // What this replica can do it knows better than anyone who says so.
    if (placed.by === this.#leases.replicaId) return;
    this.#placements.add(placed, this.#clock.monotonicMs());
  }

  /** This replica cannot run an instance's next cell: the others come first for a while. */
  avoid(placed: Omit<Placed, 'by'>): void {
    const by = this.#leases.replicaId;
    this.#placements.add({ ...placed, by }, this.#clock.monotonicMs());
  }

  /** Why this replica cannot run the instance's next cell, if it found that out lately. */
  avoids(instanceId: string): string | undefined {
    const nowMs = this.#clock.monotonicMs();
    return this.#placements.avoids(instanceId, this.#leases.replicaId, nowMs);
  }

  /** The other live replica that was named as able to run the instance's next cell. */
  named(instanceId: string): string | undefined {
    const first = this.#placements.first(instanceId, this.#clock.monotonicMs());
    return this.#able(instanceId).some(({ replicaId }) => replicaId === first) ? first : undefined;
  }

  /** Whether another live replica may be able to run the instance's next cell. */
  othersMayRun(instanceId: string): boolean {
    return this.#able(instanceId).length > 0;
  }

  /** Who may run what this replica cannot, by what the others say they have. */
  elsewhere(instanceId: string, { unfit, tried }: WrongReplica): Elsewhere {
    const untried = this.#able(instanceId).filter(({ replicaId }) => !tried.includes(replicaId));
    const ids = untried.filter((other) => has(other, unfit)).map(({ replicaId }) => replicaId);
    const to = ids.find((replicaId) => rankOf(instanceId, ids, replicaId) === 0);
    const { handler } = unfit;
    const perhaps = handler !== undefined && untried.some(({ handlers }) => handlers === undefined);
    return { to, perhaps };
  }

  /** The other live replicas that are not draining, nor known to be unable to run the next cell. */
  #able(instanceId: string): ReplicaRecord[] {
    const nowMs = this.#clock.monotonicMs();
    return this.#leases
      .replicas()
      .filter(
        ({ replicaId }) =>
          replicaId !== this.#leases.replicaId &&
          !this.#draining.has(replicaId) &&
          this.#placements.avoids(instanceId, replicaId, nowMs) === undefined,
      );
  }

  #membership(instanceId: string): Membership {
    const { replicaId } = this.#leases;
    const membership = { replicaId, replicas: this.#leases.replicas(), draining: this.#draining };
    if (!this.#placements.has(instanceId)) return membership;
    const nowMs = this.#clock.monotonicMs();
    const placement = {
      avoids: (other: string) => this.#placements.avoids(instanceId, other, nowMs) !== undefined,
      first: this.#placements.first(instanceId, nowMs),
    };
    return { ...membership, placement };
  }
}

/**
 * Whether a replica says that it has what was found missing. One that says nothing of secrets is of
 * a version that has none.
 */
function has(
  { handlers, effectSecrets }: ReplicaRecord,
  { handler, secrets = [] }: Unfit,
): boolean {
  return (
    (handler === undefined || handlers?.includes(handler) === true) &&
    secrets.every((name) => effectSecrets?.includes(name) === true)
  );
}
