import { TransientMap } from '../src/transient-map.ts';
import type { FencingToken } from '../src/ids.ts';
import { Batches } from '../src/batches.ts';
import { leaseKey } from './keys.ts';
import type { LeaseStore } from './store.ts';

/** The result of deleting a lease key; an `unknown` deletion may still happen. */
export type ReleaseOutcome = 'released' | 'unknown';

interface Ended {
  instanceId: string;
  token: FencingToken;
}

/**
 * Deletes the keys of ended terms, by revision, so that a successor's key is never touched, and
 * remembers the terms whose key is not definitely deleted: a key that may be deleted at any moment
 * must not count as a lease again.
 */
export class Releases {
  readonly #store: LeaseStore;
  readonly #namespace: string;
  readonly #batches: Batches<Ended, ReleaseOutcome>;
  readonly #ended = new TransientMap<string, FencingToken>();
  readonly #underWay = new TransientMap<string, Promise<ReleaseOutcome>>();

  constructor(store: LeaseStore, namespace: string, maxItems: number) {
    this.#store = store;
    this.#namespace = namespace;
    this.#batches = new Batches({ maxItems, maxInFlight: 2 }, (items) => this.#send(items));
  }

  /** Deletes the key if it still has this token. Never rejects. */
  async release(instanceId: string, token: FencingToken): Promise<ReleaseOutcome> {
    this.markEnded(instanceId, token);
    // A transaction must not name a key twice.
    while (this.#underWay.has(instanceId)) await this.#underWay.get(instanceId);
    const running = this.#batches.add({ instanceId, token });
    this.#underWay.set(instanceId, running);
    const outcome = await running;
    this.#underWay.delete(instanceId);
    if (outcome === 'released' && this.#ended.get(instanceId) === token)
      this.#ended.delete(instanceId);
    return outcome;
  }

  /** Records that a term has ended although its key may still be there. */
  markEnded(instanceId: string, token: FencingToken): void {
    this.#ended.set(instanceId, Math.max(token, this.#ended.get(instanceId) ?? 0));
  }

  /** Whether the key with this token belongs to a term that has ended. */
  hasEnded(instanceId: string, token: FencingToken): boolean {
    return token <= (this.#ended.get(instanceId) ?? 0);
  }

  /** Resolves when no release of the instance is under way. */
  async settled(instanceId: string): Promise<void> {
    await this.#underWay.get(instanceId);
  }

  async #send(items: Ended[]): Promise<ReleaseOutcome[]> {
    try {
      await this.#store.release(
        items.map(({ instanceId, token }) => ({
          key: leaseKey(this.#namespace, instanceId),
          modRevision: token,
        })),
      );
      // Deleted now, or no longer that term's: both are definite.
      return items.map(() => 'released');
    } catch {
      // What is queued would only run into one time-out after another.
      this.#batches.failQueued(() => 'unknown');
      return items.map(() => 'unknown');
    }
  }
}
