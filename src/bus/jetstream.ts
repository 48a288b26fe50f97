import type { MsgHdrs, NatsConnection } from 'nats';

import { errorText } from '../error-text.ts';
import { isJsonObject, type Json, type JsonObject } from '../json.ts';
import type { RequestsInFlight } from './requests-in-flight.ts';

/** How long the administration may take; a cluster may have to elect a leader first. */
const CALL_TIMEOUT_MS = 5_000;

/** What the server answers to an administrative request. */
export type ApiReply =
  | { kind: 'ok'; body: JsonObject }
  /** `code` is JetStream's own, such as 10059 for a stream that is not there. */
  | { kind: 'error'; code: number; why: string }
  /** No answer: it is unknown whether it was done. */
  | { kind: 'silent'; why: string };

/** JetStream's codes for what is expected. */
export const API_CODES = {
  noStream: 10_059,
  noConsumer: 10_014,
  noMessage: 10_037,
  nameInUse: 10_058,
  subjectsOverlap: 10_065,
} as const;

/**
 * JetStream over a connection, by plain requests: the client package's own interface hides when it
 * repeats a request, and buffers what arrives.
 */
export class JetStream {
  readonly connection: NatsConnection;
  readonly connected: () => boolean;
  readonly #requests: RequestsInFlight;
  readonly #onLost = new Set<() => void>();

  constructor(connection: NatsConnection, requests: RequestsInFlight, connected: () => boolean) {
    this.connection = connection;
    this.connected = connected;
    this.#requests = requests;
  }

  /** Calls back when the connection is lost, until the returned function is called. */
  onLost(lost: () => void): () => void {
    this.#onLost.add(lost);
    return () => void this.#onLost.delete(lost);
  }

  /** The connection is lost, and with it all that was asked for. */
  lost(): void {
    for (const lost of this.#onLost) lost();
  }

  /** Asks the administration, such as `STREAM.INFO.<name>`. */
  async call(what: string, body?: object): Promise<ApiReply> {
    const data = body === undefined ? '' : JSON.stringify(body);
    return this.#ask(`$JS.API.${what}`, data);
  }

  /** Publishes to a subject that a stream captures, and waits for its acknowledgement. */
  store(subject: string, data: Uint8Array, headers: MsgHdrs): Promise<ApiReply> {
    return this.#ask(subject, data, headers);
  }

  async #ask(subject: string, data: Uint8Array | string, headers?: MsgHdrs): Promise<ApiReply> {
    if (!this.connected()) return { kind: 'silent', why: 'there is no connection to NATS' };
    const reply = await this.#requests.request({
      subject,
      timeoutMs: CALL_TIMEOUT_MS,
      accepts: undefined,
      patient: false,
      toStream: true,
      send: (replyTo, failed) => {
        try {
          const more = headers === undefined ? {} : { headers };
          this.connection.publish(subject, data, { reply: replyTo, ...more });
        } catch (cause) {
          failed(cause);
        }
      },
    });
    switch (reply.kind) {
      case 'reply':
        return read(reply.body);
      case 'no_responders':
        return {
          kind: 'silent',
          why: 'JetStream is not enabled on the NATS server, or not for this account',
        };
      case 'timeout':
        return {
          kind: 'silent',
          why: `nothing answered ${subject}: may this user publish there?`,
        };
      case 'disconnected':
        return { kind: 'silent', why: `the connection was lost, or ${subject} is not permitted` };
      case 'malformed':
        return { kind: 'silent', why: reply.why };
    }
  }
}

function read(body: Json): ApiReply {
  if (!isJsonObject(body)) return { kind: 'silent', why: 'the answer is no object' };
  const { error } = body;
  if (error === undefined) return { kind: 'ok', body };
  const { err_code: code, description } = isJsonObject(error) ? error : {};
  return {
    kind: 'error',
    code: typeof code === 'number' ? code : 0,
    why: typeof description === 'string' ? description : errorText(error),
  };
}
