import type {
  Backlog,
  RequestStream,
  StoredMessage,
  StreamState,
} from '../../src/bus/request-stream.ts';
import { ACK_WAIT_MS } from '../../src/bus/stream-config.ts';
import type { Network } from './network.ts';
import { EPOCH_MS, type SimProcess, type World } from './world.ts';

/** Every call that a replica makes to the stream. */
export const STREAM_CALLS = [
  'prepare',
  'pull',
  'ack',
  'retry',
  'working',
  'poison',
  'backlog',
] as const;

/** How often a pull looks for messages: a real server pushes them. */
const LOOK_MS = 400;
const CALL_TIMEOUT_MS = 2_000;

interface Kept {
  seq: number;
  subject: string;
  data: Uint8Array;
  storedAtMs: number;
  deliveries: number;
  /** When it may be delivered, or delivered again. */
  dueMs: number;
}

/**
 * A stream of JetStream in memory. Like the real one, it keeps what it has acknowledged through
 * every crash, delivers a message again when nothing is heard of it, and may hear of a message that
 * was delivered to somebody else since.
 */
export class SimStream {
  readonly #world: World;
  readonly #kept = new Map<number, Kept>();
  readonly poisoned: { subject: string; reason: string }[] = [];
  /** How long nothing may be heard of a message; a negative control sets it to never. */
  ackWaitMs = ACK_WAIT_MS;
  redelivered = 0;
  #seq = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** How many messages are not settled. */
  get waiting(): number {
    return this.#kept.size;
  }

  /** Stores a message for good. */
  store(subject: string, data: Uint8Array): number {
    this.#seq += 1;
    const { nowMs } = this.#world;
    const kept = { subject, data, seq: this.#seq, storedAtMs: EPOCH_MS + nowMs };
    this.#kept.set(kept.seq, { ...kept, deliveries: 0, dueMs: nowMs });
    return kept.seq;
  }

  /** The stream as one process sees it. */
  as(process: SimProcess, network: Network): RequestStream {
    const call = <T>(name: string, apply: () => T): Promise<T> =>
      network.call(process, 'nats', { name, timeoutMs: CALL_TIMEOUT_MS }, apply);
    const publish = (name: string, apply: () => void): void => {
      const trap = network.sprungAt(process, 'nats', name);
      if (trap !== undefined) this.#world.at(0, trap.spring);
      const lost = trap?.point === 'before' || trap?.act === 'lose';
      if (lost || process.state === 'dead' || !network.open(process, 'nats')) return;
      if (this.#world.random.chance(network.weather.lostMessage)) return;
      this.#world.at(network.latencyMs(), apply);
    };
    const clock = process.clock();
    const closed = new AbortController();
    return {
      prepare: () =>
        call('prepare', (): StreamState => ({ kind: 'ready', problems: [] })).catch(
          (): StreamState => ({ kind: 'unusable', why: 'NATS does not answer' }),
        ),
      pull: async (max, waitMs, receive) => {
        const untilMs = clock.monotonicMs() + waitMs;
        for (let left = max; left > 0 && !closed.signal.aborted && clock.monotonicMs() < untilMs;) {
          const place = left;
          const taken = await call('pull', () => this.#take(place)).catch(() => undefined);
          if (taken === undefined) return false;
          left -= taken.length;
          for (const kept of taken) receive(this.#message(kept, publish));
          if (left > 0) await clock.sleep(LOOK_MS);
        }
        return true;
      },
      poison: (message, reason) =>
        call('poison', () => {
          this.poisoned.push({ subject: message.subject, reason });
          return undefined;
        }).catch(() => 'NATS does not answer'),
      backlog: () =>
        call('backlog', (): Backlog => {
          const [oldest] = this.#kept.values();
          return { waiting: this.#kept.size, oldestAtMs: oldest?.storedAtMs, poison: 0 };
        }).catch(() => undefined),
      close: () => closed.abort(),
    };
  }

  #take(max: number): Kept[] {
    const { nowMs } = this.#world;
    const due = [...this.#kept.values()].filter(({ dueMs }) => dueMs <= nowMs).slice(0, max);
    return due.map((kept) => {
      kept.dueMs = nowMs + this.ackWaitMs;
      kept.deliveries += 1;
      if (kept.deliveries > 1) this.redelivered += 1;
      return { ...kept };
    });
  }

  #message(
    { seq, subject, data, storedAtMs, deliveries }: Kept,
    publish: (name: string, apply: () => void) => void,
  ): StoredMessage {
    const later = (delayMs: number): void => {
      const kept = this.#kept.get(seq);
      if (kept !== undefined) kept.dueMs = this.#world.nowMs + delayMs;
    };
    return {
      subject,
      data,
      seq,
      storedAtMs,
      deliveries,
      account: { kind: 'none' },
      ack: () => publish('ack', () => void this.#kept.delete(seq)),
      retryIn: (delayMs) => publish('retry', () => later(delayMs)),
      working: () => publish('working', () => later(this.ackWaitMs)),
    };
  }
}
