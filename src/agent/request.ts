import type { Bus, BusReply } from '../bus/bus.ts';
import type { Clock } from '../time/clock.ts';
import type { Json } from '../json.ts';
import { LeaseholdError } from './error.ts';
import { readReply } from './replies.ts';
import type { Replies } from './replies.ts';

/** A request that one replica answers soon: any of them, or the holder. */
export interface RequestOptions<K extends keyof Replies> {
  bus: Bus;
  clock: Clock;
  /** What to read the reply as. */
  name: K;
  subject: string;
  body: Json;
  /** Whether a reply can be the answer; others are ignored. */
  accepts: (body: Json) => boolean;
  timeoutMs: number;
  /**
   * When to retry within the time: `always` if a repeated request changes nothing; `undelivered`
   * only when it is certain that no replica received the last one.
   */
  retry: 'always' | 'undelivered';
  signal: AbortSignal;
}

/**
 * How long to wait for a replica to appear (a restart, a takeover) before reporting that none is
 * there.
 */
const NO_REPLICA_MS = 3_000;
const RETRY_MS = 150;
/**
 * After this much silence a request that may be repeated is sent again: the member of the queue
 * group that received it may be frozen, and then another one answers.
 */
const SEND_AGAIN_MS = 1_000;

/**
 * Sends a request, and sends it again as `retry` allows, until a reply comes.
 *
 * @throws LeaseholdError with the error in the reply, or `unavailable` when no reply came in time
 */
export async function requestUntilAnswered<K extends keyof Replies>(
  options: RequestOptions<K>,
): Promise<Replies[K]> {
  const { bus, clock, name, timeoutMs, retry, signal } = options;
  const startMs = clock.monotonicMs();
  for (;;) {
    const leftMs = startMs + timeoutMs - clock.monotonicMs();
    const wasConnected = bus.connected();
    const reply = await firstReply(options, Math.max(1, leftMs));
    if (reply.kind === 'reply') return result(name, reply.body);
    const undelivered =
      reply.kind === 'no_responders' || (reply.kind === 'disconnected' && !wasConnected);
    const waitedMs = clock.monotonicMs() - startMs;
    const patienceMs =
      reply.kind === 'no_responders' ? Math.min(NO_REPLICA_MS, timeoutMs) : timeoutMs;
    const mayRetry = reply.kind !== 'malformed' && (retry === 'always' || undelivered);
    if (!mayRetry || waitedMs + RETRY_MS >= patienceMs || signal.aborted) {
      throw noReply(name, reply, retry === 'undelivered' && !undelivered);
    }
    await clock.sleep(RETRY_MS, signal);
  }
}

/**
 * Sends the request and, if it may be repeated, again after each {@link SEND_AGAIN_MS} of silence.
 * The first reply to any of them counts, so that a slow replica is not asked in vain.
 */
async function firstReply<K extends keyof Replies>(
  { bus, clock, subject, body, accepts, retry, signal }: RequestOptions<K>,
  withinMs: number,
): Promise<BusReply> {
  const startMs = clock.monotonicMs();
  const over = new AbortController();
  const sends: Promise<BusReply>[] = [];
  try {
    for (;;) {
      const leftMs = Math.max(1, startMs + withinMs - clock.monotonicMs());
      sends.push(bus.request(subject, body, leftMs, accepts));
      if (retry !== 'always' || leftMs <= SEND_AGAIN_MS) return await Promise.race(sends);
      const pause = clock.sleep(SEND_AGAIN_MS, AbortSignal.any([over.signal, signal]));
      const reply = await Promise.race([...sends, pause]);
      if (reply !== undefined) return reply;
      if (signal.aborted) return { kind: 'disconnected' };
    }
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new LeaseholdError({ code: 'invalid', message: cause.message }, { cause });
  } finally {
    over.abort();
  }
}

function result<K extends keyof Replies>(name: K, body: Json): Replies[K] {
  const read = readReply(name, body);
  switch (read.kind) {
    case 'result':
      return read.value;
    case 'error':
      throw new LeaseholdError(read.error);
    case 'malformed':
      throw new LeaseholdError({ code: 'unavailable', message: read.why });
  }
}

function noReply(
  name: string,
  reply: Exclude<BusReply, { kind: 'reply' }>,
  mayHaveArrived: boolean,
): LeaseholdError {
  const hint = mayHaveArrived
    ? '; it may have arrived, so check the status before you send it again'
    : '';
  return new LeaseholdError({ code: 'unavailable', message: `${why(reply)} (${name})${hint}` });
}

function why(reply: Exclude<BusReply, { kind: 'reply' }>): string {
  switch (reply.kind) {
    case 'no_responders':
      return 'no replica is listening in this namespace';
    case 'timeout':
      return 'no replica answered in time';
    case 'disconnected':
      return 'there is no connection to NATS';
    case 'malformed':
      return reply.why;
  }
}
