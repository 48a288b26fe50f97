import type { StepResult } from './closed-loop.ts';
import { EXHAUSTED } from './closed-loop.ts';
import { inParallel } from './requests.ts';
import type { Requests } from './requests.ts';
import { FRESH, HELD } from './runbooks.ts';

/** Prepare for a rate this much higher than the last one measured. */
const HEADROOM = 1.6;

/** Instances that are prepared before a measurement and consumed by its agents. */
export interface PreparedInstances {
  /** Makes sure that this many operations need no preparation in between. */
  prepare(operations: number): Promise<void>;
  /** One operation of an agent. */
  step(agent: number): Promise<StepResult>;
}

/** How many operations to prepare for, from a measured rate. */
export function operationsFor(
  measured: { operations: number; elapsedMs: number },
  durationMs: number,
): number {
  return Math.ceil((measured.operations / Math.max(1, measured.elapsedMs)) * durationMs * HEADROOM);
}

/**
 * Instances of one cell, each used once. Preparation starts them. Their one advance includes
 * everything else: choosing the replica that acts, acquiring the lease, reading the log, intent,
 * effect, outcome and receipt.
 */
export class FreshInstances implements PreparedInstances {
  readonly #requests: Requests;
  readonly #prefix: string;
  #started = 0;
  #used = 0;

  constructor(requests: Requests, prefix: string) {
    this.#requests = requests;
    this.#prefix = prefix;
  }

  async prepare(operations: number): Promise<void> {
    const missing = Math.max(0, operations - (this.#started - this.#used));
    const ids = Array.from({ length: missing }, (_, index) => this.#id(this.#started + index));
    await this.#requests.startAll(ids, FRESH.runbookId);
    this.#started += missing;
  }

  async step(agent: number): Promise<StepResult> {
    if (this.#used >= this.#started) return EXHAUSTED;
    const id = this.#id(this.#used++);
    return this.#requests.advance({
      agent,
      instanceId: id,
      requestId: `${id}-r`,
      expected: 'completed',
    });
  }

  #id(index: number): string {
    return `${this.#prefix}-${index}`;
  }
}

interface HeldInstance {
  id: string;
  /** How many advances were requested. */
  advanced: number;
}

/**
 * Instances of many cells, one for each agent at a time. Preparation includes the first advance:
 * after it the lease is held and the log has been read. The last cell is never advanced, so that
 * all measured advances do the same work.
 */
export class HeldInstances implements PreparedInstances {
  readonly #requests: Requests;
  readonly #prefix: string;
  readonly #agents: number;
  readonly #ready: HeldInstance[] = [];
  readonly #byAgent: (HeldInstance | undefined)[] = [];
  #created = 0;

  constructor(requests: Requests, prefix: string, agents: number) {
    this.#requests = requests;
    this.#prefix = prefix;
    this.#agents = agents;
  }

  async prepare(operations: number): Promise<void> {
    const perInstance = HELD.cells - 2;
    // Each agent stops in the middle of an instance.
    const wanted = this.#agents + Math.ceil(operations / perInstance);
    const missing = Math.max(0, wanted - this.#ready.length);
    const created = Array.from({ length: missing }, (): HeldInstance => {
      return { id: `${this.#prefix}-${this.#created++}`, advanced: 0 };
    });
    await inParallel(created, async (instance) => {
      await this.#requests.start(instance.id, HELD.runbookId);
      const first = await this.#advance(0, instance);
      if (first.kind === 'unexpected') throw new Error(first.why);
      this.#ready.push(instance);
    });
  }

  async step(agent: number): Promise<StepResult> {
    let instance = this.#byAgent[agent];
    if (instance === undefined || instance.advanced >= HELD.cells - 1) {
      instance = this.#ready.pop();
      this.#byAgent[agent] = instance;
      if (instance === undefined) return EXHAUSTED;
    }
    return this.#advance(agent, instance);
  }

  #advance(agent: number, instance: HeldInstance): Promise<StepResult> {
    instance.advanced += 1;
    const requestId = `${instance.id}-r${instance.advanced}`;
    return this.#requests.advance({
      agent,
      instanceId: instance.id,
      requestId,
      expected: 'advanced',
    });
  }
}
