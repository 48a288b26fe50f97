import { z } from 'zod';

import type { Bus, BusMessage, BusSubscription } from '../../src/bus/bus.ts';
import type { Subjects } from '../../src/bus/subjects.ts';
import type { Clock } from '../../src/time/clock.ts';
import { Id } from '../../src/ids.ts';
import type { Json } from '../../src/json.ts';
import type { Attempts } from '../run/attempts.ts';
import type { Counted, PeerAnswer, PeerQuestion } from '../run/context.ts';
import type { Forward } from './pending-request.ts';
import { readBody } from './body.ts';

const PeerMessage = z.union([
  z.strictObject({ ask: z.literal('ping') }),
  z.strictObject({
    ask: z.literal('runs'),
    instanceId: Id,
    cellId: Id,
    attempt: z.int().min(1),
    // The asker's own; replicas of older versions do not say.
    fencingToken: z.int().min(1).optional(),
  }),
  z.strictObject({
    ask: z.literal('serve'),
    verb: z.enum(['advance', 'decide']),
    instanceId: Id,
    body: z.string(),
  }),
]);

/** `began`: only of an attempt that it had in hand. Replicas of older versions do not say. */
const RunsReply = z.object({ runs: z.boolean(), began: z.literal(false).optional() });

const PINGS = 3;
/** How many more it gets that is heard to say something else. */
const PINGS_MORE = 1;
/**
 * All of them together stay below 300 ms, so that what follows from them is done within half a
 * second.
 */
const PING_TIMEOUT_MS = 60;
/**
 * About as long as the pings that follow the first one take: where it is back at all, nobody waits
 * for it.
 */
const ECHO_TIMEOUT_MS = 150;
/**
 * A ping that took so long was given up late: this process stood still, and may not have read the
 * answer yet.
 */
const STALLED_MS = PING_TIMEOUT_MS * 1.5;
/**
 * On a quiet machine an own message is back within a few milliseconds. Where it takes longer the
 * machine or the server is slow, and so may be a replica that lives: it has this many times as long
 * as that.
 */
const ECHOES = 8;
/** But no longer than this. */
const MOST_PATIENCE_MS = 1_000;
/** How long an answer about a peer serves others who ask the same. */
const FRESH_MS = 100;

/**
 * What replicas ask each other directly, each on its own subject: are you there, and do you run
 * this attempt.
 *
 * Nothing here proves that a process is dead. "Unreachable" is a reason to look at etcd, no more.
 */
export class Peers {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #clock: Clock;
  readonly #attempts: Attempts;
  readonly #count: (event: Counted) => void;
  readonly #serve: (forward: Forward, message: BusMessage) => void;
  #self: string | undefined;
  readonly #reached = new Map<string, { atMs: number; answer: Promise<boolean> }>();
  /**
   * When a replica that is being pinged was last heard to say something else, and to have answered
   * a broadcast.
   */
  readonly #heard = new Map<string, { atMs: number; servedAtMs: number }>();

  constructor(parts: {
    bus: Bus;
    subjects: Subjects;
    clock: Clock;
    attempts: Attempts;
    count: (event: Counted) => void;
    /** Takes up a broadcast that another replica sends on. */
    serve: (forward: Forward, message: BusMessage) => void;
  }) {
    this.#bus = parts.bus;
    this.#subjects = parts.subjects;
    this.#clock = parts.clock;
    this.#attempts = parts.attempts;
    this.#count = parts.count;
    this.#serve = parts.serve;
  }

  /** Answers others' questions to this process. */
  serve(replicaId: string): BusSubscription {
    this.#self = replicaId;
    return this.#bus.subscribe(this.#subjects.replica(replicaId), (message) =>
      this.#answer(replicaId, message),
    );
  }

  /** Whether another replica runs an attempt; its "no" is a promise. */
  async runs(replicaId: string, about: PeerQuestion, timeoutMs: number): Promise<PeerAnswer> {
    const body = { ask: 'runs', ...about };
    const reply = await this.#bus.request(this.#subjects.replica(replicaId), body, timeoutMs);
    if (reply.kind !== 'reply') return 'silent';
    const read = RunsReply.safeParse(reply.body);
    if (!read.success) return 'silent';
    if (read.data.runs) return 'runs';
    return read.data.began === false ? 'never_began' : 'does_not_run';
  }

  /**
   * Sends a broadcast on to the replica that holds its instance, which may not have heard it: it
   * was cut off when the broadcast came, or was not there yet. Brings its answer, or undefined when
   * there is none.
   */
  async forward(replicaId: string, forward: Forward, timeoutMs: number): Promise<Json | undefined> {
    const body = { ask: 'serve', ...forward };
    const reply = await this.#bus.request(this.#subjects.replica(replicaId), body, timeoutMs);
    return reply.kind === 'reply' ? reply.body : undefined;
  }

  /**
   * Another replica has said something: it is there, and may only not have come to answering pings.
   *
   * @param serves whether it said that it has answered a broadcast that came here too
   */
  heard(replicaId: string, serves: boolean): void {
    if (!this.#reached.has(replicaId)) return;
    const atMs = this.#clock.monotonicMs();
    const servedAtMs = serves
      ? atMs
      : (this.#heard.get(replicaId)?.servedAtMs ?? Number.NEGATIVE_INFINITY);
    this.#heard.set(replicaId, { atMs, servedAtMs });
  }

  /**
   * Whether a replica answers: `false` when nobody listens on its subject, or three pings stay
   * without an answer, one more if anything else is heard of it meanwhile. Not even one that talks
   * can serve if it does not hear; but one that is heard to have answered broadcasts meanwhile does
   * both, and its answers to pings wait behind all that it is busy with. While this process itself
   * is cut off, or its own messages are lost, it can tell nothing, and says `true`; while messages
   * are slow, it waits for longer.
   */
  async reachable(replicaId: string): Promise<boolean> {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#reached.get(replicaId);
    if (known !== undefined && nowMs - known.atMs < FRESH_MS) return known.answer;
    const answer = this.#ping(replicaId);
    // Whoever asks while it is asked waits for the same answer.
    this.#reached.set(replicaId, { atMs: Number.POSITIVE_INFINITY, answer });
    const reachable = await answer;
    const entry = this.#reached.get(replicaId);
    if (entry?.answer === answer) entry.atMs = this.#clock.monotonicMs();
    return reachable;
  }

  async #ping(replicaId: string): Promise<boolean> {
    const sinceMs = this.#clock.monotonicMs();
    let echo: Promise<number | undefined> | undefined;
    let heard = false;
    for (let pings = 0; ;) {
      const sentMs = this.#clock.monotonicMs();
      const reply = await this.#bus.request(
        this.#subjects.replica(replicaId),
        { ask: 'ping' },
        PING_TIMEOUT_MS,
      );
      switch (reply.kind) {
        case 'reply':
        case 'malformed':
        case 'disconnected':
          return true;
        case 'no_responders':
          return false;
        case 'timeout':
      }
      const said = this.#heard.get(replicaId);
      if (said !== undefined && said.servedAtMs >= sinceMs) return true;
      if (!heard && said !== undefined && said.atMs >= sinceMs) {
        heard = true;
        pings = PINGS - PINGS_MORE;
        continue;
      }
      echo ??= this.#echoMs();
      const nowMs = this.#clock.monotonicMs();
      if (nowMs - sentMs < STALLED_MS) pings += 1;
      if (pings < PINGS && nowMs - sinceMs < MOST_PATIENCE_MS) continue;
      const echoMs = await echo;
      if (echoMs === undefined) return true;
      if (nowMs - sinceMs >= Math.min(MOST_PATIENCE_MS, ECHOES * echoMs)) return false;
    }
  }

  /**
   * How long a message of this process takes to come back to it through the server; undefined when
   * it does not. One that nobody hears would take everybody for unreachable, and take from them
   * what it then cannot answer for.
   */
  async #echoMs(): Promise<number | undefined> {
    if (this.#self === undefined) return undefined;
    const sentMs = this.#clock.monotonicMs();
    const reply = await this.#bus.request(
      this.#subjects.replica(this.#self),
      { ask: 'ping' },
      ECHO_TIMEOUT_MS,
    );
    return reply.kind === 'reply' ? this.#clock.monotonicMs() - sentMs : undefined;
  }

  #answer(replicaId: string, message: BusMessage): void {
    const read = readBody(PeerMessage, message.data);
    if (!read.ok) {
      this.#count({ what: 'malformed', verb: 'replica' });
      message.reply({ error: { ...read.error } });
      return;
    }
    switch (read.value.ask) {
      case 'ping':
        message.reply({ replicaId });
        return;
      case 'runs': {
        const { instanceId, cellId, attempt, fencingToken } = read.value;
        const said = this.#attempts.runsOrRenounces(instanceId, cellId, attempt, fencingToken);
        message.reply({
          runs: said === 'runs',
          ...(said === 'never_began' ? { began: false } : {}),
        });
        return;
      }
      case 'serve': {
        const { verb, instanceId, body } = read.value;
        this.#serve({ verb, instanceId, body }, message);
      }
    }
  }
}
