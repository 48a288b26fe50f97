import type { Json } from '../../src/json.ts';
import { TransientMap } from '../../src/transient-map.ts';
import { PendingRequest, type Operation } from './pending-request.ts';
import type { Quota, Refused } from './quota.ts';

/** What became of a request that arrived. */
export type Remembered =
  | { kind: 'new'; pending: PendingRequest }
  /** The same request is remembered already, so both get its answer. */
  | { kind: 'joined'; allAnswered: boolean }
  /** It is not remembered. */
  | { kind: 'refused'; refused: Refused };

/** The requests that this replica remembers, by key and by instance. */
export class PendingTable {
  readonly #quota: Quota;
  readonly #byKey = new TransientMap<string, PendingRequest>();
  readonly #byInstance = new TransientMap<string, Set<PendingRequest>>();

  constructor(quota: Quota) {
    this.#quota = quota;
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
   * Remembers a request, or joins it to the same one that is remembered already.
   *
   * @param direct whether it was sent to this replica alone
   */
  add(
    operation: Operation,
    reply: (body: Json) => void,
    turnsFromMs: number,
    direct: boolean,
  ): Remembered {
    const known = this.#byKey.get(operation.key);
    if (known !== undefined && !known.settled) {
      known.direct &&= direct;
      return { kind: 'joined', allAnswered: known.alsoReplyTo(reply) };
    }
    const { instanceId, share } = operation;
    const onInstance = this.#byInstance.get(instanceId)?.size ?? 0;
    const refused = this.#quota.takeRequest(instanceId, onInstance, share);
    if (refused !== undefined) return { kind: 'refused', refused };
    const pending = new PendingRequest(operation, turnsFromMs, reply);
    pending.direct = direct;
    this.#byKey.set(operation.key, pending);
    const ofInstance = this.#byInstance.get(instanceId) ?? new Set();
    this.#byInstance.set(instanceId, ofInstance.add(pending));
    return { kind: 'new', pending };
  }

  /** Settles a request and forgets it. */
  remove(pending: PendingRequest): void {
    const { key, instanceId, share } = pending.operation;
    pending.settle();
    if (this.#byKey.get(key) === pending) this.#byKey.delete(key);
    const ofInstance = this.#byInstance.get(instanceId);
    if (ofInstance?.delete(pending) === true) this.#quota.releaseRequest(instanceId, share);
    if (ofInstance?.size === 0) this.#byInstance.delete(instanceId);
  }
}
