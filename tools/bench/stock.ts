import type { StepResult } from './closed-loop.ts';
import { DONE, EXHAUSTED } from './closed-loop.ts';
import { inParallel } from './requests.ts';
import type { Requests } from './requests.ts';
import type { BenchRunbook } from './runbooks.ts';
import { FRESH, HELD } from './runbooks.ts';

/** More than the rate of before would use up, should it rise. */
const RESERVE = 1.6;

/** Instances that were prepared, and the agents that use them up. */
export interface Stock {
  /** Makes sure that so many operations can be done without preparing anything in between. */
  fill(operations: number): Promise<void>;
  /** One operation of an agent. */
  step(agent: number): Promise<StepResult>;
}

/** How many operations to prepare for, from the rate that was seen. */
export function operationsFor(
  seen: { operations: number; elapsedMs: number },
  durationMs: number,
): number {
  return Math.ceil((seen.operations / Math.max(1, seen.elapsedMs)) * durationMs * RESERVE);
}

/**
 * Instances of one cell, each used once. Starting them is preparation; what their one advance costs
 * is everything else: finding out who acts, the lease, the log, the intent, the effect, the outcome
 * and the receipt.
 */
export class FreshStock implements Stock {
  readonly #requests: Requests;
  readonly #prefix: string;
  #started = 0;
  #used = 0;

  constructor(requests: Requests, prefix: string) {
    this.#requests = requests;
    this.#prefix = prefix;
  }

  async fill(operations: number): Promise<void> {
    const missing = Math.max(0, operations - (this.#started - this.#used));
    const ids = Array.from({ length: missing }, (_, index) => this.#id(this.#started + index));
    await this.#requests.startAll(ids, FRESH.runbookId);
    this.#started += missing;
  }

  async step(agent: number): Promise<StepResult> {
    if (this.#used >= this.#started) return EXHAUSTED;
    const id = this.#id(this.#used++);
    return this.#requests.advance(agent, id, `${id}-r`, 'completed');
  }

  #id(index: number): string {
    return `${this.#prefix}-${index}`;
  }
}

interface HeldInstance {
  id: string;
  /** How many advances were asked for. */
  advanced: number;
}

/**
 * Instances of many cells, one for each agent at a time. The first advance is preparation: after it
 * the lease is held and the log is read. The last cell is left, so that all measured advances do
 * the same.
 */
export class HeldStock implements Stock {
  readonly #requests: Requests;
  readonly #prefix: string;
  readonly #agents: number;
  readonly #runbook: BenchRunbook;
  readonly #ready: HeldInstance[] = [];
  readonly #inHand: (HeldInstance | undefined)[] = [];
  #named = 0;

  constructor(requests: Requests, prefix: string, agents: number, runbook = HELD) {
    this.#requests = requests;
    this.#prefix = prefix;
    this.#agents = agents;
    this.#runbook = runbook;
  }

  async fill(operations: number): Promise<void> {
    const perInstance = this.#runbook.cells - 2;
    // Each agent ends inside an instance of its own.
    const wanted = this.#agents + Math.ceil(operations / perInstance);
    const missing = Math.max(0, wanted - this.#ready.length);
    const made = Array.from({ length: missing }, (): HeldInstance => {
      return { id: `${this.#prefix}-${this.#named++}`, advanced: 0 };
    });
    await inParallel(made, async (instance) => {
      await this.#requests.start(instance.id, this.#runbook.runbookId);
      const first = await this.#advance(0, instance);
      if (first.kind === 'wrong') throw new Error(first.why);
      this.#ready.push(instance);
    });
  }

  async step(agent: number): Promise<StepResult> {
    let instance = this.#inHand[agent];
    if (instance === undefined || instance.advanced >= this.#runbook.cells - 1) {
      instance = this.#ready.pop();
      this.#inHand[agent] = instance;
      if (instance === undefined) return EXHAUSTED;
    }
    return this.#advance(agent, instance);
  }

  async #advance(agent: number, instance: HeldInstance): Promise<StepResult> {
    instance.advanced += 1;
    const requestId = `${instance.id}-r${instance.advanced}`;
    const result = await this.#requests.advance(agent, instance.id, requestId, 'advanced');
    return result.kind === 'wrong' ? result : DONE;
  }
}
