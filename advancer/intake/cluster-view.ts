import type { Leases } from '../../coordinator/leases.ts';
import { rankAmongAble, turnOf, type Membership, type Turn } from './turn.ts';

/**
 * What this replica sees of the others: which are alive, which are draining, and which of them
 * holds an instance. A hint throughout. The router and the sweeper share it, so that both take
 * turns by the same rule.
 */
export class ClusterView {
  readonly #leases: Pick<Leases, 'replicaId' | 'replicas' | 'hint'>;
  /** Grows by one entry for each replica that drains while this one runs. */
  readonly #draining = new Map<string, ReadonlySet<string>>();

  constructor(leases: Pick<Leases, 'replicaId' | 'replicas' | 'hint'>) {
    this.#leases = leases;
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
    return turnOf({ ...this.#membership(), instanceId, hint, turnsFromMs, nowMs });
  }

  /** Where this replica ranks for an id among those that can act, from 0. */
  rank(id: string): number {
    return rankAmongAble(id, this.#membership());
  }

  /** Whether this replica ranks first for an id among those that can act. */
  isFirst(id: string): boolean {
    return this.rank(id) === 0;
  }

  #membership(): Membership {
    const { replicaId } = this.#leases;
    return { replicaId, replicas: this.#leases.replicas(), draining: this.#draining };
  }
}
