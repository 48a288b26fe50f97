import type { Json } from '../../src/json.ts';
import type { Operation } from './pending-request.ts';
import type { Waiter } from './waiting-room.ts';

/** A broadcast as it arrived. */
export interface UnreadBroadcastOptions {
  instanceId: string;
  bytes: number;
  /**
   * Called at most once; returns undefined for a malformed broadcast, which it has then dealt with.
   */
  parse: () => Operation | undefined;
  reply: (body: Json) => void;
}

/**
 * A broadcast whose body is not parsed yet. Of those that another replica has to serve, nearly all
 * are answered before this replica needs to know what they say, and parsing many at once, when the
 * holder announces its answers, costs a fraction of parsing each as it arrives.
 */
export class UnreadBroadcast {
  /** From the subject, which is not to be trusted. */
  readonly instanceId: string;
  /** The size of its body. */
  readonly bytes: number;
  /** Replies to the sender. */
  readonly reply: (body: Json) => void;
  /** Its place in the waiting room. */
  waiter: Waiter | undefined;
  #parse: (() => Operation | undefined) | undefined;
  #operation: Operation | undefined;

  constructor({ instanceId, bytes, parse, reply }: UnreadBroadcastOptions) {
    this.instanceId = instanceId;
    this.bytes = bytes;
    this.#parse = parse;
    this.reply = reply;
  }

  /** What it asks for; undefined if it is malformed. */
  get operation(): Operation | undefined {
    const parse = this.#parse;
    if (parse !== undefined) {
      this.#parse = undefined;
      this.#operation = parse();
    }
    return this.#operation;
  }
}
