import type { Json } from '../../src/json.ts';
import type { Errand } from './ask.ts';
import type { Guest } from './lobby.ts';

/**
 * A broadcast as it came, not read yet. Of those that are another replica's to serve nearly all are
 * answered before anybody else need know what they say; and reading many at once, when that one
 * tells of its answers, costs a fraction of reading each as it comes.
 */
export class Letter {
  /** By its subject, which is not to be trusted. */
  readonly instanceId: string;
  /** Answers whoever sent it. */
  readonly reply: (body: Json) => void;
  /** Its place in the lobby. */
  guest: Guest | undefined;
  #read: (() => Errand | undefined) | undefined;
  #errand: Errand | undefined;

  /** @param read reads it, once; undefined for one that is malformed, which it has then seen to */
  constructor(instanceId: string, read: () => Errand | undefined, reply: (body: Json) => void) {
    this.instanceId = instanceId;
    this.#read = read;
    this.reply = reply;
  }

  /** What it wants; undefined for one that is malformed. */
  get errand(): Errand | undefined {
    const read = this.#read;
    if (read !== undefined) {
      this.#read = undefined;
      this.#errand = read();
    }
    return this.#errand;
  }
}
