import type { IntakeLimits } from '../../src/config/limits.ts';
import { TransientMap } from '../../src/transient-map.ts';

/** A limit that was reached, as the metric names it. */
export type ReachedLimit =
  | 'requests'
  | 'requests_per_agent'
  | 'requests_per_instance'
  | 'message_bytes'
  | 'message_bytes_per_agent'
  | 'senders';

/** Why nothing more is taken in for somebody. */
export interface Refused {
  limit: ReachedLimit;
  /** For the agent: what is full, and what to do. */
  why: string;
}

/** What a request or message counts for. */
export interface Share {
  /**
   * The account that the NATS server reports, else the id that the message claims; undefined while
   * the message is unread.
   */
  agentId: string | undefined;
  /** What is kept of its message, in bytes; 0 if that is a small constant. */
  bytes: number;
}

/**
 * Counts what this replica remembers and works on: in total, for each agent, and for each instance.
 *
 * The total protects the replica. Where the server reports no account, an agent is known by what
 * its messages claim, so the shares of agents keep one that misbehaves from starving the others,
 * and stop nobody who uses many ids.
 */
export class Quota {
  readonly #limits: IntakeLimits;
  #requests = 0;
  #bytes = 0;
  readonly #requestsOf = new TransientMap<string, number>();
  readonly #bytesOf = new TransientMap<string, number>();
  /** By instance and agent. */
  readonly #requestsOn = new TransientMap<string, number>();

  constructor(limits: IntakeLimits) {
    this.#limits = limits;
  }

  /** How many requests are remembered. */
  get requests(): number {
    return this.#requests;
  }

  /** How many bytes of messages wait or are being worked on. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Counts an unread broadcast. False if there are too many requests already. */
  takeUnread(): boolean {
    if (this.#requests >= this.#limits.requests) return false;
    this.#requests += 1;
    return true;
  }

  releaseUnread(): void {
    this.#requests -= 1;
  }

  /**
   * Counts a request, unless a limit is reached.
   *
   * @param onInstance how many requests on its instance are remembered
   */
  takeRequest(instanceId: string, onInstance: number, share: Share): Refused | undefined {
    const { requests, requestsPerAgent, requestsPerInstance } = this.#limits;
    const { agentId = '', bytes } = share;
    const place = `${instanceId}/${agentId}`;
    const ofAgent = this.#requestsOf.get(agentId) ?? 0;
    const here = this.#requestsOn.get(place) ?? 0;
    if (this.#requests >= requests)
      return refused('requests', `this replica remembers ${requests} requests already`);
    if (ofAgent >= requestsPerAgent) {
      const what = `${requestsPerAgent} requests of agent ${agentId} wait already`;
      return refused('requests_per_agent', what);
    }
    if (onInstance >= requestsPerInstance || here >= Math.ceil(requestsPerInstance / 2)) {
      const what = `${onInstance} requests on instance ${instanceId} wait already`;
      return refused('requests_per_instance', what);
    }
    const tooLarge = bytes === 0 ? undefined : this.takeBytes(share);
    if (tooLarge !== undefined) return tooLarge;
    this.#requests += 1;
    this.#requestsOf.set(agentId, ofAgent + 1);
    this.#requestsOn.set(place, here + 1);
    return undefined;
  }

  releaseRequest(instanceId: string, share: Share): void {
    const { agentId = '', bytes } = share;
    this.#requests -= 1;
    lower(this.#requestsOf, agentId, 1);
    lower(this.#requestsOn, `${instanceId}/${agentId}`, 1);
    if (bytes > 0) this.releaseBytes(share);
  }

  /** Counts the bytes of a message, unless a limit is reached. */
  takeBytes({ agentId = '', bytes }: Share): Refused | undefined {
    const { messageBytes, messageBytesPerAgent } = this.#limits;
    const ofAgent = this.#bytesOf.get(agentId) ?? 0;
    if (this.#bytes + bytes > messageBytes) {
      const what = `messages of ${this.#bytes} bytes are being worked on already`;
      return refused('message_bytes', what);
    }
    if (ofAgent + bytes > messageBytesPerAgent) {
      const what = `messages of agent ${agentId} with ${ofAgent} bytes are being worked on already`;
      return refused('message_bytes_per_agent', what);
    }
    this.#bytes += bytes;
    this.#bytesOf.set(agentId, ofAgent + bytes);
    return undefined;
  }

  releaseBytes({ agentId = '', bytes }: Share): void {
    this.#bytes -= bytes;
    lower(this.#bytesOf, agentId, bytes);
  }
}

function lower(counts: TransientMap<string, number>, key: string, by: number): void {
  const left = (counts.get(key) ?? 0) - by;
  if (left > 0) counts.set(key, left);
  else counts.delete(key);
}

function refused(limit: ReachedLimit, what: string): Refused {
  return { limit, why: `${what}; nothing was done for this one. Ask again later.` };
}
