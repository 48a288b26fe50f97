import { TransientMap } from '../../src/transient-map.ts';
import type { UnreadBroadcast } from './unread-broadcast.ts';

/**
 * At most this many unread broadcasts per instance. Beyond that, broadcasts are parsed at once: a
 * parsed one is found by its key, an unread one by a scan.
 */
const MAX_UNREAD = 64;

/** The broadcasts on instances of other replicas that are not parsed yet, by instance. */
export class UnreadTable {
  readonly #byInstance = new TransientMap<string, UnreadBroadcast[]>();

  /** False, and not added, when the instance has {@link MAX_UNREAD} of them. */
  add(unread: UnreadBroadcast): boolean {
    const { instanceId } = unread;
    const ofInstance = this.#byInstance.get(instanceId);
    if (ofInstance === undefined) this.#byInstance.set(instanceId, [unread]);
    else if (ofInstance.length >= MAX_UNREAD) return false;
    else ofInstance.push(unread);
    return true;
  }

  has(instanceId: string): boolean {
    return this.#byInstance.has(instanceId);
  }

  /** Those on one instance. Removing one while iterating is safe. */
  ofInstance(instanceId: string): readonly UnreadBroadcast[] {
    return this.#byInstance.get(instanceId) ?? [];
  }

  all(): UnreadBroadcast[] {
    return [...this.#byInstance.values()].flat();
  }

  remove(unread: UnreadBroadcast): void {
    const { instanceId } = unread;
    const left = this.#byInstance.get(instanceId)?.filter((other) => other !== unread) ?? [];
    if (left.length === 0) this.#byInstance.delete(instanceId);
    else this.#byInstance.set(instanceId, left);
  }
}
