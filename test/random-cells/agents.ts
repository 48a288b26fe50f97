import type { NatsConnection } from 'nats';

import type { TestCluster } from '../harness/replicas.ts';
import type { ReceiptReply } from '../harness/replies.ts';
import type { Ledger } from './ledger.ts';
import type { RandomCell } from './random-cell.ts';

/** How agents treat one cell. */
export interface AgentsOptions {
  cluster: TestCluster;
  ledger: Ledger;
  /** How many instances are under way at the same time. */
  atOnce: number;
  /** Readies the world for a cell, and returns the inputs of its instance. */
  admit: (cell: RandomCell) => Promise<Record<string, unknown>>;
  /** The cell has ended. */
  dismiss: (cell: RandomCell) => void;
  /** The runbook of a cell. */
  runbookIdOf: (cell: RandomCell) => string;
  onEnd: () => void;
  /** An instance that takes longer is stuck; default 90 s. */
  patienceMs?: number | undefined;
}

/** What the agents of an instance know at its end. */
export interface CarriedCell {
  cell: RandomCell;
  /** The outcome of the newest receipt; undefined if there never was one. */
  outcome: string | undefined;
  /** What the receipt said was missing. */
  unavailable: string | undefined;
}

const REQUEST_MS = 6_000;
const AGENT = 'witness';
const PATIENCE_MS = 90_000;

/**
 * Agents that start an instance for each cell, advance it to its end, and answer doubts with the
 * truth, which they ask the receiver for. They use nothing but messages.
 */
export class Agents {
  readonly #options: AgentsOptions;
  readonly #nats: NatsConnection;
  #requests = 0;

  constructor(options: AgentsOptions) {
    this.#options = options;
    this.#nats = options.cluster.nats;
  }

  /** Carries all cells to their ends. */
  async work(cells: readonly RandomCell[]): Promise<CarriedCell[]> {
    const carried: CarriedCell[] = [];
    const waiting = cells[Symbol.iterator]();
    const agent = async (): Promise<void> => {
      for (const cell of waiting) {
        carried.push(await this.#carry(cell));
        this.#options.onEnd();
      }
    };
    await Promise.all(Array.from({ length: this.#options.atOnce }, agent));
    return carried;
  }

  /** One more request for each, so that what has become known meanwhile is settled. */
  async again(carried: readonly CarriedCell[]): Promise<void> {
    const waiting = carried[Symbol.iterator]();
    const agent = async (): Promise<void> => {
      for (const one of waiting)
        Object.assign(one, await this.#advance(one.cell, this.#deadline()));
    };
    await Promise.all(Array.from({ length: this.#options.atOnce }, agent));
  }

  /** What `status` answers about each instance. */
  async statuses(instanceIds: readonly string[]): Promise<(string | undefined)[]> {
    const found: (string | undefined)[] = [];
    const waiting = instanceIds.entries();
    const agent = async (): Promise<void> => {
      for (const [nth, instanceId] of waiting) found[nth] = await this.#status(instanceId);
    };
    await Promise.all(Array.from({ length: this.#options.atOnce }, agent));
    return found;
  }

  async #status(instanceId: string): Promise<string | undefined> {
    for (let tries = 0; tries < 5; tries += 1) {
      const reply = await this.#request(['status', instanceId], {});
      if (typeof reply?.['status'] === 'string') return reply['status'];
    }
    return undefined;
  }

  async #carry(cell: RandomCell): Promise<CarriedCell> {
    const inputs = await this.#options.admit(cell);
    const untilMs = this.#deadline();
    await this.#start(cell, inputs, untilMs);
    const answers = [...cell.answers];
    let carried = await this.#advance(cell, untilMs);
    while (carried.outcome === 'in_doubt' && performance.now() < untilMs) {
      const answer = answers.shift();
      if (answer === undefined) break;
      // The process that made the attempt may still bring its outcome.
      if (cell.storm) await pause(300);
      await this.#decide(cell, carried.receipt, answer);
      carried = await this.#advance(cell, untilMs);
    }
    this.#options.dismiss(cell);
    return carried;
  }

  async #start(cell: RandomCell, inputs: object, untilMs: number): Promise<void> {
    const { instanceId } = cell;
    const runbookId = this.#options.runbookIdOf(cell);
    while (performance.now() < untilMs) {
      const body = { instanceId, runbookId, inputs, agentId: AGENT };
      const reply = await this.#request(['start'], body);
      if (reply !== undefined && reply['error'] === undefined) return;
      const code = (reply?.['error'] as { code?: string } | undefined)?.code;
      if (code !== undefined && code !== 'unavailable')
        throw new Error(`start of ${instanceId}: ${JSON.stringify(reply)}`);
      await pause(100);
    }
  }

  /** Sends one request until it is answered for good. */
  async #advance(
    cell: RandomCell,
    untilMs: number,
  ): Promise<CarriedCell & { receipt: ReceiptReply | undefined }> {
    const { instanceId } = cell;
    this.#requests += 1;
    const requestId = `${instanceId}-q${this.#requests}`;
    let receipt: ReceiptReply | undefined;
    while (performance.now() < untilMs) {
      const reply = await this.#request(['advance', instanceId], { requestId, agentId: AGENT });
      receipt = reply as ReceiptReply | undefined;
      const outcome = receipt?.outcome ?? '';
      const unavailable = outcome === 'unavailable' ? (receipt?.error?.message ?? '') : undefined;
      if (['completed', 'halted', 'in_doubt'].includes(outcome))
        return { cell, outcome, unavailable: undefined, receipt };
      // It will not get better.
      if (unavailable?.includes('"nobody"') === true)
        return { cell, outcome, unavailable, receipt };
      await pause(outcome === '' ? 200 : 100);
    }
    return { cell, outcome: undefined, unavailable: receipt?.error?.message, receipt };
  }

  /** Answers a doubt with what the receiver knows. */
  async #decide(
    cell: RandomCell,
    receipt: ReceiptReply | undefined,
    answer: RandomCell['answers'][number],
  ): Promise<void> {
    const doubt = receipt?.inDoubt;
    if (doubt === undefined) return;
    const { instanceId } = cell;
    const { cellId, attempt } = doubt;
    const key = await this.#keyOf(instanceId, cellId, attempt);
    if (key === undefined) return;
    const place = { instanceId, cellId, key };
    let as: string = answer;
    if (this.#options.ledger.verdictOn(place) === 'acted') as = 'succeeded';
    else if (answer !== 'rerun') {
      // So that it stays true: the receiver refuses the key from now on.
      if (this.#options.ledger.settle(place, 'refused') === 'acted') as = 'succeeded';
      else {
        const nothing = { attempt: undefined, token: undefined, atMs: Date.now() };
        const entry = { ...place, ...nothing, knew: 'refused', move: 'cancelled' } as const;
        this.#options.ledger.note(entry);
      }
    }
    const body = { agentId: AGENT, cellId, attempt, as, reason: 'the receiver says so' };
    // Whatever the answer is, the next request shows what holds.
    await this.#request(['decide', instanceId], body);
  }

  /** The key of an attempt, from the log that `status` shows. */
  async #keyOf(instanceId: string, cellId: string, attempt: number): Promise<string | undefined> {
    const reply = await this.#request(['status', instanceId], { log: true });
    const log = (reply?.['log'] ?? []) as Record<string, unknown>[];
    for (const row of log) {
      const body = row['body'] as Record<string, unknown> | undefined;
      const [cell, nth] = [row['cell_id'] ?? row['cellId'], row['attempt']];
      if (row['kind'] === 'started' && cell === cellId && nth === attempt)
        return String(body?.['idempotencyKey']);
    }
    return undefined;
  }

  #deadline(): number {
    return performance.now() + (this.#options.patienceMs ?? PATIENCE_MS);
  }

  async #request(
    parts: [string, ...string[]],
    body: object,
  ): Promise<Record<string, unknown> | undefined> {
    const subject = this.#options.cluster.subject(...parts);
    try {
      const message = await this.#nats.request(subject, JSON.stringify(body), {
        timeout: REQUEST_MS,
      });
      return message.json<Record<string, unknown>>();
    } catch {
      return undefined;
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
