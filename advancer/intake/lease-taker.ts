import type { LeaseRecord, Leases } from '../../coordinator/leases.ts';
import type { Logger } from '../../src/logger.ts';
import { type Log } from '../log/log.ts';
import type { Counted } from '../run/context.ts';
import type { Peers } from './peers.ts';
import type { PendingRequest } from './pending-request.ts';

/** How long to wait before a retry: after a lost acquisition, or while etcd is silent. */
export const RETRY_MS = 50;
/** How long to wait when an open attempt belongs to a process that is still in etcd. */
const OPEN_ATTEMPT_RETRY_MS = 500;

/** What {@link LeaseTaker} needs from the rest of the replica. */
export interface LeaseTakerOptions {
  leases: Leases;
  log: Pick<Log, 'newestRow' | 'snapshot'>;
  peers: Pick<Peers, 'reachable'>;
  logger: Logger;
  count: (event: Counted) => void;
  /** Postgres did not answer. */
  logTrouble: (cause: unknown) => void;
}

/**
 * Gets the lease of a request's instance: acquires it, or takes it over from a holder that does not
 * answer or that drains. Each answers after how many milliseconds to look again; 0 for at once.
 */
export class LeaseTaker {
  readonly #options: LeaseTakerOptions;

  constructor(options: LeaseTakerOptions) {
    this.#options = options;
  }

  /**
   * Acquires the lease of an instance that exists; anyone can name one that does not. The instance
   * is read before and not after, so that this costs no further read: the request is served with
   * what is read here.
   *
   * @throws LogUnavailable when Postgres does not answer
   */
  async acquire(pending: PendingRequest): Promise<number | 'no_instance'> {
    const { leases, log } = this.#options;
    const { instanceId, requestId } = pending.operation;
    const { senders } = pending;
    const snapshot = await log.snapshot(instanceId, requestId);
    if (pending.settled) return 0;
    // If it was sent again meanwhile, the instance may have been started in between: read again.
    if (snapshot === undefined) return pending.senders === senders ? 'no_instance' : 0;
    // Another request has acquired it, and may have advanced the instance since the read.
    if (leases.holding(instanceId) !== undefined) return 0;
    pending.snapshot = snapshot;
    if ((await leases.acquire(instanceId)).kind === 'acquired') return 0;
    pending.snapshot = undefined;
    return RETRY_MS;
  }

  /**
   * Takes over from a holder that does not answer, if etcd still has its lease and the log has no
   * open attempt.
   */
  async takeOver(pending: PendingRequest): Promise<number> {
    const { leases, log, peers, logTrouble } = this.#options;
    const { instanceId } = pending.operation;
    const seen = await leases.look(instanceId);
    // Another request may have acquired it meanwhile.
    if (leases.holding(instanceId) !== undefined) return 0;
    if (seen === 'none') return 0;
    if (seen === 'unavailable') return RETRY_MS;
    if (await peers.reachable(seen.replicaId)) return RETRY_MS;
    try {
      const newest = await log.newestRow(instanceId);
      // An open attempt belongs to its process for as long as that is in etcd.
      if (newest?.kind === 'started') return OPEN_ATTEMPT_RETRY_MS;
    } catch (cause) {
      logTrouble(cause);
      return RETRY_MS;
    }
    if (leases.holding(instanceId) !== undefined) return 0;
    const retryMs = await this.replace(pending, seen, 'took over from an unreachable holder');
    if (retryMs === 0) this.#options.count({ what: 'take_over' });
    return retryMs;
  }

  /** Replaces another replica's lease. */
  async replace({ operation }: PendingRequest, lease: LeaseRecord, how: string): Promise<number> {
    const outcome = await this.#options.leases.takeOver(lease);
    if (outcome.kind !== 'acquired') return RETRY_MS;
    const { instanceId, requestId } = operation;
    const { token } = outcome.holding;
    this.#options.logger.info({ instanceId, from: lease.replicaId, token, requestId }, how);
    return 0;
  }
}
