import type { Leases } from '../../coordinator/leases.ts';
import type { Holding } from '../../src/lease/holding.ts';
import type { Logger } from '../../src/logger.ts';
import type { Counted } from '../run/context.ts';
import type { WrongReplica } from '../run/wrong-replica.ts';
import type { ClusterView } from './cluster-view.ts';
import type { Placed } from './placements.ts';

/** A reason is for people, and the note that carries it is for every replica. */
export const MAX_WHY = 500;

/** What {@link HandOver} needs from the rest of the replica. */
export interface HandOverOptions {
  view: ClusterView;
  leases: Pick<Leases, 'replicaId' | 'release'>;
  logger: Logger;
  count: (event: Counted) => void;
  /** Announces to the other replicas who can run an instance's next cell. */
  announce: (placed: Placed) => void;
}

/**
 * Gives up an instance whose next cell this replica cannot run: names a replica that can, leaves
 * the instance to others for a while, and releases the lease.
 */
export class HandOver {
  readonly #options: HandOverOptions;

  constructor(options: HandOverOptions) {
    this.#options = options;
  }

  /**
   * @param nobodyCan called before the lease is released, if no replica can run it: what is
   *   announced there reaches the others before they see that the instance is free
   * @returns whether no replica can run it, once the lease is released
   */
  async handOver(
    holding: Holding,
    wrong: WrongReplica,
    nobodyCan: () => void = () => undefined,
  ): Promise<boolean> {
    const { view, leases, logger, count, announce } = this.#options;
    const { instanceId, token } = holding;
    const { to, perhaps } = view.elsewhere(instanceId, wrong);
    const nobody = to === undefined && !perhaps;
    const why = wrong.unfit.why.slice(0, MAX_WHY);
    const placed = { instanceId, to, forMs: wrong.forMs, why };
    view.avoid(placed);
    // Before the lease vanishes: then the one that is named knows that it is first.
    announce({ ...placed, by: leases.replicaId });
    count({ what: 'wrong_replica' });
    logger.warn({ instanceId, token, to, why }, "cannot run an instance's next cell; released it");
    if (nobody) nobodyCan();
    await leases.release(holding, why);
    return nobody;
  }
}
