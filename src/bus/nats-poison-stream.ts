import { headers } from 'nats';

import { isJsonObject, type Json, type JsonObject } from '../json.ts';
import { API_CODES, type ApiReply, type JetStream } from './jetstream.ts';
import { REQUEST_INFO } from './reported-account.ts';
import { StreamUnavailable, type PoisonMessage, type PoisonStream } from './request-stream.ts';
import type { Subjects } from './subjects.ts';

/** What is noted about a message that could not be served. */
export const POISON_HEADERS = {
  reason: 'Leasehold-Reason',
  subject: 'Leasehold-Subject',
  storedAt: 'Leasehold-Stored-At',
  /** The account that the server had reported. */
  account: 'Leasehold-Account',
} as const;

/** A message that is there, with the account that sent it. */
type Kept = PoisonMessage & { account: string | undefined };

/** What could not be served, in JetStream. */
export class NatsPoisonStream implements PoisonStream {
  readonly #jetStream: JetStream;
  readonly #name: string;
  readonly #subjects: Subjects;

  constructor(jetStream: JetStream, subjects: Subjects) {
    this.#jetStream = jetStream;
    this.#name = subjects.poisonStream;
    this.#subjects = subjects;
  }

  async list(limit: number, fromSeq = 1): Promise<PoisonMessage[]> {
    const found: PoisonMessage[] = [];
    for (let seq = fromSeq; found.length < limit;) {
      const message = await this.#read({ seq, next_by_subj: this.#subjects.poison });
      if (message === undefined) break;
      found.push(message);
      seq = message.seq + 1;
    }
    return found;
  }

  async resend(seq: number): Promise<{ stream: string; seq: number } | undefined> {
    const message = await this.#read({ seq });
    if (message === undefined) return undefined;
    const { subject, data, account } = message;
    if (!this.#isEnqueue(subject))
      throw new StreamUnavailable(`message ${seq} is from ${subject}, where nothing is enqueued`);
    const more = headers();
    // Who is in the account of the replicas says which account a message is from.
    if (account !== undefined) more.set(REQUEST_INFO, JSON.stringify({ acc: account }));
    const { requestStream } = this.#subjects;
    const reply = await this.#jetStream.store(subject, data, more);
    if (reply.kind !== 'ok') throw this.#unavailable(reply, requestStream);
    const { stream, seq: place } = reply.body;
    if (stream !== requestStream)
      throw new StreamUnavailable(
        `the JetStream stream ${text(stream)} captures ${subject} in place of ${requestStream}: message ${seq} stays here; take this namespace's subjects out of that stream`,
      );
    const removed = await this.#jetStream.call(`STREAM.MSG.DELETE.${this.#name}`, { seq });
    if (removed.kind !== 'ok' && !isGone(removed)) throw this.#unavailable(removed);
    return { stream: text(stream), seq: Number(place) };
  }

  #isEnqueue(subject: string): boolean {
    const prefix = this.#subjects.allEnqueued.slice(0, -1);
    return subject.startsWith(prefix) && /^[^.*> ]+$/.test(subject.slice(prefix.length));
  }

  async #read(which: object): Promise<Kept | undefined> {
    const reply = await this.#jetStream.call(`STREAM.MSG.GET.${this.#name}`, which);
    if (isGone(reply)) return undefined;
    if (reply.kind !== 'ok') throw this.#unavailable(reply);
    const { message } = reply.body;
    return isJsonObject(message) ? keptMessage(message) : undefined;
  }

  #unavailable({ why }: Exclude<ApiReply, { kind: 'ok' }>, name = this.#name): StreamUnavailable {
    const message = `the JetStream stream ${name} cannot be used: ${why}; log in as a replica does`;
    return new StreamUnavailable(message);
  }
}

function isGone(reply: ApiReply): boolean {
  const { noMessage, noStream } = API_CODES;
  return reply.kind === 'error' && (reply.code === noMessage || reply.code === noStream);
}

function keptMessage({ seq, time, data, hdrs }: JsonObject): Kept {
  const notes = headersIn(text(hdrs));
  return {
    seq: Number(seq),
    subject: notes.get(POISON_HEADERS.subject) ?? '',
    reason: notes.get(POISON_HEADERS.reason) ?? 'unknown',
    storedAt: notes.get(POISON_HEADERS.storedAt) ?? text(time),
    account: notes.get(POISON_HEADERS.account),
    data: Buffer.from(text(data), 'base64'),
  };
}

function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** The headers of a stored message, which JetStream returns as they were sent, in base64. */
function headersIn(base64: string): Map<string, string> {
  const lines = Buffer.from(base64, 'base64').toString('utf8').split('\r\n').slice(1);
  return new Map(
    lines.flatMap((line): [string, string][] => {
      const colon = line.indexOf(':');
      return colon === -1 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()]];
    }),
  );
}
