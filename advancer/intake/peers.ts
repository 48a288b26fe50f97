import { z } from 'zod';

import type { Bus, BusMessage, BusReply, BusSubscription } from '../../src/bus/bus.ts';
import type { Subjects } from '../../src/bus/subjects.ts';
import type { Json } from '../../src/json.ts';
import type { Clock } from '../../src/time/clock.ts';
import type { PeerMessages } from '../mac/peer-messages.ts';
import { QuestionMessage, type Question, type QuestionBody } from '../mac/statements.ts';
import type { Attempts } from '../run/attempts.ts';
import type { Counted, PeerAnswer, PeerQuestion } from '../run/context.ts';
import type { ForwardedBroadcast } from './pending-request.ts';
import { readBody } from './body.ts';
import { Reachability, type PingResult } from './reachability.ts';

const RunsAnswer = z.object({ runs: z.boolean(), began: z.literal(false).optional() });
const ServeAnswer = z.object({ reply: z.custom<Json>((reply) => reply !== undefined) });

/** How long a replica that was heard has to say how far its notes have come. */
const INTRODUCTION_MS = 1_000;

/** What {@link Peers} needs from the rest of the replica. */
export interface PeersOptions {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  messages: PeerMessages;
  attempts: Attempts;
  count: (event: Counted) => void;
  /** Takes a broadcast that another replica forwards. */
  onForwarded: (broadcast: ForwardedBroadcast, message: BusMessage) => void;
}

/**
 * What replicas ask each other directly, each on its own subject: are you alive, do you run this
 * attempt, and please serve this broadcast.
 *
 * Anybody may ask and answer here, under any name. So a question that is not sealed is not
 * answered, and promises nothing; an answer that is not sealed for exactly that question is
 * silence, and the right one is waited for.
 *
 * Nothing here proves that a process is dead. "Unreachable" is a reason to look at etcd, no more.
 */
export class Peers {
  readonly #options: PeersOptions;
  readonly #reachability: Reachability;
  readonly #introducing = new Set<string>();

  constructor(options: PeersOptions) {
    this.#options = options;
    this.#reachability = new Reachability(options.clock, (replicaId, timeoutMs) =>
      this.#ping(replicaId, timeoutMs),
    );
  }

  /** Starts to answer what other replicas ask this one. */
  listen(replicaId: string): BusSubscription {
    const { bus, subjects } = this.#options;
    this.#reachability.self = replicaId;
    return bus.subscribe(subjects.replica(replicaId), (message) =>
      this.#answer(replicaId, message),
    );
  }

  /**
   * Whether another replica runs an attempt; its "no" is a promise. Silence of a registered replica
   * means that it may run it: so it is with one of a version that cannot prove what it says.
   */
  async runs(replicaId: string, about: PeerQuestion, timeoutMs: number): Promise<PeerAnswer> {
    if (!this.#options.messages.opens(replicaId)) return 'silent';
    const asked = await this.#ask(replicaId, { ask: 'runs', ...about }, RunsAnswer, timeoutMs);
    if (asked.answer === undefined) return 'silent';
    if (asked.answer.runs) return 'runs';
    return asked.answer.began === false ? 'never_began' : 'does_not_run';
  }

  /**
   * Forwards a broadcast to the replica that holds its instance, which may not have received it: it
   * was cut off then, or had not started. Returns its reply, or undefined when there is none.
   */
  async forward(
    replicaId: string,
    broadcast: ForwardedBroadcast,
    timeoutMs: number,
  ): Promise<Json | undefined> {
    const { bus, subjects, messages } = this.#options;
    const body: QuestionBody = { ask: 'serve', ...broadcast };
    try {
      if (messages.opens(replicaId))
        return (await this.#ask(replicaId, body, ServeAnswer, timeoutMs)).answer?.reply;
      const reply = await bus.request(subjects.replica(replicaId), { ...body }, timeoutMs);
      return reply.kind === 'reply' ? reply.body : undefined;
    } catch (cause) {
      // With what it is wrapped in, the request is larger than the server takes.
      if (cause instanceof RangeError) return undefined;
      throw cause;
    }
  }

  /**
   * Asks a replica how far its notes have come, so that notes which were recorded before are told
   * from new ones; see `NoteCounts`. The question says the same about this replica.
   */
  introduce(replicaId: string): void {
    if (replicaId === this.#reachability.self || this.#introducing.has(replicaId)) return;
    this.#introducing.add(replicaId);
    void this.#ping(replicaId, INTRODUCTION_MS).finally(() => this.#introducing.delete(replicaId));
  }

  /** See {@link Reachability.heard}. */
  heard(replicaId: string, answered: boolean): void {
    this.#reachability.heard(replicaId, answered);
  }

  /** See {@link Reachability.reachable}. */
  reachable(replicaId: string): Promise<boolean> {
    return this.#reachability.reachable(replicaId);
  }

  async #ping(replicaId: string, timeoutMs: number): Promise<PingResult> {
    const { bus, subjects, messages } = this.#options;
    if (messages.opens(replicaId)) {
      const { answer, reply } = await this.#ask(
        replicaId,
        { ask: 'ping' },
        z.object({}),
        timeoutMs,
      );
      return answer === undefined ? reply.kind : 'reply';
    }
    return (await bus.request(subjects.replica(replicaId), { ask: 'ping' }, timeoutMs)).kind;
  }

  /** Asks, and waits for the answer that is sealed for this question. */
  async #ask<T>(
    replicaId: string,
    body: QuestionBody,
    schema: z.ZodType<T>,
    timeoutMs: number,
  ): Promise<{ answer: T | undefined; reply: BusReply }> {
    const { bus, subjects, messages } = this.#options;
    const asked = messages.ask(replicaId, body);
    // Without a secret it could not tell whose answer it is.
    if (asked === undefined) return { answer: undefined, reply: { kind: 'disconnected' } };
    let answer: T | undefined;
    const accepts = (reply: Json): boolean => {
      const opened = messages.openAnswer(asked.question, reply);
      if (opened !== undefined) answer = schema.safeParse(opened).data;
      return answer !== undefined;
    };
    const subject = subjects.replica(replicaId);
    const reply = await bus.request(subject, asked.message, timeoutMs, accepts, true);
    return { answer, reply };
  }

  #answer(replicaId: string, message: BusMessage): void {
    const { messages, count } = this.#options;
    const read = readBody(QuestionMessage, message.data);
    if (!read.ok) {
      count({ what: 'malformed', verb: 'replica' });
      return;
    }
    // So that replicas of older versions do not take this one for unreachable.
    if (read.value.ask === 'ping' && read.value.mac === undefined && !messages.allOpen) {
      message.reply({ replicaId });
      return;
    }
    const question = messages.openQuestion(read.value);
    if (question !== undefined) this.#answerSealed(replicaId, question, message);
  }

  #answerSealed(replicaId: string, question: Question, message: BusMessage): void {
    const { attempts, messages, onForwarded } = this.#options;
    const answer = (content: { [name: string]: Json }): void => {
      const sealed = messages.answer(question, content);
      if (sealed !== undefined) message.reply(sealed);
    };
    const { body } = question;
    switch (body.ask) {
      case 'ping':
        answer({ replicaId });
        return;
      case 'runs': {
        const { instanceId, cellId, attempt, fencingToken } = body;
        const statement = attempts.runsOrRenounces(instanceId, cellId, attempt, fencingToken);
        answer(
          statement === 'never_began'
            ? { runs: false, began: false }
            : { runs: statement === 'runs' },
        );
        return;
      }
      case 'serve': {
        const { verb, instanceId, body: request } = body;
        const { subject, data, account, wantsReply } = message;
        const sealing: BusMessage = {
          subject,
          data,
          account,
          wantsReply,
          reply: (reply) => answer({ reply }),
        };
        onForwarded({ verb, instanceId, body: request }, sealing);
      }
    }
  }
}
