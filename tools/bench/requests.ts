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
import type { LoadTarget } from './load-orders.ts';

const AGENTS_PER_CONNECTION = 64;
const ANSWER_WITHIN_MS = 10_000;
const AGENT_ID = 'bench';
const STARTS_AT_ONCE = 64;

/**
 * Requests straight over the bus. Like the client for agents they ask the replica first that was
 * last heard to hold the instance. That client would do more for each (find lost answers, ask
 * again), which costs the machine that is being measured; here an answer that does not come is an
 * error.
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

  /** @param agents how many will ask at once, at most */
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
    const reply = await this.#bus(0).request(this.#subjects.start, body, ANSWER_WITHIN_MS);
    if (reply.kind === 'reply' && (reply.body as { created?: unknown }).created === true) return;
    throw new Error(`start of ${instanceId}: ${told(reply)}`);
  }

  /** Starts many, some at once. @throws Error for the first that cannot be */
  async startAll(instanceIds: readonly string[], runbookId: string): Promise<void> {
    await inParallel(instanceIds, (instanceId) => this.start(instanceId, runbookId));
  }

  /** One advance; anything but the wanted outcome is wrong. */
  async advance(
    agent: number,
    instanceId: string,
    requestId: string,
    wanted: Outcome,
    maxCells = 1,
  ): Promise<StepResult> {
    const body = { requestId, agentId: AGENT_ID, maxCells };
    const reply = await this.#askForAdvance(this.#bus(agent), instanceId, body);
    if (reply.kind === 'reply' && (reply.body as { outcome?: unknown }).outcome === wanted) {
      this.#holders?.learn(reply.body as unknown as Receipt);
      return DONE;
    }
    return { kind: 'wrong', why: `advance of ${instanceId}: ${told(reply)} instead of ${wanted}` };
  }

  async #askForAdvance(bus: Bus, instanceId: string, body: Json): Promise<BusReply> {
    const holder = this.#holders?.of(instanceId);
    if (holder !== undefined) {
      const subject = this.#subjects.advanceAt(holder, instanceId);
      const reply = await bus.request(subject, body, ANSWER_WITHIN_MS);
      if (!isNotHolder(reply)) return reply;
      this.#holders?.forget(instanceId);
    }
    return bus.request(this.#subjects.advance(instanceId), body, ANSWER_WITHIN_MS);
  }

  /** @throws Error unless the instance is there */
  async status(instanceId: string): Promise<void> {
    const reply = await this.#bus(0).request(
      this.#subjects.status(instanceId),
      {},
      ANSWER_WITHIN_MS,
    );
    if (
      reply.kind === 'reply' &&
      (reply.body as { instanceId?: unknown }).instanceId === instanceId
    )
      return;
    throw new Error(`status of ${instanceId}: ${told(reply)}`);
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

/**
 * Does something with each item, some at once. Rejects with the first failure, when the others have
 * ended.
 */
export async function inParallel<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const takeTurns = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  const turns = Array.from({ length: Math.min(STARTS_AT_ONCE, items.length) }, takeTurns);
  const failed = (await Promise.allSettled(turns)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}

function told(reply: BusReply): string {
  return reply.kind === 'reply' ? JSON.stringify(reply.body).slice(0, 300) : reply.kind;
}
