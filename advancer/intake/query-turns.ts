import type { z } from 'zod';

import type { BusMessage } from '../../src/bus/bus.ts';
import type { IntakeLimits } from '../../src/config/limits.ts';
import type { Json } from '../../src/json.ts';
import type { Logger } from '../../src/logger.ts';
import { afterReading, type Clock } from '../../src/time/clock.ts';
import { LogUnavailable } from '../log/log.ts';
import type { Counted } from '../run/context.ts';
import { AgentTurns } from './agent-turns.ts';
import type { AgentIdPolicy } from './agent-account.ts';
import { claimedAgent } from './claimed-agent.ts';
import { errorReply } from './operations.ts';
import type { Quota } from './quota.ts';
import { readRequest } from './read-request.ts';
import { logQuery } from './request-lines.ts';

/** A body of at least this size is large: reading it and storing it takes a noticeable time. */
const LARGE_BYTES = 16 * 1024;
/** Two of the largest messages, so that Postgres stores one while the next one is read. */
const LARGE_BYTES_AT_ONCE = 1024 * 1024;
/** What a message costs besides its body. */
const OVERHEAD_BYTES = 512;

/** What {@link QueryTurns} needs from the rest of the replica. */
export interface QueryTurnsOptions {
  quota: Quota;
  limits: Pick<IntakeLimits, 'queriesPerAgent'>;
  agentIds: AgentIdPolicy;
  clock: Clock;
  logger: Logger;
  count: (event: Counted) => void;
  /** Postgres did not answer. */
  logTrouble: (cause: unknown) => void;
}

/** One kind of request that any replica may answer. */
export interface Query<T> {
  verb: string;
  schema: z.ZodType<T>;
  /** Larger bodies are refused unread; default: what every message may have. */
  maxBytes?: number;
  /** Whose turn it is, if the body names no agent; default: that of the id in the subject. */
  turnOf?: (body: T) => string | undefined;
  answer: (body: T, id: string) => Promise<Json>;
}

/** Whether reading a message takes a noticeable time. */
export function isLarge({ data }: BusMessage): boolean {
  return data.byteLength >= LARGE_BYTES;
}

/** A query that arrived. */
interface Taken<T> {
  message: BusMessage;
  /** The id in the subject; for `start`, the verb. */
  id: string;
  query: Query<T>;
  sinceMs: number;
}

/**
 * Answers the requests that any replica may answer, the agents in turns. A large body is not even
 * read before its turn: reading one takes milliseconds, in which nothing else happens here.
 */
export class QueryTurns {
  readonly #options: QueryTurnsOptions;
  readonly #small: AgentTurns;
  readonly #large: AgentTurns;

  constructor(options: QueryTurnsOptions) {
    this.#options = options;
    const { clock } = options;
    const perAgent = options.limits.queriesPerAgent;
    const defer = (goOn: () => void): void => void afterReading(clock, 0, goOn);
    this.#small = new AgentTurns({ perAgent, bytesAtOnce: Number.POSITIVE_INFINITY });
    this.#large = new AgentTurns({ perAgent, bytesAtOnce: LARGE_BYTES_AT_ONCE, defer });
  }

  /** How many bytes of messages wait or are being worked on. */
  get bytes(): number {
    return this.#options.quota.bytes;
  }

  /** How many queries wait for their turn. */
  get waiting(): number {
    return this.#small.waiting + this.#large.waiting;
  }

  /**
   * Takes a query: answers it when its turn comes, or refuses it if too much is waiting.
   *
   * @param id the one in the subject; for `start`, the verb
   */
  take<T>(message: BusMessage, id: string, query: Query<T>): void {
    const taken = { message, id, query, sinceMs: this.#options.clock.monotonicMs() };
    const refuse = (reply: Json): void => this.#reply(taken, reply);
    if (isLarge(message) && query.maxBytes === undefined) {
      this.#takeTurn(this.#large, agentOf(message), message, refuse, async () => {
        const body = this.#read(taken);
        if (body !== undefined) await this.#answer(taken, body);
      });
      return;
    }
    const body = this.#read(taken);
    if (body === undefined) return;
    const { agentId } = body as { agentId?: string };
    // A status names no agent: those on one instance take turns with those on another.
    const turn = agentId ?? query.turnOf?.(body) ?? id;
    this.#takeTurn(this.#small, turn, message, refuse, () => this.#answer(taken, body));
  }

  /** Does something that begins with reading a large message, when its turn comes. */
  takeLarge(message: BusMessage, work: () => void, refuse: (reply: Json) => void): void {
    this.#takeTurn(this.#large, agentOf(message), message, refuse, () => {
      work();
      return Promise.resolve();
    });
  }

  #takeTurn(
    turns: AgentTurns,
    agentId: string | undefined,
    { data }: BusMessage,
    refuse: (reply: Json) => void,
    work: () => Promise<void>,
  ): void {
    const { quota, count } = this.#options;
    const share = { agentId, bytes: data.byteLength + OVERHEAD_BYTES };
    const refused = quota.takeBytes(share);
    if (refused !== undefined) {
      count({ what: 'over_limit', limit: refused.limit });
      refuse(errorReply({ code: 'unavailable', message: refused.why }));
      return;
    }
    turns.add(agentId ?? '', share.bytes, async () => {
      try {
        await work();
      } finally {
        quota.releaseBytes(share);
      }
    });
  }

  /** The body; undefined if it is malformed, which is answered. */
  #read<T>(taken: Taken<T>): T | undefined {
    const { message, id, query } = taken;
    const read = readRequest(id, query.schema, message, this.#options.agentIds, query.maxBytes);
    if (read.ok) return read.value;
    this.#options.count({ what: 'malformed', verb: query.verb });
    this.#reply(taken, errorReply(read.error));
    return undefined;
  }

  async #answer<T>(taken: Taken<T>, body: T): Promise<void> {
    const { logger, logTrouble } = this.#options;
    const { id, query } = taken;
    try {
      this.#reply(taken, await query.answer(body, id));
    } catch (cause) {
      const unavailable = cause instanceof LogUnavailable;
      if (unavailable) logTrouble(cause);
      else
        logger.error(
          { verb: query.verb, id, err: cause },
          'internal error while answering a query',
        );
      const why = unavailable
        ? 'Postgres does not answer'
        : "internal error (see the replica's log)";
      this.#reply(taken, errorReply({ code: 'unavailable', message: `${why}; ask again` }));
    }
  }

  #reply<T>({ message, id, query, sinceMs }: Taken<T>, reply: Json): void {
    const { clock, logger } = this.#options;
    message.reply(reply);
    logQuery(logger, query.verb, id, reply, clock.monotonicMs() - sinceMs);
  }
}

/** The account that the server reports, else the agent that the message claims to be from. */
function agentOf({ account, data }: BusMessage): string | undefined {
  return account.kind === 'reported' ? account.account : claimedAgent(data);
}
