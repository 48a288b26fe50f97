import { createInbox } from 'nats';
import type { Msg, NatsConnection } from 'nats';

import { TransientMap } from '../transient-map.ts';
import { errorText } from '../error-text.ts';
import type { Json } from '../json.ts';
import type { BusReply } from './bus.ts';

interface Question {
  subject: string;
  timer: NodeJS.Timeout;
  resolve: (reply: BusReply) => void;
}

/**
 * Requests that wait for their answers, over one subscription. The client's own `request` does the
 * same, and makes an error for every answer that comes, which costs more than all the rest of a
 * request.
 */
export class Questions {
  readonly #connection: NatsConnection;
  readonly #warn: (message: string, cause?: unknown) => void;
  readonly #inbox = `${createInbox()}.`;
  readonly #open = new TransientMap<string, Question>();
  #listening = false;
  #asked = 0;

  constructor(connection: NatsConnection, warn: (message: string, cause?: unknown) => void) {
    this.#connection = connection;
    this.#warn = warn;
  }

  /**
   * @param send sends the request, with the subject that its answer is to go to; told why, where
   *   that fails
   */
  ask(
    subject: string,
    timeoutMs: number,
    send: (replyTo: string, failed: (cause: unknown) => void) => void,
  ): Promise<BusReply> {
    try {
      this.#listen();
    } catch (cause) {
      this.#warn(`answers cannot be listened for (${errorText(cause)})`, cause);
      return Promise.resolve({ kind: 'disconnected' });
    }
    const replyTo = `${this.#inbox}${(this.#asked += 1).toString(36)}`;
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => this.#answer(replyTo, { kind: 'timeout' }),
        Math.max(1, timeoutMs),
      );
      this.#open.set(replyTo, { subject, timer, resolve });
      send(replyTo, (cause) => {
        this.#warn(`a request to ${subject} failed (${errorText(cause)})`, cause);
        this.#answer(replyTo, { kind: 'disconnected' });
      });
    });
  }

  /** Ends those on a subject, or all: nothing is known of them. */
  breakOff(subject?: string): void {
    for (const [replyTo, question] of this.#open) {
      if (subject === undefined || question.subject === subject)
        this.#answer(replyTo, { kind: 'disconnected' });
    }
  }

  #listen(): void {
    if (this.#listening) return;
    this.#connection.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error === null) {
          this.#answer(message.subject, parseReply(message));
          return;
        }
        this.#warn(`the server refused the subscription to answers (${errorText(error)})`, error);
        this.#listening = false;
        this.breakOff();
      },
    });
    this.#listening = true;
  }

  #answer(replyTo: string, reply: BusReply): void {
    const question = this.#open.get(replyTo);
    if (question === undefined) return;
    this.#open.delete(replyTo);
    clearTimeout(question.timer);
    question.resolve(reply);
  }
}

const fromUtf8 = new TextDecoder('utf-8', { fatal: true });

function parseReply(message: Msg): BusReply {
  // How the server says that nobody listens.
  if (message.data.byteLength === 0 && message.headers?.code === 503)
    return { kind: 'no_responders' };
  try {
    const text = fromUtf8.decode(message.data);
    return { kind: 'reply', body: JSON.parse(text) as Json };
  } catch (cause) {
    return { kind: 'malformed', why: `the answer is not JSON in UTF-8 (${errorText(cause)})` };
  }
}
