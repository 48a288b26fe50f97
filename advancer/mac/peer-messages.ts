import { randomBytes } from 'node:crypto';

import type { Leases } from '../../coordinator/leases.ts';
import { signingSecret } from '../../coordinator/secrets.ts';
import { isJsonObject, type Json, type JsonObject } from '../../src/json.ts';
import { NoteCounts } from './note-counts.ts';
import { Mac, open, seal, type Part } from './seal.ts';
import {
  answerParts,
  noteParts,
  questionParts,
  type Note,
  type Question,
  type QuestionBody,
  type QuestionMessage,
} from './statements.ts';
import type { MessageKind, Reason, Unauthenticated } from './unauthenticated.ts';

/** What {@link PeerMessages} needs. */
export interface PeerMessagesOptions {
  namespace: string;
  leases: Pick<Leases, 'replicaId' | 'secrets' | 'registered'>;
  unauthenticated: Pick<Unauthenticated, 'note'>;
  /** A genuine note came from a replica whose count is not known. */
  onUnknownSender: (replicaId: string) => void;
}

/** A question that is ready to be sent. */
export interface SealedQuestion {
  question: Question;
  message: Json;
}

/**
 * Seals what this replica asks, answers and tells the others, and opens what comes from them. What
 * does not open is counted and logged here; to the rest of the replica it is silence.
 */
export class PeerMessages {
  readonly #options: PeerMessagesOptions;
  readonly #counts = new NoteCounts();
  /** How many notes this process has sealed. */
  #count = 0;

  constructor(options: PeerMessagesOptions) {
    this.#options = options;
    // Its own notes come back to it, and count from the first one on.
    this.#counts.introduce(options.leases.replicaId, 0);
  }

  /** Whether a replica opens sealed messages, as far as is known. Older versions do not. */
  opens(replicaId: string): boolean {
    const record = this.#options.leases
      .registered()
      .find((registered) => registered.replicaId === replicaId);
    return record === undefined || record.mac !== undefined;
  }

  /** Whether every registered replica opens sealed messages. */
  get allOpen(): boolean {
    return this.#options.leases.registered().every(({ mac }) => mac !== undefined);
  }

  /** Seals a question under a nonce that is used for it alone; undefined without a secret. */
  ask(to: string, body: QuestionBody): SealedQuestion | undefined {
    const question: Question = {
      namespace: this.#options.namespace,
      from: this.#options.leases.replicaId,
      to,
      nonce: randomBytes(16).toString('base64url'),
      count: this.#count,
      body,
    };
    const mac = this.#seal(questionParts(question));
    if (mac === undefined) return undefined;
    const { from, nonce, count } = question;
    return { question, message: { ...body, from, nonce, count, mac } };
  }

  /** Opens a question to this replica; undefined if it is not believed. */
  openQuestion(message: QuestionMessage): Question | undefined {
    const { from, nonce, count, mac, ...rest } = message;
    const { namespace, leases } = this.#options;
    const body = questionBody(rest);
    if (
      from === undefined ||
      nonce === undefined ||
      count === undefined ||
      mac === undefined ||
      body === undefined
    )
      return this.#ignore(message.ask, 'missing', from);
    const question = { namespace, from, to: leases.replicaId, nonce, count, body };
    const opened = this.#open(mac, questionParts(question));
    if (opened !== 'authentic') return this.#ignore(message.ask, opened, from, mac);
    this.#counts.introduce(from, count);
    return question;
  }

  /** Seals the answer to a question; undefined without a secret. */
  answer(question: Question, answer: JsonObject): Json | undefined {
    const content = question.body.ask === 'ping' ? { ...answer, count: this.#count } : answer;
    const mac = this.#seal(answerParts(question, content));
    return mac && { ...content, mac };
  }

  /** Opens a reply to a question of this replica; undefined if it is not believed. */
  openAnswer(question: Question, reply: Json): JsonObject | undefined {
    const kind: MessageKind = `${question.body.ask}_answer`;
    const { mac: given, ...answer } = isJsonObject(reply) ? reply : {};
    const mac = Mac.safeParse(given);
    if (!mac.success) return this.#ignore(kind, 'missing', question.to);
    const opened = this.#openAnswer(mac.data, question, answer);
    if (opened !== 'authentic') return this.#ignore(kind, opened, question.to, mac.data);
    const { count } = answer;
    if (typeof count === 'number') this.#counts.introduce(question.to, count);
    return answer;
  }

  /** Seals a note to all others; undefined without a secret. */
  note(note: Note): { count: number; mac: Mac } | undefined {
    const { namespace, leases } = this.#options;
    const count = this.#count + 1;
    const mac = this.#seal(noteParts(namespace, leases.replicaId, count, note));
    if (mac === undefined) return undefined;
    this.#count = count;
    return { count, mac };
  }

  /** Whether a note of a replica is believed: it is genuine, and has not been here before. */
  believes(
    by: string,
    note: Note,
    sealed: { count?: number | undefined; mac?: Mac | undefined },
  ): boolean {
    const { count, mac } = sealed;
    if (count === undefined || mac === undefined) {
      this.#ignore(note.note, 'missing', by);
      return false;
    }
    const opened = this.#open(mac, noteParts(this.#options.namespace, by, count, note));
    const admitted = opened === 'authentic' ? this.#counts.admit(by, note.note, count) : opened;
    if (admitted === 'new') return true;
    this.#ignore(note.note, admitted, by, mac);
    if (admitted === 'unknown_sender') this.#options.onUnknownSender(by);
    return false;
  }

  #seal(parts: readonly Part[]): Mac | undefined {
    const { leases } = this.#options;
    const secret = signingSecret(leases.secrets(), leases.registered());
    return secret && seal(secret, parts);
  }

  #open(mac: Mac, parts: readonly Part[]): 'authentic' | Reason {
    const secrets = this.#options.leases.secrets();
    return secrets.length === 0 ? 'no_secret' : open(secrets, mac, parts);
  }

  #openAnswer(mac: Mac, question: Question, answer: JsonObject): 'authentic' | Reason {
    try {
      return this.#open(mac, answerParts(question, answer));
    } catch (cause) {
      // It nests more deeply than any replica's answer, and than this process can write.
      if (cause instanceof RangeError) return 'wrong_mac';
      throw cause;
    }
  }

  #ignore(kind: MessageKind, reason: Reason, from?: string, mac?: Mac): undefined {
    const claim = {
      ...(from === undefined ? {} : { from }),
      ...(mac === undefined ? {} : { key: mac.key }),
    };
    this.#options.unauthenticated.note(kind, reason, claim);
  }
}

type Unsealed<T> = T extends unknown ? Omit<T, 'from' | 'nonce' | 'count' | 'mac'> : never;

/** Undefined for a question that only an older version asks. */
function questionBody(message: Unsealed<QuestionMessage>): QuestionBody | undefined {
  if (message.ask !== 'runs') return message;
  const { fencingToken } = message;
  return fencingToken === undefined ? undefined : { ...message, fencingToken };
}
