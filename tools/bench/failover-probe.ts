import type { Bus, BusReply } from '../../src/bus/bus.ts';
import { connectBus } from '../../src/bus/nats.ts';
import type { Subjects } from '../../src/bus/subjects.ts';
import { subjects } from '../../src/bus/subjects.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import { throwIfStopped } from './events.ts';
import { HELD, HOLD } from './runbooks.ts';

const ANSWER_TIMEOUT_MS = 5_000;
/** The pause before a retry: too short to matter in what is measured. */
const RETRY_MS = 5;
const SETUP_TIMEOUT_MS = 30_000;
/** No failover takes this long; one that does fails the run instead of giving a figure. */
const TAKEOVER_TIMEOUT_MS = 60_000;

/** The instances that a replica is to hold. */
export interface HeldByOptions {
  replicaId: string;
  count: number;
  prefix: string;
  /** Whether each has an attempt open that does not end. */
  insideEffect: boolean;
}

/** Sends requests for instances around a fault, as an agent does that retries without a pause. */
export class FailoverProbe {
  readonly #bus: Bus;
  readonly #subjects: Subjects;
  readonly #stop: AbortSignal;
  #sent = 0;

  private constructor(bus: Bus, names: Subjects, stop: AbortSignal) {
    this.#bus = bus;
    this.#subjects = names;
    this.#stop = stop;
  }

  /** @param stop makes its waits reject with {@link Interrupted} */
  static async connect(
    natsUrl: string,
    namespace: string,
    stop: AbortSignal,
  ): Promise<FailoverProbe> {
    const bus = await connectBus({ servers: [natsUrl], name: 'bench-failover' });
    return new FailoverProbe(bus, subjects(namespace), stop);
  }

  /** Starts instances until the replica holds enough of them, each after one advance by it. */
  async heldBy(options: HeldByOptions): Promise<string[]> {
    const { replicaId, count, prefix, insideEffect } = options;
    const found: string[] = [];
    const deadlineMs = performance.now() + SETUP_TIMEOUT_MS;
    for (let index = 1; found.length < count; index += 1) {
      if (performance.now() > deadlineMs)
        throw new Error(`${replicaId} acquired only ${found.length} of ${count} instances`);
      const instanceId = `${prefix}-${index}`;
      await this.#start(instanceId, insideEffect ? HOLD.runbookId : HELD.runbookId);
      const receipt = receiptIn(await this.#advance(instanceId, this.#requestId()));
      if (receipt?.outcome === 'advanced' && receipt.holder?.replicaId === replicaId)
        found.push(instanceId);
    }
    if (insideEffect)
      await Promise.all(found.map((instanceId) => this.#startEffect(instanceId, deadlineMs)));
    return found;
  }

  /**
   * Sends requests for an instance, one at a time, until a replica other than the victim answers.
   *
   * @returns the time of that answer, by `performance.now()`
   */
  async firstFromAnother(
    instanceId: string,
    victimId: string,
    insideEffect: boolean,
  ): Promise<number> {
    const deadlineMs = performance.now() + TAKEOVER_TIMEOUT_MS;
    let requestId = this.#requestId();
    let last = 'none';
    while (performance.now() < deadlineMs) {
      throwIfStopped(this.#stop);
      const reply = await this.#advance(instanceId, requestId);
      const receipt = receiptIn(reply);
      const nowMs = performance.now();
      last = reply.kind === 'reply' ? JSON.stringify(reply.body) : reply.kind;
      const expected = insideEffect ? 'in_doubt' : 'advanced';
      if (receipt?.outcome === expected && receipt.holder !== null) {
        if (receipt.holder.replicaId !== victimId) return nowMs;
        // The victim still served this one before it drained; what counts is the next.
        requestId = this.#requestId();
        continue;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    throw new Error(
      `${instanceId} was not taken over within ${TAKEOVER_TIMEOUT_MS / 1_000} s; ` +
        `the last answer: ${last}`,
    );
  }

  async close(): Promise<void> {
    await this.#bus.close();
  }

  /** Makes the holder begin the effect that does not end. */
  async #startEffect(instanceId: string, deadlineMs: number): Promise<void> {
    this.#bus.publish(this.#subjects.advance(instanceId), this.#message(this.#requestId()));
    for (;;) {
      throwIfStopped(this.#stop);
      const reply = await this.#bus.request(
        this.#subjects.status(instanceId),
        {},
        ANSWER_TIMEOUT_MS,
      );
      if (reply.kind === 'reply' && (reply.body as { inFlight?: unknown }).inFlight !== undefined)
        return;
      if (performance.now() > deadlineMs)
        throw new Error(`the effect of ${instanceId} did not begin`);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  async #start(instanceId: string, runbookId: string): Promise<void> {
    const body = { instanceId, runbookId, inputs: {}, agentId: 'bench' };
    const reply = await this.#bus.request(this.#subjects.start, body, ANSWER_TIMEOUT_MS);
    if (reply.kind !== 'reply') throw new Error(`start of ${instanceId}: ${reply.kind}`);
  }

  #advance(instanceId: string, requestId: string): Promise<BusReply> {
    return this.#bus.request(
      this.#subjects.advance(instanceId),
      this.#message(requestId),
      ANSWER_TIMEOUT_MS,
    );
  }

  #message(requestId: string): { requestId: string; agentId: string; maxCells: number } {
    return { requestId, agentId: 'bench', maxCells: 1 };
  }

  #requestId(): string {
    return `failover-${(this.#sent += 1)}`;
  }
}

function receiptIn(reply: BusReply): Receipt | undefined {
  if (reply.kind !== 'reply' || typeof reply.body !== 'object' || reply.body === null)
    return undefined;
  return 'outcome' in reply.body ? (reply.body as unknown as Receipt) : undefined;
}
