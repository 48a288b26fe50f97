import { randomUUID } from 'node:crypto';

import type { Bus, BusReply } from '../bus/bus.ts';
import { isJsonObject, type Json } from '../json.ts';
import { EnqueueMessage } from '../request/messages.ts';
import type { AgentMeans } from './advance-instance.ts';
import { checkId, checked, invalid } from './checked.ts';
import { LeaseholdError } from './error.ts';
import type { EnqueueOptions } from './options.ts';
import { readReply } from './replies.ts';

/** A request that is stored: it is served whatever becomes of this agent, or of any replica. */
export interface Enqueued {
  instanceId: string;
  /** What its receipt is recorded under. */
  requestId: string;
  /** The stream that has stored it. */
  stream: string;
  /** Its place in the stream. */
  seq: number;
}

/** How long one try waits for the stream's acknowledgement. */
const TRY_MS = 2_000;
const RETRY_MS = 200;

const DEFAULT_TIMEOUT_MS = 10_000;

/** See `Agent.enqueue`. */
export async function enqueueRequest(
  means: AgentMeans,
  instanceId: string,
  options: EnqueueOptions,
): Promise<Enqueued> {
  const { requestId = randomUUID(), cellId, maxCells, expiresAt, timeoutMs } = options;
  const { agentId, subjects } = means;
  const subject = subjects.enqueue(checkId(instanceId, 'instanceId'));
  const { requestStream } = subjects;
  const body = { requestId, agentId, cellId, maxCells, expiresAt: timeOf(expiresAt) };
  const message = checked(EnqueueMessage, body);
  const stored = await enqueueUntilStored(
    means,
    { subject, requestStream, message },
    timeoutMs ?? DEFAULT_TIMEOUT_MS,
  );
  return { instanceId, requestId, ...stored };
}

function timeOf(expiresAt: EnqueueOptions['expiresAt']): string | undefined {
  if (expiresAt === undefined || typeof expiresAt === 'string') return expiresAt;
  if (Number.isNaN(expiresAt.getTime())) throw invalid('expiresAt', 'must be a time');
  return expiresAt.toISOString();
}

interface Storing {
  subject: string;
  /** The one stream that replicas read. */
  requestStream: string;
  message: EnqueueMessage;
}

/**
 * Sends a request until the stream acknowledges that it is stored. A missing acknowledgement means
 * unknown, so the same request is sent again, under the same id: stored twice, it is served once.
 *
 * @throws LeaseholdError when the stream refuses it, or acknowledges nothing in time
 */
async function enqueueUntilStored(
  { bus, clock, signal }: AgentMeans,
  { subject, requestStream, message }: Storing,
  timeoutMs: number,
): Promise<{ stream: string; seq: number }> {
  const untilMs = clock.monotonicMs() + timeoutMs;
  for (;;) {
    const leftMs = Math.max(1, untilMs - clock.monotonicMs());
    const reply = await oneTry(bus, subject, message, Math.min(TRY_MS, leftMs));
    const answer = reply.kind === 'reply' ? readAnswer(reply.body) : undefined;
    if (answer !== undefined && 'why' in answer) throw notStored(answer.why, message.requestId);
    if (answer?.stream === requestStream) return answer;
    if (answer !== undefined) throw captured(answer.stream, subject);
    if (clock.monotonicMs() + RETRY_MS >= untilMs || signal.aborted)
      throw notStored(whyNot(reply), message.requestId);
    await clock.sleep(RETRY_MS, signal);
  }
}

async function oneTry(
  bus: Bus,
  subject: string,
  message: EnqueueMessage,
  timeoutMs: number,
): Promise<BusReply> {
  try {
    return await bus.store(subject, message as Json, timeoutMs, (body) => {
      return readAnswer(body) !== undefined;
    });
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new LeaseholdError({ code: 'invalid', message: cause.message }, { cause });
  }
}

/** The stream's acknowledgement or refusal, or a replica's word that there is no stream. */
function readAnswer(body: Json): { stream: string; seq: number } | { why: string } | undefined {
  if (!isJsonObject(body)) return undefined;
  const { stream, seq, error } = body;
  if (error !== undefined) {
    const read = readReply('receipt', body);
    if (read.kind === 'error') return { why: read.error.message };
    const description = isJsonObject(error) ? error['description'] : undefined;
    return typeof description === 'string'
      ? { why: `the stream of the requests refused it: ${description}` }
      : undefined;
  }
  return typeof stream === 'string' && typeof seq === 'number' ? { stream, seq } : undefined;
}

function captured(stream: string, subject: string): LeaseholdError {
  const message = `the JetStream stream ${stream} captures ${subject}, and no replica reads that stream: the request will not be served; take this namespace's subjects out of the stream`;
  return new LeaseholdError({ code: 'unavailable', message });
}

function whyNot(reply: BusReply): string {
  switch (reply.kind) {
    case 'no_responders':
      return 'there is no stream that stores requests; a replica creates it when it starts';
    case 'disconnected':
      return 'there is no connection to NATS, or this agent may not enqueue';
    case 'malformed':
      return reply.why;
    case 'timeout':
    case 'reply':
      return 'no stream has acknowledged the request; is JetStream enabled on the NATS server?';
  }
}

function notStored(why: string, requestId: string): LeaseholdError {
  const message = `${why}. It may be stored all the same: enqueue it again with requestId ${requestId}`;
  return new LeaseholdError({ code: 'unavailable', message });
}
