import type { Leases } from '../../coordinator/leases.ts';
import type { Holding } from '../../src/lease/holding.ts';
import type { ClusterView } from '../intake/cluster-view.ts';

/**
 * How long each rank leaves due work to the one before it, if that one is alive and does not do
 * it: it may be cut off from Postgres, or have much to do.
 */
const STEP_IN_MS = 5_000;

/** Whose turn it is to do what nobody has asked for. A hint: no safety decision uses it. */
export interface Turns {
  /**
   * Whether it is this replica's turn, by rendezvous rank among the live replicas that do not
   * drain.
   *
   * @param key what is to be done: an instance, a schedule, or any other name
   * @param overdueMs for how long it could have been done: the next in rank steps in after a while
   */
  mine(key: string, overdueMs?: number): boolean;
}

/**
 * Turns as this replica sees the others, by the same ranks as those of requests. For an instance it
 * is the turn of its holder, or else of the first in rank.
 */
export class ClusterTurns implements Turns {
  readonly #view: Pick<ClusterView, 'rank'>;
  readonly #leases: Pick<Leases, 'holding' | 'hint' | 'acquire'>;

  constructor(
    view: Pick<ClusterView, 'rank'>,
    leases: Pick<Leases, 'holding' | 'hint' | 'acquire'>,
  ) {
    this.#view = view;
    this.#leases = leases;
  }

  mine(key: string, overdueMs = 0): boolean {
    return this.#view.rank(key) * STEP_IN_MS <= overdueMs;
  }

  /** Whether nobody holds the instance, as last seen. */
  isFree(instanceId: string): boolean {
    return this.#leases.hint(instanceId) === undefined;
  }

  /** Whether it is this replica's turn to act on an instance. */
  mineToAct(instanceId: string, overdueMs = 0): boolean {
    if (this.#leases.holding(instanceId) !== undefined) return true;
    return this.isFree(instanceId) && this.mine(instanceId, overdueMs);
  }

  /** The holding of an instance, acquired if need be; undefined if it is another replica's turn. */
  async take(instanceId: string, overdueMs = 0): Promise<Holding | undefined> {
    const holding = this.#leases.holding(instanceId);
    if (holding !== undefined) return holding;
    if (!this.mineToAct(instanceId, overdueMs)) return undefined;
    const outcome = await this.#leases.acquire(instanceId);
    return outcome.kind === 'acquired' ? outcome.holding : undefined;
  }
}
