import type { Json } from '../json.ts';

/** One message as it arrived. */
export interface BusMessage {
  /** The whole subject, not to be trusted: whoever published it chose it. */
  subject: string;
  /** The body as bytes, not to be trusted either. */
  data: Uint8Array;
  /** Whether the publisher waits for an answer. */
  wantsReply: boolean;
  /** Answers; does nothing where no answer is awaited, never throws. */
  reply(body: Json): void;
}

/**
 * What came of a request. `no_responders` is a fast hint that nobody listens, not a proof of death.
 */
export type BusReply =
  | { kind: 'reply'; body: Json }
  | { kind: 'no_responders' }
  | { kind: 'timeout' }
  /** Somebody answered, but not with JSON. */
  | { kind: 'malformed'; why: string }
  /** Not connected: nothing was sent, or nobody knows whether it was. */
  | { kind: 'disconnected' };

/** A subscription; ends once, later calls do nothing. */
export interface BusSubscription {
  unsubscribe(): void;
}

/**
 * What replicas and agents need of the message bus. One adapter (`nats.ts`) knows the client
 * package.
 *
 * Delivery is at most once; publishes during an outage are lost without an error. Nothing that
 * decides safety rests on a message.
 */
export interface Bus {
  /**
   * Never throws: without a connection, or for a body that is too large for the server, the message
   * is dropped.
   */
  publish(subject: string, body: Json): void;
  /**
   * Answers within `timeoutMs`, and at once when there is no connection or it breaks meanwhile.
   *
   * @throws RangeError when the body is larger than the server takes
   */
  request(subject: string, body: Json, timeoutMs: number): Promise<BusReply>;
  /**
   * With a `queue`, one member of the group gets each message. The handler is called in the order
   * of arrival, without waiting for an asynchronous one to end. A handler that throws or rejects is
   * reported, never fatal. Outlives reconnects.
   */
  subscribe(
    subject: string,
    handler: (message: BusMessage) => void | Promise<void>,
    options?: { queue?: string },
  ): BusSubscription;
  connected(): boolean;
  /** Calls back at each loss and each return of the connection. */
  onConnection(listener: (connected: boolean) => void): void;
  /**
   * Resolves when what was published so far has reached the server, or can no longer be known to
   * (the connection broke, or the server was silent for 5 s). Never rejects.
   */
  flush(): Promise<void>;
  /** Sends what is pending, then disconnects. Tolerates being called twice. */
  close(): Promise<void>;
}
