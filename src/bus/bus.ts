import type { Json } from '../json.ts';

/** Which NATS account a message comes from. */
export type ReportedAccount =
  /** The server says so, when it passes a message from one account to another. */
  | { kind: 'reported'; account: string }
  /** The server says nothing: sender and receiver share an account, or it is not to report. */
  | { kind: 'none' }
  /** The message contradicts itself: its sender has tried to speak for the server. */
  | { kind: 'contradictory' }
  /** Another replica forwards the message, and has checked it. */
  | { kind: 'checked' };

/** One message as it arrived. */
export interface BusMessage {
  /** The whole subject. Not to be trusted: the publisher chose it. */
  subject: string;
  /** The body as bytes, not to be trusted either. */
  data: Uint8Array;
  /** Whether the publisher waits for a reply. */
  wantsReply: boolean;
  /**
   * To be trusted as far as the server is configured: a sender in the receiver's own account may
   * claim to come from another one.
   */
  account: ReportedAccount;
  /**
   * Sends a reply; does nothing if the publisher expects none, or wants it on a subject to which
   * this process does not reply. Never throws.
   */
  reply(body: Json): void;
}

/**
 * The result of a request. `no_responders` is a fast hint that nobody is subscribed, not a proof of
 * death.
 */
export type BusReply =
  | { kind: 'reply'; body: Json }
  | { kind: 'no_responders' }
  | { kind: 'timeout' }
  /** A reply came that is not JSON. */
  | { kind: 'malformed'; why: string }
  /** No connection: nothing was sent, or it is unknown whether it was. */
  | { kind: 'disconnected' };

/** A subscription; ends once, later calls do nothing. */
export interface BusSubscription {
  unsubscribe(): void;
}

/**
 * What replicas and agents need from the message bus. One adapter (`nats.ts`, `nats-bus.ts`)
 * imports the client package.
 *
 * Delivery is at most once; what is published during an outage is lost without an error. Nothing
 * that safety depends on rests on a message.
 */
export interface Bus {
  /**
   * Never throws. Drops the message if there is no connection or the server's limit is exceeded.
   *
   * @param divide makes smaller bodies of one that exceeds the limit; default: it is dropped
   */
  publish(subject: string, body: Json, divide?: (maxBytes: number) => readonly Json[]): void;
  /**
   * Resolves within `timeoutMs`, and at once when there is no connection or it breaks meanwhile.
   *
   * @param accepts whether a reply can be the answer; one that cannot is ignored, and the wait goes
   *   on
   * @param patient whether nothing but an accepted reply ends the wait: whatever is no JSON is
   *   ignored too, and after a `no_responders` the wait goes on for a moment. Anybody who sees the
   *   request can send what looks like one
   * @throws RangeError when the body is larger than the server takes
   */
  request(
    subject: string,
    body: Json,
    timeoutMs: number,
    accepts?: (body: Json) => boolean,
    patient?: boolean,
  ): Promise<BusReply>;
  /**
   * Like {@link Bus.request}, for a subject that a stream captures: the stream's acknowledgement is
   * a reply. Once it has one, the message is stored; without one, that is unknown.
   */
  store(
    subject: string,
    body: Json,
    timeoutMs: number,
    accepts: (body: Json) => boolean,
  ): Promise<BusReply>;
  /**
   * With a `queue`, one member of the group gets each message. The handler is called in order of
   * arrival, without waiting for an asynchronous one to finish. A handler that throws or rejects is
   * reported, never fatal. Subscriptions survive reconnects.
   */
  subscribe(
    subject: string,
    handler: (message: BusMessage) => void | Promise<void>,
    options?: { queue?: string },
  ): BusSubscription;
  connected(): boolean;
  /** The size of the largest body that the server takes. */
  maxBytes(): number;
  /**
   * Resolves when everything published so far has reached the server, or when that can no longer be
   * known (the connection broke, or the server was silent for 5 s). Never rejects.
   */
  flush(): Promise<void>;
  /** Sends what is pending, then disconnects. May be called twice. */
  close(): Promise<void>;
}
