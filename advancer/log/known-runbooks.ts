import type { Runbook } from '../../src/runbook/runbook.ts';

const MOST = 1_000;

/**
 * Runbook versions that were read, the newest used last. A version never changes, so it is read
 * once, and all instances of it share one object.
 */
export class KnownRunbooks {
  readonly #read: (runbookId: string, version: number) => Promise<Runbook | undefined>;
  readonly #known = new Map<string, Runbook>();

  constructor(read: (runbookId: string, version: number) => Promise<Runbook | undefined>) {
    this.#read = read;
  }

  /** Rejects as the reading does; undefined when there is no such version (yet). */
  async get(runbookId: string, version: number): Promise<Runbook | undefined> {
    // The id holds no slash.
    const key = `${runbookId}/${version}`;
    const runbook = this.#known.get(key) ?? (await this.#read(runbookId, version));
    if (runbook === undefined) return undefined;
    this.#known.delete(key);
    this.#known.set(key, runbook);
    if (this.#known.size > MOST) this.#known.delete(this.#known.keys().next().value!);
    return runbook;
  }
}
