import { ChurnMap } from '../churn.ts';
import type { Receipt } from '../request/receipt.ts';

/** Those that were learned first are forgotten first. */
const MOST = 10_000;

/**
 * Who was last heard to hold which instance, so that the next request can be sent to that replica alone: a broadcast wakes
 * them all. It is a hint, no more; a replica that does not hold the instance declines, and then all are asked.
 */
export class KnownHolders {
  readonly #byInstance = new ChurnMap<string, string>();
  #allowed = true;

  /** Undefined where all have to be asked. */
  of(instanceId: string): string | undefined {
    return this.#byInstance.get(instanceId);
  }

  /** Takes note of who answered. Where nothing is left to ask for, nobody need be remembered. */
  learn({ instanceId, holder, outcome }: Pick<Receipt, 'instanceId' | 'holder' | 'outcome'>): void {
    if (!this.#allowed || holder === null || outcome === 'completed' || outcome === 'halted') {
      this.forget(instanceId);
      return;
    }
    if (this.#byInstance.get(instanceId) === holder.replicaId) return;
    this.#byInstance.set(instanceId, holder.replicaId);
    if (this.#byInstance.size <= MOST) return;
    const [oldest] = this.#byInstance.keys();
    if (oldest !== undefined) this.#byInstance.delete(oldest);
  }

  forget(instanceId: string): void {
    this.#byInstance.delete(instanceId);
  }

  /** The server does not let this agent publish to replicas alone: from here on all are asked, always. */
  giveUp(): void {
    this.#allowed = false;
    for (const instanceId of [...this.#byInstance.keys()]) this.forget(instanceId);
  }
}
