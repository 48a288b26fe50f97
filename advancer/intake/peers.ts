import { z } from 'zod';

import type { Bus, BusMessage, BusReply, BusSubscription } from '../../src/bus/bus.ts';
import type { Subjects } from '../../src/bus/subjects.ts';
import type { Clock } from '../../src/time/clock.ts';
import { Id } from '../../src/ids.ts';
import type { Json } from '../../src/json.ts';
import type { Attempts } from '../run/attempts.ts';
import type { Counted, PeerAnswer, PeerQuestion } from '../run/context.ts';
import type { ForwardedBroadcast } from './pending-request.ts';
import { readBody } from './body.ts';

const PeerMessage = z.union([
  z.strictObject({ ask: z.literal('ping') }),
  z.strictObject({
    ask: z.literal('runs'),
    instanceId: Id,
    cellId: Id,
    attempt: z.int().min(1),
    // The sender's own. Replicas of older versions do not send it.
    fencingToken: z.int().min(1).optional(),
  }),
  z.strictObject({
    ask: z.literal('serve'),
    verb: z.enum(['advance', 'decide']),
    instanceId: Id,
    body: z.string(),
  }),
]);

/** `began`: only for an attempt in hand. Replicas of older versions do not send it. */
const RunsReply = z.object({ runs: z.boolean(), began: z.literal(false).optional() });

const PINGS = 3;
/** How many more pings a replica gets if another message of it is heard meanwhile. */
const EXTRA_PINGS = 1;
/** All pings together stay below 300 ms, so that what follows them is done within half a second. */
const PING_TIMEOUT_MS = 60;
/** About as long as the pings after the first one take, so an echo in time delays nothing. */
const ECHO_TIMEOUT_MS = 150;
/** A ping whose timeout fires this late: this process was stalled and may have an unread reply. */
const STALLED_MS = PING_TIMEOUT_MS * 1.5;
/**
 * On a quiet machine a message to oneself is back within a few milliseconds. If it takes longer,
 * the machine or the server is slow, and so may be a live replica: it gets this many times as long.
 */
const ECHO_FACTOR = 8;
/** But no longer than this. */
const MAX_PATIENCE_MS = 1_000;
/** How long a result is reused for others that want to know. */
const FRESH_MS = 100;

/** What {@link Peers} needs from the rest of the replica. */
export interface PeersOptions {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  attempts: Attempts;
  count: (event: Counted) => void;
  /** Takes a broadcast that another replica forwards. */
  onForwarded: (broadcast: ForwardedBroadcast, message: BusMessage) => void;
}

/**
 * What replicas ask each other directly, each on its own subject: are you alive, do you run this
 * attempt, and please serve this broadcast.
 *
 * Nothing here proves that a process is dead. "Unreachable" is a reason to look at etcd, no more.
 */
export class Peers {
  readonly #options: PeersOptions;
  #self: string | undefined;
  readonly #reachability = new Map<string, { atMs: number; answer: Promise<boolean> }>();
  /**
   * For each replica that is being pinged, when another message of it was last heard, and when it
   * was last heard to have answered a broadcast.
   */
  readonly #heard = new Map<string, { atMs: number; answeredAtMs: number }>();

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /** Starts to answer what other replicas ask this one. */
  listen(replicaId: string): BusSubscription {
    const { bus, subjects } = this.#options;
    this.#self = replicaId;
    return bus.subscribe(subjects.replica(replicaId), (message) =>
      this.#answer(replicaId, message),
    );
  }

  /** Whether another replica runs an attempt; its "no" is a promise. */
  async runs(replicaId: string, about: PeerQuestion, timeoutMs: number): Promise<PeerAnswer> {
    const reply = await this.#ask(replicaId, { ask: 'runs', ...about }, timeoutMs);
    if (reply.kind !== 'reply') return 'silent';
    const read = RunsReply.safeParse(reply.body);
    if (!read.success) return 'silent';
    if (read.data.runs) return 'runs';
    return read.data.began === false ? 'never_began' : 'does_not_run';
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
    const reply = await this.#ask(replicaId, { ask: 'serve', ...broadcast }, timeoutMs);
    return reply.kind === 'reply' ? reply.body : undefined;
  }

  /**
   * A message of another replica was heard: it is there, and may only be slow to answer pings.
   *
   * @param answered whether the message says that it has answered a broadcast that came here too
   */
  heard(replicaId: string, answered: boolean): void {
    if (!this.#reachability.has(replicaId)) return;
    const atMs = this.#options.clock.monotonicMs();
    const answeredAtMs = answered
      ? atMs
      : (this.#heard.get(replicaId)?.answeredAtMs ?? Number.NEGATIVE_INFINITY);
    this.#heard.set(replicaId, { atMs, answeredAtMs });
  }

  /**
   * Whether a replica is reachable. `false` when nobody is subscribed to its subject, or when three
   * pings stay unanswered, and one more if another message of it is heard meanwhile: a replica that
   * publishes but receives nothing cannot serve. `true` when it is heard to have answered
   * broadcasts meanwhile: it receives and serves, and its replies to pings queue behind its work.
   *
   * While this process is cut off itself, or its own messages are lost, it cannot know, and the
   * result is `true`. While messages are slow, it waits longer.
   */
  async reachable(replicaId: string): Promise<boolean> {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const known = this.#reachability.get(replicaId);
    if (known !== undefined && nowMs - known.atMs < FRESH_MS) return known.answer;
    const answer = this.#ping(replicaId);
    // Calls during the pings wait for the same answer.
    this.#reachability.set(replicaId, { atMs: Number.POSITIVE_INFINITY, answer });
    const reachable = await answer;
    const entry = this.#reachability.get(replicaId);
    if (entry?.answer === answer) entry.atMs = clock.monotonicMs();
    return reachable;
  }

  async #ping(replicaId: string): Promise<boolean> {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    let echo: Promise<number | undefined> | undefined;
    let wasHeard = false;
    for (let pings = 0; ;) {
      const sentMs = clock.monotonicMs();
      const reply = await this.#ask(replicaId, { ask: 'ping' }, PING_TIMEOUT_MS);
      switch (reply.kind) {
        case 'reply':
        case 'malformed':
        case 'disconnected':
          return true;
        case 'no_responders':
          return false;
        case 'timeout':
      }
      const heard = this.#heard.get(replicaId);
      if (heard !== undefined && heard.answeredAtMs >= startMs) return true;
      if (!wasHeard && heard !== undefined && heard.atMs >= startMs) {
        wasHeard = true;
        pings = PINGS - EXTRA_PINGS;
        continue;
      }
      echo ??= this.#echoMs();
      const nowMs = clock.monotonicMs();
      if (nowMs - sentMs < STALLED_MS) pings += 1;
      if (pings < PINGS && nowMs - startMs < MAX_PATIENCE_MS) continue;
      const echoMs = await echo;
      if (echoMs === undefined) return true;
      if (nowMs - startMs >= Math.min(MAX_PATIENCE_MS, ECHO_FACTOR * echoMs)) return false;
    }
  }

  /**
   * How long a message from this process to itself takes through the server; undefined when it does
   * not arrive. A process that receives nothing would find every other replica unreachable, and
   * take over what it then cannot answer for.
   */
  async #echoMs(): Promise<number | undefined> {
    if (this.#self === undefined) return undefined;
    const { clock } = this.#options;
    const sentMs = clock.monotonicMs();
    const reply = await this.#ask(this.#self, { ask: 'ping' }, ECHO_TIMEOUT_MS);
    return reply.kind === 'reply' ? clock.monotonicMs() - sentMs : undefined;
  }

  #ask(replicaId: string, body: Json, timeoutMs: number): Promise<BusReply> {
    const { bus, subjects } = this.#options;
    return bus.request(subjects.replica(replicaId), body, timeoutMs);
  }

  #answer(replicaId: string, message: BusMessage): void {
    const { attempts, count, onForwarded } = this.#options;
    const read = readBody(PeerMessage, message.data);
    if (!read.ok) {
      count({ what: 'malformed', verb: 'replica' });
      message.reply({ error: { ...read.error } });
      return;
    }
    switch (read.value.ask) {
      case 'ping':
        message.reply({ replicaId });
        return;
      case 'runs': {
        const { instanceId, cellId, attempt, fencingToken } = read.value;
        const statement = attempts.runsOrRenounces(instanceId, cellId, attempt, fencingToken);
        message.reply({
          runs: statement === 'runs',
          ...(statement === 'never_began' ? { began: false } : {}),
        });
        return;
      }
      case 'serve': {
        const { verb, instanceId, body } = read.value;
        onForwarded({ verb, instanceId, body }, message);
      }
    }
  }
}
