import { isId } from '../ids.ts';
import type { Receipt } from './receipt.ts';

/** Beyond this many instances, the entries that were learned first are dropped. */
const MAX_ENTRIES = 10_000;

/**
 * The replica that was last known to hold each instance, so that the next request can go to that
 * replica alone: a broadcast wakes every replica. An entry is only a hint. A replica that does not
 * hold the instance declines, and the request is then broadcast.
 */
export class HolderCache {
  /** Undefined once it is switched off. */
  #byInstance: Map<string, string> | undefined = new Map();

  /** The holder to ask; undefined if the request must be broadcast. */
  of(instanceId: string): string | undefined {
    return this.#byInstance?.get(instanceId);
  }

  /** Learns the holder from a receipt, and forgets it if the instance has nothing left to run. */
  learn({ instanceId, holder, outcome }: Pick<Receipt, 'instanceId' | 'holder' | 'outcome'>): void {
    const known = this.#byInstance;
    // A subject is made of it.
    if (
      holder === null ||
      !isId(holder.replicaId) ||
      outcome === 'completed' ||
      outcome === 'cancelled' ||
      outcome === 'halted'
    )
      known?.delete(instanceId);
    else if (known !== undefined && known.get(instanceId) !== holder.replicaId) {
      known.set(instanceId, holder.replicaId);
      const [oldest] = known.keys();
      if (known.size > MAX_ENTRIES && oldest !== undefined) known.delete(oldest);
    }
  }

  forget(instanceId: string): void {
    this.#byInstance?.delete(instanceId);
  }

  /**
   * Switches the cache off for good: the server does not let this agent publish to single replicas,
   * so every request is broadcast.
   */
  disable(): void {
    this.#byInstance = undefined;
  }
}
