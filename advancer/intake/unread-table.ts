import { TransientMap } from '../../src/transient-map.ts';
import type { Quota } from './quota.ts';
import type { UnreadBroadcast } from './unread-broadcast.ts';

/**
 * At most this many unread broadcasts per instance. Beyond that, broadcasts are parsed at once: a
 * parsed one is found by its key, an unread one by a scan.
 */
const MAX_UNREAD = 64;
/** An advance has less, unless it is padded: what is larger is read at once. */
const MAX_UNREAD_BYTES = 2 * 1024;

/** The broadcasts on instances of other replicas that are not parsed yet, by instance. */
export class UnreadTable {
  readonly #quota: Quota;
  readonly #byInstance = new TransientMap<string, UnreadBroadcast[]>();

  constructor(quota: Quota) {
    this.#quota = quota;
  }

  /**
   * False, and not added, when the instance has {@link MAX_UNREAD} of them, when it is large, or
   * when too much is remembered.
   */
  add(unread: UnreadBroadcast): boolean {
    const { instanceId, bytes } = unread;
    const ofInstance = this.#byInstance.get(instanceId);
    if (bytes > MAX_UNREAD_BYTES || (ofInstance?.length ?? 0) >= MAX_UNREAD) return false;
    if (!this.#quota.takeUnread()) return false;
    if (ofInstance === undefined) this.#byInstance.set(instanceId, [unread]);
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
    const before = this.#byInstance.get(instanceId) ?? [];
    const left = before.filter((other) => other !== unread);
    if (left.length === before.length) return;
    this.#quota.releaseUnread();
    if (left.length === 0) this.#byInstance.delete(instanceId);
    else this.#byInstance.set(instanceId, left);
  }
}
