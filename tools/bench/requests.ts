import type { Bus, BusReply } from '../../src/bus/bus.ts';
import { isNotHolder } from '../../src/bus/not-holder.ts';
import { connectBus } from '../../src/bus/nats.ts';
import type { Subjects } from '../../src/bus/subjects.ts';
import { subjects } from '../../src/bus/subjects.ts';
import type { Json } from '../../src/json.ts';
import { HolderCache } from '../../src/request/holder-cache.ts';
import type { Outcome, Receipt } from '../../src/request/receipt.ts';
import { DONE } from './closed-loop.ts';
import type { StepResult } from './closed-loop.ts';
import type { LoadTarget } from './load-jobs.ts';

const AGENTS_PER_CONNECTION = 64;
const ANSWER_TIMEOUT_MS = 10_000;
const AGENT_ID = 'bench';
const STARTS_AT_ONCE = 64;
const SHOWN_REPLY_LENGTH = 300;

/** One advance, and the outcome that it must have. */
export interface AdvanceOptions {
  agent: number;
  instanceId: string;
  requestId: string;
  expected: Outcome;
  /** Default 1. */
  maxCells?: number;
}

/**
 * Requests sent straight over the bus. Like the client for agents, they go first to the replica
 * that is known to hold the instance. That client does more for each request (it recovers lost
 * answers and asks again), at the expense of the machine that is being measured. Here a missing
 * answer is an error.
 */
export class Requests {
  readonly #buses: readonly Bus[];
  readonly #subjects: Subjects;
  /** Undefined where every advance is a broadcast. */
  readonly #holders: HolderCache | undefined;

  private constructor(buses: readonly Bus[], names: Subjects, holders: HolderCache | undefined) {
    this.#buses = buses;
    this.#subjects = names;
    this.#holders = holders;
  }

  /** @param agents at most this many have a request under way at once */
  static async connect(
    { natsUrls, namespace, broadcastOnly = false }: LoadTarget,
    agents: number,
  ): Promise<Requests> {
    const buses = Array.from({ length: Math.ceil(agents / AGENTS_PER_CONNECTION) }, (_, index) =>
      connectBus({ servers: [...natsUrls], name: `bench-${index + 1}` }),
    );
    const holders = broadcastOnly ? undefined : new HolderCache();
    return new Requests(await Promise.all(buses), subjects(namespace), holders);
  }

  /** @throws Error unless the instance was created */
  async start(instanceId: string, runbookId: string): Promise<void> {
    const body = { instanceId, runbookId, inputs: {}, agentId: AGENT_ID };
    const reply = await this.#bus(0).request(this.#subjects.start, body, ANSWER_TIMEOUT_MS);
    if (reply.kind === 'reply' && (reply.body as { created?: unknown }).created === true) return;
    throw new Error(`start of ${instanceId}: ${replyText(reply)}`);
  }

  /** Starts instances, several at once. @throws Error for the first that was not created */
  async startAll(instanceIds: readonly string[], runbookId: string): Promise<void> {
    await inParallel(instanceIds, (instanceId) => this.start(instanceId, runbookId));
  }

  /** One advance. Any other outcome than the expected one is unexpected. */
  async advance(options: AdvanceOptions): Promise<StepResult> {
    const { agent, instanceId, requestId, expected, maxCells = 1 } = options;
    const body = { requestId, agentId: AGENT_ID, maxCells };
    const reply = await this.#requestAdvance(this.#bus(agent), instanceId, body);
    if (reply.kind === 'reply' && (reply.body as { outcome?: unknown }).outcome === expected) {
      this.#holders?.learn(reply.body as unknown as Receipt);
      return DONE;
    }
    const why = `advance of ${instanceId}: ${replyText(reply)} instead of ${expected}`;
    return { kind: 'unexpected', why };
  }

  async #requestAdvance(bus: Bus, instanceId: string, body: Json): Promise<BusReply> {
    const holder = this.#holders?.of(instanceId);
    if (holder !== undefined) {
      const subject = this.#subjects.advanceAt(holder, instanceId);
      const reply = await bus.request(subject, body, ANSWER_TIMEOUT_MS);
      if (!isNotHolder(reply)) return reply;
      this.#holders?.forget(instanceId);
    }
    return bus.request(this.#subjects.advance(instanceId), body, ANSWER_TIMEOUT_MS);
  }

  /** @throws Error unless the instance exists */
  async status(instanceId: string): Promise<void> {
    const subject = this.#subjects.status(instanceId);
    const reply = await this.#bus(0).request(subject, {}, ANSWER_TIMEOUT_MS);
    const found =
      reply.kind === 'reply' && (reply.body as { instanceId?: unknown }).instanceId === instanceId;
    if (!found) throw new Error(`status of ${instanceId}: ${replyText(reply)}`);
  }

  async close(): Promise<void> {
    await Promise.all(this.#buses.map((bus) => bus.close()));
  }

  #bus(agent: number): Bus {
    const bus = this.#buses[agent % this.#buses.length];
    if (bus === undefined) throw new Error('there is no connection');
    return bus;
  }
}

/** Works on several items at once. Rejects with the first failure after all work has ended. */
export async function inParallel<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  const workers = Array.from({ length: Math.min(STARTS_AT_ONCE, items.length) }, worker);
  const failed = (await Promise.allSettled(workers)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}

function replyText(reply: BusReply): string {
  if (reply.kind !== 'reply') return reply.kind;
  return JSON.stringify(reply.body).slice(0, SHOWN_REPLY_LENGTH);
}
