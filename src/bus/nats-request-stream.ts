import { headers, type Msg } from 'nats';

import type { StreamSettings } from '../config/stream-settings.ts';
import { errorText } from '../error-text.ts';
import { isJsonObject } from '../json.ts';
import { API_CODES, type ApiReply, type JetStream } from './jetstream.ts';
import { POISON_HEADERS } from './nats-poison-stream.ts';
import { RandomTokens } from './random-tokens.ts';
import { reportedAccount } from './reported-account.ts';
import type { Backlog, RequestStream, StoredMessage, StreamState } from './request-stream.ts';
import {
  CONSUMER,
  consumerConfig,
  consumerFault,
  faultOf,
  poisonStreamConfig,
  requestStreamConfig,
  type StreamConfig,
} from './stream-config.ts';
import type { Subjects } from './subjects.ts';

/** How much longer than the server a pull waits for the server's word that it is over. */
const GRACE_MS = 2_000;

/** What {@link NatsRequestStream} is made of. */
export interface NatsRequestStreamOptions {
  subjects: Subjects;
  settings: StreamSettings;
  /** Under which messages are received. */
  inbox: string;
}

/** A pull under way. */
interface Pull {
  left: number;
  receive: (message: StoredMessage) => void;
  end: (answered: boolean) => void;
}

/** The stream of the enqueued requests in JetStream. */
export class NatsRequestStream implements RequestStream {
  readonly #jetStream: JetStream;
  readonly #requests: StreamConfig;
  readonly #poison: StreamConfig;
  readonly #inbox: string;
  #pulls = 0;
  #subscribed = false;
  #pull: Pull | undefined;

  constructor(jetStream: JetStream, { subjects, settings, inbox }: NatsRequestStreamOptions) {
    this.#jetStream = jetStream;
    this.#requests = requestStreamConfig(subjects, settings);
    this.#poison = poisonStreamConfig(subjects, settings);
    this.#inbox = `${inbox}.${new RandomTokens().next()}.`;
  }

  async prepare(): Promise<StreamState> {
    const requests = await this.#prepareStream(this.#requests);
    if (requests.kind !== 'ready') return requests;
    const why = await this.#prepareConsumer();
    if (why !== undefined) return { kind: 'unusable', why };
    const poison = await this.#prepareStream(this.#poison);
    const problems = poison.kind === 'ready' ? poison.problems : [poison.why];
    return { kind: 'ready', problems: [...requests.problems, ...problems] };
  }

  async #prepareStream(config: StreamConfig): Promise<StreamState> {
    const { name } = config;
    let reply = await this.#jetStream.call(`STREAM.INFO.${name}`);
    if (isError(reply, API_CODES.noStream)) {
      reply = await this.#jetStream.call(`STREAM.CREATE.${name}`, config);
      // Another replica was faster, with other settings.
      if (isError(reply, API_CODES.nameInUse))
        reply = await this.#jetStream.call(`STREAM.INFO.${name}`);
    }
    if (isError(reply, API_CODES.subjectsOverlap)) return this.#captured(config);
    if (reply.kind !== 'ok')
      return { kind: 'unusable', why: `the JetStream stream ${name} cannot be had: ${reply.why}` };
    const { config: found } = reply.body;
    const fault = isJsonObject(found) ? faultOf(found, config) : undefined;
    if (fault?.kind === 'foreign') return { kind: 'unusable', why: fault.why };
    return { kind: 'ready', problems: fault?.problems ?? [] };
  }

  /** Another stream captures the subjects: finds out which. */
  async #captured({ name, subjects }: StreamConfig): Promise<StreamState> {
    const [subject = ''] = subjects;
    const reply = await this.#jetStream.call('STREAM.NAMES', { subject });
    const names = reply.kind === 'ok' ? reply.body['streams'] : undefined;
    const others = Array.isArray(names) ? names.map(String).join(', ') : 'of another name';
    const why =
      `the JetStream stream ${others} captures ${subject}, so ${name} cannot be created; ` +
      'take that subject out of it, or use another namespace';
    return { kind: 'unusable', why };
  }

  async #prepareConsumer(): Promise<string | undefined> {
    const { name } = this.#requests;
    const place = `${name}.${CONSUMER}`;
    let reply = await this.#jetStream.call(`CONSUMER.INFO.${place}`);
    if (isError(reply, API_CODES.noConsumer)) {
      const create = { stream_name: name, config: consumerConfig(), action: 'create' };
      reply = await this.#jetStream.call(`CONSUMER.CREATE.${place}`, create);
    }
    if (reply.kind !== 'ok')
      return `consumer ${CONSUMER} of the JetStream stream ${name} cannot be had: ${reply.why}`;
    const { config: found } = reply.body;
    return isJsonObject(found) ? consumerFault(found, name) : undefined;
  }

  pull(max: number, waitMs: number, receive: (message: StoredMessage) => void): Promise<boolean> {
    const { connection, connected } = this.#jetStream;
    if (!connected()) return Promise.resolve(false);
    return new Promise((resolve) => {
      const timer = setTimeout(() => end(true), waitMs + GRACE_MS);
      const forget = this.#jetStream.onLost(() => end(false));
      const end = (answered: boolean): void => {
        clearTimeout(timer);
        forget();
        if (this.#pull === pull) this.#pull = undefined;
        resolve(answered);
      };
      const pull: Pull = { left: max, receive, end };
      this.#pull?.end(true);
      this.#pull = pull;
      this.#pulls += 1;
      try {
        this.#subscribe();
        const request = { batch: max, expires: waitMs * 1_000_000 };
        connection.publish(
          `$JS.API.CONSUMER.MSG.NEXT.${this.#requests.name}.${CONSUMER}`,
          JSON.stringify(request),
          { reply: this.#inbox + this.#pulls },
        );
      } catch {
        end(false);
      }
    });
  }

  #subscribe(): void {
    if (this.#subscribed) return;
    this.#jetStream.connection.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error === null) this.#receive(message);
        else {
          this.#subscribed = false;
          this.#pull?.end(false);
        }
      },
    });
    this.#subscribed = true;
  }

  /** A message of any pull, or the server's word that this one is over. */
  #receive(message: Msg): void {
    const stored = storedMessage(message, (answer) => this.#publish(message.reply, answer));
    const pull = this.#pull;
    if (stored === undefined) {
      if (message.subject !== this.#inbox + this.#pulls) return;
      const code = statusCode(message);
      // 404 and 408: nothing more has come in time.
      pull?.end(code === 404 || code === 408);
      return;
    }
    // Without a pull it is delivered again.
    if (pull === undefined) return;
    pull.left -= 1;
    pull.receive(stored);
    if (pull.left <= 0) pull.end(true);
  }

  #publish(to: string | undefined, answer: string): void {
    if (to === undefined || !this.#jetStream.connected()) return;
    try {
      this.#jetStream.connection.publish(to, answer);
    } catch {
      // The connection is gone: the message is delivered again.
    }
  }

  async poison(message: StoredMessage, reason: string): Promise<string | undefined> {
    const more = headers();
    more.set(POISON_HEADERS.reason, oneLine(reason));
    more.set(POISON_HEADERS.subject, oneLine(message.subject));
    more.set(POISON_HEADERS.storedAt, new Date(message.storedAtMs).toISOString());
    const { account } = message;
    if (account.kind === 'reported') more.set(POISON_HEADERS.account, oneLine(account.account));
    // Kept once, although the acknowledgement may be lost.
    more.set('Nats-Msg-Id', `${message.seq}-${message.storedAtMs}`);
    const [subject = ''] = this.#poison.subjects;
    try {
      const reply = await this.#jetStream.store(subject, message.data, more);
      if (reply.kind !== 'ok') return `${this.#poison.name}: ${reply.why}`;
      return reply.body['stream'] === this.#poison.name
        ? undefined
        : `another stream than ${this.#poison.name} has acknowledged it`;
    } catch (cause) {
      return errorText(cause);
    }
  }

  async backlog(): Promise<Backlog | undefined> {
    const [requests, poison] = await Promise.all(
      [this.#requests, this.#poison].map(({ name }) => this.#state(name)),
    );
    if (requests === undefined) return undefined;
    const { messages, firstAtMs } = requests;
    return {
      waiting: messages,
      oldestAtMs: messages > 0 ? firstAtMs : undefined,
      poison: poison?.messages ?? 0,
    };
  }

  async #state(name: string): Promise<{ messages: number; firstAtMs: number } | undefined> {
    const reply = await this.#jetStream.call(`STREAM.INFO.${name}`);
    const state = reply.kind === 'ok' ? reply.body['state'] : undefined;
    if (!isJsonObject(state)) return undefined;
    const { messages, first_ts: first } = state;
    if (typeof messages !== 'number' || typeof first !== 'string') return undefined;
    return { messages, firstAtMs: Date.parse(first) };
  }

  close(): void {
    this.#pull?.end(true);
  }
}

function isError(reply: ApiReply, code: number): boolean {
  return reply.kind === 'error' && reply.code === code;
}

function statusCode(message: Msg): number | undefined {
  try {
    return message.headers?.code;
  } catch {
    return undefined;
  }
}

/** A header holds one line. */
function oneLine(text: string): string {
  return text.replaceAll(/[^\x20-\x7E]+/g, ' ').slice(0, 1_024);
}

/**
 * A delivered message: where its acknowledgement goes says which one it is. Undefined for anything
 * else, such as the server's word that a pull is over.
 */
function storedMessage(message: Msg, answer: (text: string) => void): StoredMessage | undefined {
  const { reply = '' } = message;
  if (!reply.startsWith('$JS.ACK.')) return undefined;
  const tokens = reply.split('.');
  // $JS.ACK.<stream>.<consumer>.<deliveries>.<seq>.<consumer seq>.<time>.<pending>, or, with a
  // domain and a hash of the account before the stream, a longer form.
  const [deliveries, seq, , timeNs] = tokens.slice(tokens.length < 11 ? 4 : 6);
  return {
    subject: message.subject,
    data: message.data,
    account: reportedAccount(message),
    seq: Number(seq),
    deliveries: Number(deliveries),
    storedAtMs: Math.floor(Number(timeNs) / 1_000_000),
    ack: () => answer('+ACK'),
    retryIn: (delayMs) =>
      answer(`-NAK ${JSON.stringify({ delay: Math.ceil(delayMs) * 1_000_000 })}`),
    working: () => answer('+WPI'),
  };
}
