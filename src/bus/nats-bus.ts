import { Events } from 'nats';
import type { NatsConnection } from 'nats';

import { DEFAULT_INBOX_PREFIX, isReplySubject } from '../config/reply-prefixes.ts';
import type { StreamSettings } from '../config/stream-settings.ts';
import { errorText } from '../error-text.ts';
import type { Json } from '../json.ts';
import type { Bus, BusMessage, BusReply, BusSubscription } from './bus.ts';
import { incoming } from './incoming.ts';
import { JetStream } from './jetstream.ts';
import { NatsPoisonStream } from './nats-poison-stream.ts';
import { NatsRequestStream } from './nats-request-stream.ts';
import { Outbox } from './outbox.ts';
import { RepeatedWarning } from './repeated-warning.ts';
import type { PoisonStream, RequestStream } from './request-stream.ts';
import { RequestsInFlight, type OutgoingRequest } from './requests-in-flight.ts';
import type { Subjects } from './subjects.ts';

const FLUSH_TIMEOUT_MS = 5_000;
/** What a NATS server takes unless it is configured otherwise. */
const DEFAULT_MAX_PAYLOAD = 1024 * 1024;
const CLOSE_TIMEOUT_MS = 2_000;

/** What a {@link NatsBus} is made of. */
export interface NatsBusOptions {
  connection: NatsConnection;
  warn: (message: string, cause?: unknown) => void;
  /** Default: `_INBOX`. */
  inboxPrefix?: string | undefined;
  /** Default: replies go wherever the requester wants them. */
  replyPrefixes?: readonly string[] | undefined;
  /** Called for each reply that is not sent because of its subject. */
  onRefusedReply?: (() => void) | undefined;
  /** Learns when the connection is lost, and when it is back or closed. */
  outage?: { begin(): void; end(): void } | undefined;
}

/** The bus over a NATS connection that exists; see `connectBus`. */
export class NatsBus implements Bus {
  readonly #connection: NatsConnection;
  readonly #warn: (message: string, cause?: unknown) => void;
  readonly #options: NatsBusOptions;
  readonly #refusedReplies: RepeatedWarning;
  readonly #subscriptions = new Set<BusSubscription>();
  readonly #requests: RequestsInFlight;
  readonly #outbox: Outbox;
  readonly #jetStream: JetStream;
  /** Ends each flush that is waiting, when the connection breaks. */
  readonly #flushes = new Set<() => void>();
  #connected = true;
  #closing: Promise<void> | undefined;

  constructor(options: NatsBusOptions) {
    const { connection, warn, inboxPrefix } = options;
    this.#options = options;
    this.#connection = connection;
    this.#warn = (message, cause) => ignoringErrors(() => warn(message, cause));
    this.#refusedReplies = new RepeatedWarning(this.#warn);
    this.#requests = new RequestsInFlight(connection, this.#warn, inboxPrefix);
    this.#outbox = new Outbox(connection, () => this.connected());
    this.#jetStream = new JetStream(connection, this.#requests, () => this.connected());
    void this.#followStatus();
  }

  connected(): boolean {
    return this.#connected && !this.#connection.isClosed();
  }

  publish(subject: string, body: Json, divide?: (maxBytes: number) => readonly Json[]): void {
    // The client would keep the message only until its next attempt to connect. Dropping it always
    // is better than dropping it sometimes.
    if (!this.connected()) return;
    const dropped = (cause: unknown): void =>
      this.#warn(`dropped a message to ${subject} (${errorText(cause)})`, cause);
    const data = encoded(body);
    const limit = this.maxBytes();
    if (data.byteLength <= limit) this.#outbox.add(subject, data, dropped);
    else if (divide !== undefined) for (const part of divide(limit)) this.publish(subject, part);
    else dropped(new RangeError(`${data.byteLength} bytes; the NATS server's limit is ${limit}`));
  }

  maxBytes(): number {
    return this.#connection.info?.max_payload ?? DEFAULT_MAX_PAYLOAD;
  }

  request(
    subject: string,
    body: Json,
    timeoutMs: number,
    accepts?: (body: Json) => boolean,
    patient = false,
  ): Promise<BusReply> {
    return this.#request({ subject, body, timeoutMs, accepts, patient, toStream: false });
  }

  #request(request: Omit<OutgoingRequest, 'send'> & { body: Json }): Promise<BusReply> {
    const { subject, body } = request;
    const data = encoded(body);
    const limit = this.maxBytes();
    if (data.byteLength > limit) {
      const why = `a request of ${data.byteLength} bytes to ${subject} exceeds the NATS server's limit of ${limit}`;
      return Promise.reject(new RangeError(why));
    }
    if (!this.connected()) return Promise.resolve({ kind: 'disconnected' });
    const send = (replyTo: string, failed: (cause: unknown) => void): void =>
      this.#outbox.add(subject, data, failed, replyTo);
    return this.#requests.request({ ...request, send });
  }

  store(
    subject: string,
    body: Json,
    timeoutMs: number,
    accepts: (body: Json) => boolean,
  ): Promise<BusReply> {
    return this.#request({ subject, body, timeoutMs, accepts, patient: false, toStream: true });
  }

  /** The stream of the enqueued requests, over this connection. */
  requestStream(subjects: Subjects, settings: StreamSettings): RequestStream {
    const inbox = this.#options.inboxPrefix ?? DEFAULT_INBOX_PREFIX;
    return new NatsRequestStream(this.#jetStream, { subjects, settings, inbox });
  }

  /** What could not be served, over this connection. */
  poisonStream(subjects: Subjects): PoisonStream {
    return new NatsPoisonStream(this.#jetStream, subjects);
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void | Promise<void>,
    options?: { queue?: string },
  ): BusSubscription {
    const failed = (cause: unknown): void => {
      this.#warn(`the handler of ${subject} failed (${errorText(cause)}); message lost`, cause);
    };
    const subscription = this.#connection.subscribe(subject, {
      ...(options?.queue === undefined ? {} : { queue: options.queue }),
      // A callback that throws would silently end all delivery on this connection.
      callback: (error, message) => {
        if (error !== null) {
          this.#warn(
            `the server refused the subscription to ${subject} (${errorText(error)})`,
            error,
          );
          return;
        }
        try {
          const handling = handler(incoming(message, (to, body) => this.#reply(to, body)));
          if (handling !== undefined) handling.catch(failed);
        } catch (cause) {
          failed(cause);
        }
      },
    });
    const handle: BusSubscription = {
      unsubscribe: () => {
        if (this.#subscriptions.delete(handle)) ignoringErrors(() => subscription.unsubscribe());
      },
    };
    this.#subscriptions.add(handle);
    return handle;
  }

  #reply(to: string, body: Json): void {
    if (!this.connected()) return;
    // The sender of the request chose this subject.
    const { replyPrefixes, onRefusedReply } = this.#options;
    if (replyPrefixes !== undefined && !isReplySubject(to, replyPrefixes)) {
      if (onRefusedReply !== undefined) ignoringErrors(onRefusedReply);
      const where = `${shown(to)}, which is under none of ${replyPrefixes.join(', ')}`;
      this.#refusedReplies.warn(
        `did not reply to ${where} (LEASEHOLD_NATS_REPLY_PREFIXES): a requester may not make this process publish there`,
      );
      return;
    }
    const dropped = (cause: unknown): void =>
      this.#warn(`dropped a reply to ${shown(to)} (${errorText(cause)})`, cause);
    const data = encoded(body);
    const limit = this.maxBytes();
    if (data.byteLength <= limit) {
      this.#outbox.add(to, data, dropped);
      return;
    }
    const problem = `the reply has ${data.byteLength} bytes; the NATS server's limit is ${limit}`;
    this.#warn(`${problem}; sent an error instead`);
    const message = `${problem}; ask for less (a status without its log), or raise the server's max_payload`;
    this.#outbox.add(to, encoded({ error: { code: 'unavailable', message } }), dropped);
  }

  async flush(): Promise<void> {
    await this.#flush(FLUSH_TIMEOUT_MS);
  }

  async #flush(timeoutMs: number): Promise<void> {
    if (!this.connected()) return;
    this.#outbox.send();
    let stop = (): void => {};
    const stopped = new Promise<void>((resolve) => {
      stop = resolve;
    });
    this.#flushes.add(stop);
    const timer = setTimeout(stop, timeoutMs);
    try {
      await Promise.race([this.#connection.flush().catch(() => {}), stopped]);
    } finally {
      clearTimeout(timer);
      this.#flushes.delete(stop);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    // Also receives what the server had sent before it saw the unsubscribe.
    await this.#flush(CLOSE_TIMEOUT_MS);
    this.#connected = false;
    this.#options.outage?.end();
    this.#endWaits();
    await this.#connection
      .close()
      .catch((cause: unknown) => this.#warn('closing the NATS connection failed', cause));
  }

  /** Follows losses and returns of the connection until it is closed. */
  async #followStatus(): Promise<void> {
    try {
      for await (const status of this.#connection.status()) {
        if (status.type === Events.Disconnect) this.#setConnected(false);
        else if (status.type === Events.Reconnect) this.#setConnected(true);
        else if (status.type === Events.Error) {
          this.#warn(`NATS error ${JSON.stringify(status.data)}`);
          const denied = status.permissionContext;
          if (denied?.operation === 'publish') this.#requests.disconnect(denied.subject);
        }
      }
    } catch (cause) {
      this.#warn('following the NATS connection failed', cause);
    }
    const cause = await this.#connection.closed();
    if (this.#closing === undefined) {
      this.#setConnected(false);
      this.#warn('the NATS client gave up; restart this process', cause);
    }
  }

  #setConnected(connected: boolean): void {
    if (this.#closing !== undefined || this.#connected === connected) return;
    this.#connected = connected;
    if (!connected) this.#endWaits();
    if (connected) this.#options.outage?.end();
    else this.#options.outage?.begin();
    this.#warn(connected ? 'reconnected to NATS' : 'lost the connection to NATS; reconnecting');
  }

  /** Ends every flush and request that waits for the server. */
  #endWaits(): void {
    for (const stop of this.#flushes) stop();
    this.#requests.disconnect();
    this.#jetStream.lost();
  }
}

/** A subject that a stranger chose. */
function shown(subject: string): string {
  return JSON.stringify(subject.slice(0, 128));
}

function encoded(body: Json): Uint8Array {
  // From Node's buffer pool: TextEncoder allocates memory for each message, and the garbage
  // collector has to track it.
  return Buffer.from(JSON.stringify(body));
}

function ignoringErrors(action: () => void): void {
  try {
    action();
  } catch {
    // Nothing called here may end delivery.
  }
}
