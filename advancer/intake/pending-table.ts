import type { Json } from '../../src/json.ts';
import { TransientMap } from '../../src/transient-map.ts';
import { PendingRequest, type Operation } from './pending-request.ts';

/** The requests that this replica remembers, by key and by instance. */
export class PendingTable {
  readonly #byKey = new TransientMap<string, PendingRequest>();
  readonly #byInstance = new TransientMap<string, Set<PendingRequest>>();

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): PendingRequest | undefined {
    return this.#byKey.get(key);
  }

  /** The requests on one instance; undefined when there are none. */
  ofInstance(instanceId: string): ReadonlySet<PendingRequest> | undefined {
    return this.#byInstance.get(instanceId);
  }

  all(): IterableIterator<PendingRequest> {
    return this.#byKey.values();
  }

  /**
   * Remembers a request. If the same request is remembered already, joins this one to it and
   * returns undefined.
   *
   * @param direct whether it was sent to this replica alone
   */
  add(
    operation: Operation,
    reply: (body: Json) => void,
    turnsFromMs: number,
    direct: boolean,
  ): PendingRequest | undefined {
    const known = this.#byKey.get(operation.key);
    if (known !== undefined && !known.settled) {
      known.alsoReplyTo(reply);
      known.direct &&= direct;
      return undefined;
    }
    const pending = new PendingRequest(operation, turnsFromMs, reply);
    pending.direct = direct;
    this.#byKey.set(operation.key, pending);
    const ofInstance = this.#byInstance.get(operation.instanceId) ?? new Set();
    this.#byInstance.set(operation.instanceId, ofInstance.add(pending));
    return pending;
  }

  /** Settles a request and forgets it. */
  remove(pending: PendingRequest): void {
    const { key, instanceId } = pending.operation;
    pending.settle();
    if (this.#byKey.get(key) === pending) this.#byKey.delete(key);
    const ofInstance = this.#byInstance.get(instanceId);
    ofInstance?.delete(pending);
    if (ofInstance?.size === 0) this.#byInstance.delete(instanceId);
  }
}
