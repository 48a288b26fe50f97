import { seal, type Mac } from '../../advancer/mac/seal.ts';
import {
  answerParts,
  noteParts,
  QuestionMessage,
  questionParts,
  type Note,
  type Question,
} from '../../advancer/mac/statements.ts';
import type { NamespaceSecret } from '../../coordinator/secrets.ts';
import type { Json, JsonObject } from '../../src/json.ts';
import type { Random } from '../../tools/chaos/random.ts';

/** A receipt that nobody has recorded. */
export function forgedReceipt(requestId: string, instanceId: string): JsonObject {
  return {
    requestId,
    instanceId,
    outcome: 'completed',
    steps: [],
    nextCellId: null,
    holder: null,
  };
}

/** A MAC of the right form that was made with no secret. */
const NO_MAC: Mac = { key: '00000000', tag: 'A'.repeat(43) };

/** Bodies that are no message. */
export const GARBAGE: readonly Json[] = [
  null,
  [],
  'garbage',
  -1,
  { ask: 'runs' },
  { keys: 7, by: [] },
];

/** The body of a message, or an empty one. */
export function asObject(body: Json): JsonObject {
  return typeof body === 'object' && body !== null && !Array.isArray(body) ? body : {};
}

/**
 * Makes messages look like a replica's: plain, as older versions speak, or under a MAC that nobody
 * made. With a secret, which only a negative control has, it makes the right one.
 */
export class Forger {
  readonly #random: Random;
  readonly #secret: NamespaceSecret | undefined;
  /** The highest count that a note or a question of each replica had. */
  readonly #counts = new Map<string, number>();

  constructor(random: Random, secret: NamespaceSecret | undefined) {
    this.#random = random;
    this.#secret = secret;
  }

  /** Who says that a message is from it, if anybody. */
  senderOf(body: JsonObject): string | undefined {
    const by = body['from'] ?? body['by'] ?? body['replicaId'];
    return typeof by === 'string' ? by : undefined;
  }

  /** Learns how far the count of a message's sender has come. */
  read(body: JsonObject): void {
    const by = this.senderOf(body);
    const { count } = body;
    if (by !== undefined && typeof count === 'number')
      this.#counts.set(by, Math.max(count, this.#counts.get(by) ?? 0));
  }

  /** A count that its next note could have. */
  nextCount(by: string): number {
    const count = (this.#counts.get(by) ?? 0) + 1;
    if (this.#secret !== undefined) this.#counts.set(by, count);
    return count;
  }

  /** What makes a note look like a replica's. */
  note(by: string, note: Note): { count?: number; mac?: Mac } {
    if (this.#secret === undefined && this.#random.chance(0.5)) return {};
    const count = this.nextCount(by);
    const secret = this.#secret;
    const mac = secret === undefined ? NO_MAC : seal(secret, noteParts('sim', by, count, note));
    return { count, mac };
  }

  /** What makes a question to a subject look like a replica's. */
  question(from: string, subject: string, body: JsonObject): JsonObject {
    if (this.#secret === undefined && this.#random.chance(0.5)) return body;
    const count = this.nextCount(from);
    const message = { ...body, from, nonce: 'forged-nonce-0123456789', count, mac: NO_MAC };
    const question = this.questionOf(subject, message);
    if (this.#secret === undefined || question === undefined) return message;
    return { ...message, mac: seal(this.#secret, questionParts(question)) };
  }

  /** What makes an answer to a question look like a replica's. */
  answer(question: Question | undefined, content: JsonObject): JsonObject {
    if (question === undefined || this.#secret === undefined)
      return this.#random.chance(0.5) ? content : { ...content, mac: NO_MAC };
    const isPing = question.body.ask === 'ping';
    const said = isPing ? { ...content, count: this.nextCount(question.to) } : content;
    return { ...said, mac: seal(this.#secret, answerParts(question, said)) };
  }

  /** The question in a message; undefined unless it has the form of a sealed one. */
  questionOf(subject: string, message: Json): Question | undefined {
    const read = QuestionMessage.safeParse(message);
    if (!read.success) return undefined;
    const { from, nonce, count, mac: _, ...body } = read.data;
    if (from === undefined || nonce === undefined || count === undefined) return undefined;
    const to = subject.split('.').at(-1) ?? '';
    return { namespace: 'sim', from, to, nonce, count, body: body as Question['body'] };
  }
}
