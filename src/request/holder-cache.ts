import { TransientMap } from '../transient-map.ts';
import type { Receipt } from './receipt.ts';

/** Those that were learned first are forgotten first. */
const MOST = 10_000;

/**
 * Who was last heard to hold which instance, so that the next request can be sent to that replica
 * alone: a broadcast wakes them all. It is a hint, no more; a replica that does not hold the
 * instance declines, and then all are asked.
 */
export class HolderCache {
  /** Undefined once it may not be made use of. */
  #byInstance: TransientMap<string, string> | undefined = new TransientMap();

  /** Undefined where all have to be asked. */
  of(instanceId: string): string | undefined {
    return this.#byInstance?.get(instanceId);
  }

  /** Takes note of who answered. Where nothing is left to ask for, nobody need be remembered. */
  learn({ instanceId, holder, outcome }: Pick<Receipt, 'instanceId' | 'holder' | 'outcome'>): void {
    const known = this.#byInstance;
    if (holder === null || outcome === 'completed' || outcome === 'halted')
      known?.delete(instanceId);
    else if (known !== undefined && known.get(instanceId) !== holder.replicaId) {
      known.set(instanceId, holder.replicaId);
      const [oldest] = known.keys();
      if (known.size > MOST && oldest !== undefined) known.delete(oldest);
    }
  }

  forget(instanceId: string): void {
    this.#byInstance?.delete(instanceId);
  }

  /**
   * The server does not let this agent publish to replicas alone: from here on all are asked,
   * always.
   */
  giveUp(): void {
    this.#byInstance = undefined;
  }
}
