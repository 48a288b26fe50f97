import type { NatsConnection } from 'nats';

import type { TestCluster } from './replicas.ts';
import type { ReceiptReply } from './replies.ts';
import type { Witness } from './witness.ts';

/** One answer that an agent got. */
export interface Answer {
  instanceId: string;
  requestId: string;
  outcome: string;
  replicaId: string | undefined;
  /** On the monotonic clock of this process. */
  atMs: number;
}

const CELLS = ['one', 'two', 'three'];

/**
 * Outcomes that are recorded: the request is over. The others are refusals, and the same id is
 * sent again.
 */
const RECORDED = new Set(['completed', 'advanced', 'parked', 'halted', 'in_doubt']);

/**
 * Agents at work: each starts an instance of three effects, advances it one cell at a time until it
 * is complete, and begins the next instance. After a refusal, or no answer at all, it sends the
 * same request id again.
 */
export class Load {
  readonly instances: string[] = [];
  readonly answers: Answer[] = [];
  /** Receipts of requests that are over, by request id, as they were first given. */
  readonly receipts = new Map<string, ReceiptReply>();
  /** Answers that no agent should get. */
  readonly wrong: string[] = [];
  /** How often no answer came. */
  silences = 0;
  readonly #cluster: TestCluster;
  readonly #witness: Witness;
  readonly #timeoutMs: number;
  readonly #name: string;
  readonly #working: Promise<void>[] = [];
  #closing = false;

  private constructor(cluster: TestCluster, witness: Witness, name: string, timeoutMs: number) {
    this.#cluster = cluster;
    this.#witness = witness;
    this.#name = name;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * @param options.name begins the id of every instance; a cluster may carry several loads, one
   *   after another
   * @param options.timeoutMs how long an agent waits for an answer before it sends again
   */
  static async start(
    cluster: TestCluster,
    witness: Witness,
    options: { name: string; agents: number; timeoutMs: number },
  ): Promise<Load> {
    await cluster.pushRunbook({
      runbook: 'load',
      version: 1,
      inputs: ['witness'],
      cells: CELLS.map((id) => ({
        id,
        exec: { http: { method: 'POST', url: '${inputs.witness}' } },
      })),
    });
    const load = new Load(cluster, witness, options.name, options.timeoutMs);
    for (let agent = 0; agent < options.agents; agent += 1) {
      load.#working.push(
        load.#work(agent).catch((cause: unknown) => void load.wrong.push(String(cause))),
      );
    }
    return load;
  }

  /** The idempotency key of every effect that is due once the instances are through. */
  get due(): string[] {
    return this.instances.flatMap((instanceId) =>
      CELLS.map((cellId) => `${instanceId}/${cellId}/1`),
    );
  }

  /** Resolves once this many more requests have their recorded receipts. */
  async served(requests: number): Promise<void> {
    const goal = this.receipts.size + requests;
    while (this.receipts.size < goal) await pause(20);
  }

  /** Begins no more instances, and resolves when those that were begun have reached their end. */
  async finish(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#working);
  }

  async #work(agent: number): Promise<void> {
    for (let nth = 1; !this.#closing; nth += 1) {
      const instanceId = `${this.#name}${agent}-${nth}`;
      this.instances.push(instanceId);
      await this.#start(instanceId);
      let outcome = '';
      for (let nthRequest = 1; outcome !== 'completed'; nthRequest += 1) {
        outcome = await this.#advance(instanceId, `${instanceId}-r${nthRequest}`);
        if (outcome === 'halted' || outcome === 'parked') {
          this.wrong.push(`${instanceId} ${outcome}`);
          return;
        }
        // Its process may still bring the outcome; then another request finds the doubt settled.
        if (outcome === 'in_doubt') await pause(250);
      }
    }
  }

  async #start(instanceId: string): Promise<void> {
    for (;;) {
      const reply = await this.#request(this.#cluster.subject('start'), {
        instanceId,
        runbookId: 'load',
        inputs: { witness: this.#witness.url },
        agentId: 'agent',
      });
      if (reply !== undefined && reply['error'] === undefined) return;
      const code = (reply?.['error'] as { code?: string } | undefined)?.code;
      // Sending it again would not help; the tally shows what is missing.
      if (code !== undefined && code !== 'unavailable')
        throw new Error(`start: ${JSON.stringify(reply)}`);
      await pause(100);
    }
  }

  async #advance(instanceId: string, requestId: string): Promise<string> {
    for (;;) {
      const reply = await this.#request(this.#cluster.subject('advance', instanceId), {
        requestId,
        agentId: 'agent',
        maxCells: 1,
      });
      if (reply !== undefined) {
        const receipt = reply as unknown as ReceiptReply;
        const { outcome } = receipt;
        const replicaId = receipt.holder?.replicaId;
        this.answers.push({ instanceId, requestId, outcome, replicaId, atMs: performance.now() });
        if (RECORDED.has(outcome)) {
          this.receipts.set(requestId, receipt);
          return outcome;
        }
        if (outcome !== 'unavailable' && outcome !== 'in_flight' && outcome !== 'expired') {
          this.wrong.push(`${requestId} ${JSON.stringify(receipt)}`);
        }
      }
      await pause(100);
    }
  }

  async #request(subject: string, body: object): Promise<Record<string, unknown> | undefined> {
    const nats: NatsConnection = this.#cluster.nats;
    try {
      const message = await nats.request(subject, JSON.stringify(body), {
        timeout: this.#timeoutMs,
      });
      return message.json<Record<string, unknown>>();
    } catch {
      this.silences += 1;
      return undefined;
    }
  }
}

/** The requests whose record is not the receipt that its agent was given. */
export async function changedReceipts(cluster: TestCluster, load: Load): Promise<string[]> {
  const changed: string[] = [];
  const stored = await cluster.app.query<{ request_id: string; receipt: ReceiptReply }>(
    'select request_id, receipt from leasehold.requests where instance_id = any($1)',
    [load.instances],
  );
  const records = new Map(stored.rows.map(({ request_id, receipt }) => [request_id, receipt]));
  for (const [requestId, receipt] of load.receipts) {
    if (text(records.get(requestId)) !== text(receipt)) changed.push(requestId);
    records.delete(requestId);
  }
  // A record without an agent's receipt is a request that was served behind its agent's back.
  return [...changed, ...records.keys()];
}

function text(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
