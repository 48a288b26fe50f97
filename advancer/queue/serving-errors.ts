import { TransientMap } from '../../src/transient-map.ts';

/** At most this many requests can be in trouble at once; beyond that, the oldest is forgotten. */
const MAX_KEYS = 10_000;

/** How often serving a request has failed here. */
export interface Failures {
  times: number;
  /** Why, the last time. */
  why: string;
}

/**
 * How often serving each enqueued request has failed in this process, for reasons that lie with the
 * request or the replica. A server that is down is no such reason, nor is the death of a replica.
 */
export class ServingErrors {
  readonly #byKey = new TransientMap<string, Failures>();

  of(key: string): Failures | undefined {
    return this.#byKey.get(key);
  }

  add(key: string, why: string): void {
    const times = (this.#byKey.get(key)?.times ?? 0) + 1;
    this.#byKey.delete(key);
    this.#byKey.set(key, { times, why });
    if (this.#byKey.size <= MAX_KEYS) return;
    for (const oldest of this.#byKey.keys()) {
      this.#byKey.delete(oldest);
      break;
    }
  }

  forget(key: string): void {
    this.#byKey.delete(key);
  }
}
