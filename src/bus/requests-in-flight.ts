import type { Msg, NatsConnection } from 'nats';

import { DEFAULT_INBOX_PREFIX } from '../config/reply-prefixes.ts';
import { errorText } from '../error-text.ts';
import { inexactText, parseJsonText } from '../json-text.ts';
import type { Json } from '../json.ts';
import { TransientMap } from '../transient-map.ts';
import type { BusReply } from './bus.ts';
import { RandomTokens } from './random-tokens.ts';
import { RepeatedWarning } from './repeated-warning.ts';
import { acknowledgingStream } from './stream-acknowledgement.ts';

/** How long a patient request goes on after the server said that nobody is subscribed. */
const NO_RESPONDERS_GRACE_MS = 25;

interface RequestInFlight {
  subject: string;
  accepts: ((body: Json) => boolean) | undefined;
  patient: boolean;
  toStream: boolean;
  timer: NodeJS.Timeout;
  resolve: (reply: BusReply) => void;
}

/** A request to make. */
export interface OutgoingRequest {
  subject: string;
  timeoutMs: number;
  /** See `Bus.request`. */
  accepts: ((body: Json) => boolean) | undefined;
  /** See `Bus.request`. */
  patient: boolean;
  /** Whether a stream's acknowledgement is a reply like any other. */
  toStream?: boolean;
  /** Sends the request with the given reply subject, and calls `failed` if it cannot. */
  send: (replyTo: string, failed: (cause: unknown) => void) => void;
}

/**
 * Correlates requests with their replies over a single inbox subscription. The NATS client's
 * `request` does the same but creates an error object for every reply, which costs more than the
 * rest of the request.
 *
 * A reply proves nothing but that its sender knew where to send it, so nobody can guess that: the
 * inbox has a random name, and each request a random token in it.
 */
export class RequestsInFlight {
  readonly #connection: NatsConnection;
  readonly #warn: (message: string, cause?: unknown) => void;
  readonly #foreign: RepeatedWarning;
  readonly #tokens = new RandomTokens();
  readonly #inbox: string;
  readonly #byReplySubject = new TransientMap<string, RequestInFlight>();
  #subscribed = false;

  constructor(
    connection: NatsConnection,
    warn: (message: string, cause?: unknown) => void,
    inboxPrefix = DEFAULT_INBOX_PREFIX,
  ) {
    this.#connection = connection;
    this.#warn = warn;
    this.#foreign = new RepeatedWarning(warn);
    this.#inbox = `${inboxPrefix}.${this.#tokens.next()}${this.#tokens.next()}.`;
  }

  /** Resolves with the reply, or with the reason why there is none. */
  request(request: OutgoingRequest): Promise<BusReply> {
    const { subject, timeoutMs, accepts, patient, toStream = false, send } = request;
    try {
      this.#subscribe();
    } catch (cause) {
      this.#warn(`cannot subscribe to replies (${errorText(cause)})`, cause);
      return Promise.resolve({ kind: 'disconnected' });
    }
    const replyTo = this.#inbox + this.#tokens.next();
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => this.#resolve(replyTo, { kind: 'timeout' }),
        Math.max(1, timeoutMs),
      );
      const inFlight = { subject, accepts, patient, toStream, timer, resolve };
      this.#byReplySubject.set(replyTo, inFlight);
      send(replyTo, (cause) => {
        this.#warn(`a request to ${subject} failed (${errorText(cause)})`, cause);
        this.#resolve(replyTo, { kind: 'disconnected' });
      });
    });
  }

  /** Ends the requests to one subject, or all of them: their replies can no longer arrive. */
  disconnect(subject?: string): void {
    for (const [replyTo, request] of this.#byReplySubject) {
      if (subject === undefined || request.subject === subject)
        this.#resolve(replyTo, { kind: 'disconnected' });
    }
  }

  #subscribe(): void {
    if (this.#subscribed) return;
    this.#connection.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error === null) {
          this.#onReply(message);
          return;
        }
        this.#warn(`the server refused the subscription to replies (${errorText(error)})`, error);
        this.#subscribed = false;
        this.disconnect();
      },
    });
    this.#subscribed = true;
  }

  #onReply(message: Msg): void {
    const { subject } = message;
    const request = this.#byReplySubject.get(subject);
    // Late, or a second reply.
    if (request === undefined) return;
    const reply = parseReply(message);
    const stream =
      reply.kind === 'reply' && !request.toStream ? acknowledgingStream(reply.body) : undefined;
    if (stream === undefined) {
      if (this.#isAwaited(subject, reply)) this.#resolve(subject, reply);
      else if (reply.kind === 'reply')
        this.#foreign.warn(`ignored a reply to ${request.subject} that answers something else`);
      return;
    }
    const why = `the JetStream stream ${stream} captures ${request.subject} and answered in place of a replica; take this namespace's subjects out of the stream`;
    this.#warn(why);
    if (!request.patient) this.#resolve(subject, { kind: 'malformed', why });
  }

  /** Whether the request ends with this reply; see `Bus.request`. */
  #isAwaited(replyTo: string, reply: BusReply): boolean {
    const request = this.#byReplySubject.get(replyTo);
    if (request === undefined) return false;
    if (reply.kind === 'reply') return request.accepts?.(reply.body) !== false;
    if (!request.patient) return true;
    if (reply.kind === 'no_responders')
      setTimeout(() => this.#resolve(replyTo, reply), NO_RESPONDERS_GRACE_MS);
    return false;
  }

  #resolve(replyTo: string, reply: BusReply): void {
    const request = this.#byReplySubject.get(replyTo);
    if (request === undefined) return;
    this.#byReplySubject.delete(replyTo);
    clearTimeout(request.timer);
    request.resolve(reply);
  }
}

const fromUtf8 = new TextDecoder('utf-8', { fatal: true });

function parseReply(message: Msg): BusReply {
  try {
    // The server's way to say that nobody is subscribed. The client throws for headers that it
    // cannot read, and what is thrown here would end all delivery on this connection.
    if (message.data.byteLength === 0 && message.headers?.code === 503)
      return { kind: 'no_responders' };
    const { value, inexact } = parseJsonText(fromUtf8.decode(message.data));
    return inexact[0] === undefined
      ? { kind: 'reply', body: value }
      : { kind: 'malformed', why: `in the reply, ${inexactText(inexact[0])}` };
  } catch (cause) {
    return {
      kind: 'malformed',
      why: `the reply cannot be read as JSON in UTF-8 (${errorText(cause)})`,
    };
  }
}
