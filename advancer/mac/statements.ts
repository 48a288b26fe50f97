import { z } from 'zod';

import { Id } from '../../src/ids.ts';
import type { Json } from '../../src/json.ts';
import { Mac, type Part } from './seal.ts';

/*
 * What replicas ask and tell each other, and for each message what its MAC covers: all of it, in a
 * fixed order, after the kind of message, the namespace, who says it and to whom.
 */

/** How many messages that nobody asked for a process has sealed so far. */
const Count = z.int().min(0);
/** Random, and used for one question only. */
const Nonce = z.string().regex(/^[A-Za-z0-9_-]{16,64}$/);

/** What makes a question believed. Absent in questions of older versions, and of strangers. */
const Sealed = {
  from: Id.optional(),
  nonce: Nonce.optional(),
  count: Count.optional(),
  mac: Mac.optional(),
};

/** A question to one replica, as it arrives. */
export const QuestionMessage = z.union([
  z.strictObject({ ask: z.literal('ping'), ...Sealed }),
  z.strictObject({
    ask: z.literal('runs'),
    instanceId: Id,
    cellId: Id,
    attempt: z.int().min(1),
    /** The token of the term that asks. */
    fencingToken: z.int().min(1).optional(),
    ...Sealed,
  }),
  z.strictObject({
    ask: z.literal('serve'),
    verb: z.enum(['advance', 'decide', 'cancel', 'enqueue']),
    instanceId: Id,
    body: z.string(),
    ...Sealed,
  }),
]);
/** See {@link QuestionMessage}. */
export type QuestionMessage = z.infer<typeof QuestionMessage>;

/** What a question asks. */
export type QuestionBody =
  /** Are you there? */
  | { ask: 'ping' }
  /** Do you run this attempt? The answer is a promise. */
  | { ask: 'runs'; instanceId: string; cellId: string; attempt: number; fencingToken: number }
  /** Serve this request of an agent. */
  | { ask: 'serve'; verb: ServedVerb; instanceId: string; body: string };

/** What one replica may ask another to serve. */
type ServedVerb = 'advance' | 'decide' | 'cancel' | 'enqueue';

/** A question together with everything that makes it this question. */
export interface Question {
  readonly namespace: string;
  readonly from: string;
  readonly to: string;
  readonly nonce: string;
  /** The asker's count; see `NoteCounts`. */
  readonly count: number;
  readonly body: QuestionBody;
}

/** The kinds of questions, and of notes. */
export type QuestionKind = QuestionBody['ask'];
/** See {@link Note}. */
export type NoteKind = Note['note'];

/** What a replica tells all others, unasked. */
export type Note =
  /** It is draining; the instances that it still has attempts of. */
  | { note: 'leaving'; busy: readonly string[] }
  /** Requests that it has answered, by their keys. */
  | { note: 'answered'; keys: readonly string[] }
  /** An instance whose next cell it cannot run, and a replica that can. */
  | { note: 'placed'; instanceId: string; to?: string | undefined; forMs: number; why: string }
  /** An instance that has something to settle. */
  | { note: 'settle'; instanceId: string }
  /** Something is due: look. */
  | { note: 'due' };

/** What the MAC of a question covers. */
export function questionParts(question: Question): Part[] {
  const { namespace, from, to, nonce, count, body } = question;
  return ['question', body.ask, namespace, from, to, nonce, count, ...bodyParts(body)];
}

function bodyParts(body: QuestionBody): Part[] {
  switch (body.ask) {
    case 'ping':
      return [];
    case 'runs':
      return [body.instanceId, body.cellId, body.attempt, body.fencingToken];
    case 'serve':
      return [body.instanceId, body.verb, body.body];
  }
}

/**
 * What the MAC of an answer covers: the whole question, so that it answers no other one, and the
 * answer.
 */
export function answerParts(question: Question, answer: Json): Part[] {
  return ['answer', JSON.stringify(answer), ...questionParts(question)];
}

/** What the MAC of a note covers. */
export function noteParts(namespace: string, by: string, count: number, note: Note): Part[] {
  return ['note', note.note, namespace, by, count, ...contentParts(note)];
}

function contentParts(note: Note): Part[] {
  switch (note.note) {
    case 'leaving':
      return [note.busy];
    case 'answered':
      return [note.keys];
    case 'placed':
      return [note.instanceId, note.to ?? null, note.forMs, note.why];
    case 'settle':
      return [note.instanceId];
    case 'due':
      return [];
  }
}

/** What makes a note believed, next to its content. */
export const SealedNote = { count: Count.optional(), mac: Mac.optional() };
