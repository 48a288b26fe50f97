import { TransientMap } from '../../src/transient-map.ts';
import type { Holding } from '../../src/lease/holding.ts';
import type { RunContext } from './context.ts';
import { HeldInstance } from './held-instance.ts';

/** The instances that this process holds with work or state in memory: one runner per holding. */
export class HeldInstances {
  readonly #context: RunContext;
  readonly #held = new TransientMap<string, HeldInstance>();

  constructor(context: RunContext) {
    this.#context = context;
  }

  get size(): number {
    return this.#held.size;
  }

  /** The one runner of an instance under a holding. */
  under(holding: Holding): HeldInstance {
    const known = this.#held.get(holding.instanceId);
    if (known?.holding === holding) return known;
    const held = new HeldInstance(this.#context, holding);
    this.#held.set(holding.instanceId, held);
    holding.onEnd(() => {
      if (this.#held.get(holding.instanceId) === held) this.#held.delete(holding.instanceId);
    });
    return held;
  }
}
