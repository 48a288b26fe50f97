import type { Json } from '../../src/json.ts';
import type { Operation } from './pending-request.ts';
import type { Waiter } from './waiting-room.ts';

/**
 * A broadcast as it came, not read yet. Of those that are another replica's to serve nearly all are
 * answered before anybody else need know what they say; and reading many at once, when that one
 * tells of its answers, costs a fraction of reading each as it comes.
 */
export class UnreadBroadcast {
  /** By its subject, which is not to be trusted. */
  readonly instanceId: string;
  /** Answers whoever sent it. */
  readonly reply: (body: Json) => void;
  /** Its place in the lobby. */
  guest: Waiter | undefined;
  #read: (() => Operation | undefined) | undefined;
  #errand: Operation | undefined;

  /** @param read reads it, once; undefined for one that is malformed, which it has then seen to */
  constructor(instanceId: string, read: () => Operation | undefined, reply: (body: Json) => void) {
    this.instanceId = instanceId;
    this.#read = read;
    this.reply = reply;
  }

  /** What it wants; undefined for one that is malformed. */
  get errand(): Operation | undefined {
    const read = this.#read;
    if (read !== undefined) {
      this.#read = undefined;
      this.#errand = read();
    }
    return this.#errand;
  }
}
