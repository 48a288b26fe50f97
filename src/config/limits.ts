import { wholeNumber } from './whole-number.ts';
import type { EnvReader } from './env-reader.ts';

/** How much a replica remembers and works on at a time, on behalf of agents. */
export interface IntakeLimits {
  /** Requests that are remembered in total, unread broadcasts included. */
  requests: number;
  /** Of those, requests of one agent. */
  requestsPerAgent: number;
  /** Requests on one instance; one agent may have at most half of them. */
  requestsPerInstance: number;
  /** Bytes of messages that wait or are being worked on, in total. */
  messageBytes: number;
  /** Of those, bytes of one agent's messages. */
  messageBytesPerAgent: number;
  /** How many `start` and `claim` of one agent are worked on at the same time; others wait. */
  queriesPerAgent: number;
}

const MIB = 1024 * 1024;

/** The limits where the environment sets none. */
export const DEFAULT_LIMITS: IntakeLimits = {
  requests: 50_000,
  requestsPerAgent: 10_000,
  requestsPerInstance: 1_000,
  messageBytes: 64 * MIB,
  messageBytesPerAgent: 16 * MIB,
  queriesPerAgent: 16,
};

/** A limit that does not admit the largest message would refuse it for ever. */
const MIN_BYTES = MIB;
const MAX_BYTES = 1024 * MIB;

/** Reads the limits. */
export function readLimits(reader: EnvReader): IntakeLimits {
  const number = (name: string, min: number, max: number, fallback: number): number =>
    reader.value(name, wholeNumber(min, max), fallback);
  const ofRequests = (name: string, fallback: number): number =>
    number(name, 2, 10_000_000, fallback);
  const ofBytes = (name: string, fallback: number): number =>
    number(name, MIN_BYTES, MAX_BYTES, fallback);
  const standard = DEFAULT_LIMITS;
  return {
    requests: ofRequests('LEASEHOLD_MAX_REQUESTS', standard.requests),
    requestsPerAgent: ofRequests('LEASEHOLD_MAX_REQUESTS_PER_AGENT', standard.requestsPerAgent),
    requestsPerInstance: ofRequests(
      'LEASEHOLD_MAX_REQUESTS_PER_INSTANCE',
      standard.requestsPerInstance,
    ),
    messageBytes: ofBytes('LEASEHOLD_MAX_MESSAGE_BYTES', standard.messageBytes),
    messageBytesPerAgent: ofBytes(
      'LEASEHOLD_MAX_MESSAGE_BYTES_PER_AGENT',
      standard.messageBytesPerAgent,
    ),
    queriesPerAgent: number('LEASEHOLD_MAX_QUERIES_PER_AGENT', 1, 1_000, standard.queriesPerAgent),
  };
}
