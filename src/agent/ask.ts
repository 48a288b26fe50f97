import type { Bus, BusReply } from '../bus/bus.ts';
import type { Clock } from '../time/clock.ts';
import type { Json } from '../json.ts';
import { LeaseholdError } from './error.ts';
import { readReply } from './replies.ts';
import type { Replies } from './replies.ts';

/** A request that any one replica, or the holder, answers soon. */
export interface Ask<K extends keyof Replies> {
  bus: Bus;
  clock: Clock;
  name: K;
  subject: string;
  body: Json;
  timeoutMs: number;
  /**
   * When to send again within the time: `always`, where asking twice changes nothing; `unheard`,
   * only when it is certain that nobody got it.
   */
  again: 'always' | 'unheard';
  signal: AbortSignal;
}

/**
 * Longest wait for a replica to appear (one that restarts, a take-over), before saying that there
 * is none.
 */
const NOBODY_MS = 3_000;
const RETRY_MS = 150;
/**
 * One try of a request that may be repeated; a replica that died with it must not cost the whole
 * time.
 */
const TRY_MS = 3_000;

/**
 * Asks until there is an answer.
 *
 * @throws LeaseholdError with the answer's error, or `unavailable` when there was no answer in time
 */
export async function requestUntilAnswered<K extends keyof Replies>(
  ask: Ask<K>,
): Promise<Replies[K]> {
  const { bus, clock, timeoutMs, again } = ask;
  const start = clock.monotonicMs();
  for (;;) {
    const leftMs = start + timeoutMs - clock.monotonicMs();
    const wasConnected = bus.connected();
    const tryMs = again === 'always' ? Math.min(TRY_MS, leftMs) : leftMs;
    const reply = await bus.request(ask.subject, ask.body, Math.max(1, tryMs));
    if (reply.kind === 'reply') return result(ask.name, reply.body);
    const unheard =
      reply.kind === 'no_responders' || (reply.kind === 'disconnected' && !wasConnected);
    const waitedMs = clock.monotonicMs() - start;
    const patienceMs = reply.kind === 'no_responders' ? Math.min(NOBODY_MS, timeoutMs) : timeoutMs;
    const mayAgain = reply.kind !== 'malformed' && (again === 'always' || unheard);
    if (!mayAgain || waitedMs + RETRY_MS >= patienceMs || ask.signal.aborted) {
      throw noAnswer(ask.name, reply, again === 'unheard' && !unheard);
    }
    await clock.sleep(RETRY_MS, ask.signal);
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

function noAnswer(
  name: string,
  reply: Exclude<BusReply, { kind: 'reply' }>,
  mayHaveArrived: boolean,
): LeaseholdError {
  const hint = mayHaveArrived
    ? '; it may have arrived, so look at the status before sending it again'
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
