import type { BusReply } from '../../src/bus/bus.ts';
import type { Clock } from '../../src/time/clock.ts';

const PINGS = 3;
/** How many more pings a replica gets if another message of it is heard meanwhile. */
const EXTRA_PINGS = 1;
/** All pings together stay below 300 ms, so that what follows them is done within half a second. */
const PING_TIMEOUT_MS = 60;
/** An answer that comes later than that, but within this, still shows that the replica is there. */
const LATE_ANSWER_MS = 2_000;
/**
 * How long a replica that answers no ping is left alone because it is heard to answer requests. Its
 * answers to pings queue behind its work; none of them is this late.
 */
const BUSY_MS = 5_000;
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

/** How a ping ended; `reply`: the replica is there. */
export type PingResult = BusReply['kind'];

/** What is known about a replica that is being pinged. Times are monotonic milliseconds. */
interface Heard {
  /** When another message of it was last heard. */
  atMs: number;
  /** When it was last heard to have answered a broadcast that came here too. */
  answeredAtMs: number;
}

/**
 * Whether another replica is reachable. The only proof is an answer to a ping; what else is heard
 * of it gives it more time.
 */
export class Reachability {
  /** The id of this process. */
  self: string | undefined;
  readonly #clock: Clock;
  readonly #send: (replicaId: string, timeoutMs: number) => Promise<PingResult>;
  readonly #results = new Map<string, { atMs: number; answer: Promise<boolean> }>();
  readonly #heard = new Map<string, Heard>();
  /**
   * Since when a replica has answered no ping, and when it was last sent one; for each that has not
   * answered since.
   */
  readonly #silent = new Map<string, { fromMs: number; sentMs: number }>();

  /** @param send sends one ping */
  constructor(clock: Clock, send: (replicaId: string, timeoutMs: number) => Promise<PingResult>) {
    this.#clock = clock;
    this.#send = send;
  }

  /**
   * A note of another replica was heard, which is known to be genuine: it may only be slow to
   * answer pings. No proof that it is there: the note may have been on its way for long.
   *
   * @param answered whether the note says that it has answered a broadcast that came here too
   */
  heard(replicaId: string, answered: boolean): void {
    if (!this.#results.has(replicaId)) return;
    const atMs = this.#clock.monotonicMs();
    const answeredAtMs = answered
      ? atMs
      : (this.#heard.get(replicaId)?.answeredAtMs ?? Number.NEGATIVE_INFINITY);
    this.#heard.set(replicaId, { atMs, answeredAtMs });
  }

  /**
   * Whether a replica is reachable. `false` when nobody is subscribed to its subject, or when three
   * pings stay unanswered, and one more if another message of it is heard meanwhile: a replica that
   * publishes but receives nothing cannot serve. While it is heard to answer broadcasts it receives
   * and serves, and its replies to pings queue behind its work: three more pings count from then
   * on, and if it goes on like this for a second the result is `true`. But it has to answer a ping
   * at last; one that receives nothing any more soon has nothing left to answer.
   *
   * While this process is cut off itself, or its own messages are lost, it cannot know, and the
   * result is `true`. While messages are slow, it waits longer.
   */
  async reachable(replicaId: string): Promise<boolean> {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#results.get(replicaId);
    if (known !== undefined && nowMs - known.atMs < FRESH_MS) return known.answer;
    const answer = this.#pingUntilKnown(replicaId);
    // Calls during the pings wait for the same answer.
    this.#results.set(replicaId, { atMs: Number.POSITIVE_INFINITY, answer });
    const reachable = await answer;
    const entry = this.#results.get(replicaId);
    if (entry?.answer === answer) entry.atMs = this.#clock.monotonicMs();
    return reachable;
  }

  async #pingUntilKnown(replicaId: string): Promise<boolean> {
    const startMs = this.#clock.monotonicMs();
    let echo: Promise<number | undefined> | undefined;
    let wasHeard = false;
    let checkedMs = startMs;
    for (let pings = 0; ;) {
      const sentMs = this.#clock.monotonicMs();
      switch (await this.#pingOnce(replicaId)) {
        case 'reply':
        case 'malformed':
        case 'disconnected':
          return true;
        case 'no_responders':
          return false;
        case 'timeout':
      }
      const nowMs = this.#clock.monotonicMs();
      const silent = this.#silent.get(replicaId);
      // An earlier ping has been answered meanwhile.
      if (silent === undefined) return true;
      const heard = this.#heard.get(replicaId);
      const answers = heard !== undefined && heard.answeredAtMs >= checkedMs;
      checkedMs = nowMs;
      if (answers && nowMs - silent.fromMs < BUSY_MS) {
        if (nowMs - startMs >= MAX_PATIENCE_MS) return true;
        wasHeard = true;
        pings = 0;
        continue;
      }
      if (!wasHeard && heard !== undefined && heard.atMs >= startMs) {
        wasHeard = true;
        pings = PINGS - EXTRA_PINGS;
        continue;
      }
      echo ??= this.#echoMs();
      if (nowMs - sentMs < STALLED_MS) pings += 1;
      if (pings < PINGS && nowMs - startMs < MAX_PATIENCE_MS) continue;
      const echoMs = await echo;
      if (echoMs === undefined) return true;
      if (nowMs - startMs >= Math.min(MAX_PATIENCE_MS, ECHO_FACTOR * echoMs)) return false;
    }
  }

  /** How a ping ended, or that it is not answered in time. An answer counts when it comes later. */
  #pingOnce(replicaId: string): Promise<PingResult> {
    const sentMs = this.#clock.monotonicMs();
    const before = this.#silent.get(replicaId);
    const fromMs =
      before !== undefined && sentMs - before.sentMs < BUSY_MS ? before.fromMs : sentMs;
    this.#silent.set(replicaId, { fromMs, sentMs });
    return new Promise((resolve, reject) => {
      const late = this.#clock.after(PING_TIMEOUT_MS, () => resolve('timeout'));
      this.#send(replicaId, LATE_ANSWER_MS)
        .then((result) => {
          if (result === 'reply') this.#silent.delete(replicaId);
          late.cancel();
          resolve(result);
        })
        .catch(reject);
    });
  }

  /**
   * How long a message from this process to itself takes through the server; undefined when it does
   * not arrive. A process that receives nothing would find every other replica unreachable, and
   * take over what it then cannot answer for.
   */
  async #echoMs(): Promise<number | undefined> {
    if (this.self === undefined) return undefined;
    const sentMs = this.#clock.monotonicMs();
    const result = await this.#send(this.self, ECHO_TIMEOUT_MS);
    return result === 'reply' ? this.#clock.monotonicMs() - sentMs : undefined;
  }
}
