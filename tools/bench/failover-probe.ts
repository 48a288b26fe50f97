import type { Bus, BusReply } from '../../src/bus/bus.ts';
import { connectBus } from '../../src/bus/nats.ts';
import type { Subjects } from '../../src/bus/subjects.ts';
import { subjects } from '../../src/bus/subjects.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import { goOn } from './events.ts';
import { HELD, HOLD } from './runbooks.ts';

const ANSWER_WITHIN_MS = 5_000;
/** When nobody answered, or nobody could: soon enough to be no part of what is measured. */
const AGAIN_MS = 5;
const FOUND_WITHIN_MS = 30_000;
/** No failover takes so long; one that does is a failure of the run, not a figure. */
const TAKEN_WITHIN_MS = 60_000;

/** Asks for instances around a fault, as an agent would who does not wait. */
export class FailoverProbe {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #stop: AbortSignal;
  #named = 0;

  private constructor(bus: Bus, names: Subjects, stop: AbortSignal) {
    this.#bus = bus;
    this.#subjects = names;
    this.#stop = stop;
  }

  /** @param stop ends its waiting, by BrokenOff */
  static async connect(
    natsUrl: string,
    namespace: string,
    stop: AbortSignal,
  ): Promise<FailoverProbe> {
    const bus = await connectBus({ servers: [natsUrl], name: 'bench-failover' });
    return new FailoverProbe(bus, subjects(namespace), stop);
  }

  /**
   * Instances that a replica holds, each advanced by it before.
   *
   * @param insideEffect whether each is to have an attempt open that does not end
   */
  async heldBy(
    replicaId: string,
    count: number,
    prefix: string,
    insideEffect: boolean,
  ): Promise<string[]> {
    const found: string[] = [];
    const deadlineMs = performance.now() + FOUND_WITHIN_MS;
    for (let index = 1; found.length < count; index += 1) {
      if (performance.now() > deadlineMs)
        throw new Error(`${replicaId} got only ${found.length} of ${count} instances`);
      const instanceId = `${prefix}-${index}`;
      await this.#start(instanceId, insideEffect ? HOLD.runbookId : HELD.runbookId);
      const receipt = receiptIn(await this.#advance(instanceId, this.#requestId()));
      if (receipt?.outcome === 'advanced' && receipt.holder?.replicaId === replicaId)
        found.push(instanceId);
    }
    if (insideEffect)
      await Promise.all(found.map((instanceId) => this.#enter(instanceId, deadlineMs)));
    return found;
  }

  /**
   * Asks for an instance without a break until another replica than the one that was struck has
   * answered.
   *
   * @returns when it had, by `performance.now()`
   */
  async firstFromAnother(
    instanceId: string,
    struck: string,
    insideEffect: boolean,
  ): Promise<number> {
    const deadlineMs = performance.now() + TAKEN_WITHIN_MS;
    let requestId = this.#requestId();
    let last = 'nothing';
    while (performance.now() < deadlineMs) {
      goOn(this.#stop);
      const reply = await this.#advance(instanceId, requestId);
      const receipt = receiptIn(reply);
      const nowMs = performance.now();
      last = reply.kind === 'reply' ? JSON.stringify(reply.body) : reply.kind;
      const wanted = insideEffect ? 'in_doubt' : 'advanced';
      if (receipt?.outcome === wanted && receipt.holder !== null) {
        if (receipt.holder.replicaId !== struck) return nowMs;
        // It went on until it left: what counts is the next one.
        requestId = this.#requestId();
        continue;
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
    throw new Error(
      `${instanceId} was not taken over within ${TAKEN_WITHIN_MS / 1_000} s; the last answer: ${last}`,
    );
  }

  async close(): Promise<void> {
    await this.#bus.close();
  }

  /** Has its holder begin the effect that does not end. */
  async #enter(instanceId: string, deadlineMs: number): Promise<void> {
    this.#bus.publish(this.#subjects.advance(instanceId), this.#message(this.#requestId()));
    for (;;) {
      goOn(this.#stop);
      const reply = await this.#bus.request(
        this.#subjects.status(instanceId),
        {},
        ANSWER_WITHIN_MS,
      );
      if (reply.kind === 'reply' && (reply.body as { inFlight?: unknown }).inFlight !== undefined)
        return;
      if (performance.now() > deadlineMs) throw new Error(`${instanceId} did not begin its effect`);
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }

  async #start(instanceId: string, runbookId: string): Promise<void> {
    const body = { instanceId, runbookId, inputs: {}, agentId: 'bench' };
    const reply = await this.#bus.request(this.#subjects.start, body, ANSWER_WITHIN_MS);
    if (reply.kind !== 'reply') throw new Error(`start of ${instanceId}: ${reply.kind}`);
  }

  #advance(instanceId: string, requestId: string): Promise<BusReply> {
    return this.#bus.request(
      this.#subjects.advance(instanceId),
      this.#message(requestId),
      ANSWER_WITHIN_MS,
    );
  }

  #message(requestId: string): { requestId: string; agentId: string; maxCells: number } {
    return { requestId, agentId: 'bench', maxCells: 1 };
  }

  #requestId(): string {
    return `failover-${(this.#named += 1)}`;
  }
}

function receiptIn(reply: BusReply): Receipt | undefined {
  if (reply.kind !== 'reply' || typeof reply.body !== 'object' || reply.body === null)
    return undefined;
  return 'outcome' in reply.body ? (reply.body as unknown as Receipt) : undefined;
}
