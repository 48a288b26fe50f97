import type { Clock, Timer } from '../src/time/clock.ts';
import type { FencingToken } from '../src/ids.ts';
import type { ReleaseOutcome } from './releases.ts';

/** What the search for orphans asks of the rest of a tenure. */
export interface OrphanOptions {
  clock: Clock;
  /** How long a key may be on the session with no holding before it is deleted, in milliseconds. */
  graceMs: number;
  /** Whether the term is held, or an acquisition under way may yet find it: `undecided`. */
  state(instanceId: string, token: FencingToken): 'held' | 'undecided' | 'orphan';
  release(instanceId: string, token: FencingToken): Promise<ReleaseOutcome>;
}

/**
 * Deletes lease keys that hang on the session without a holding: an acquisition whose answer was
 * lost and whose caller has given up, or a release that may not have happened. Left alone, such an
 * instance would be stuck for as long as this process lives.
 */
export class Orphans {
  readonly #options: OrphanOptions;
  #suspects = new Map<string, FencingToken>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: OrphanOptions) {
    this.#options = options;
  }

  /** A key of this session was seen at this token; it is looked at again after the grace. */
  suspect(instanceId: string, token: FencingToken): void {
    if (this.#stopped || this.#options.state(instanceId, token) === 'held') return;
    this.#suspects.set(instanceId, Math.max(token, this.#suspects.get(instanceId) ?? 0));
    this.#timer ??= this.#options.clock.after(this.#options.graceMs, () => this.#look());
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#suspects.clear();
  }

  #look(): void {
    this.#timer = undefined;
    const suspects = this.#suspects;
    this.#suspects = new Map();
    for (const [instanceId, token] of suspects) void this.#settle(instanceId, token);
  }

  async #settle(instanceId: string, token: FencingToken): Promise<void> {
    const state = this.#options.state(instanceId, token);
    if (state === 'held') return;
    // By revision, so nothing happens if the key is gone or somebody else's by now.
    if (state === 'undecided' || (await this.#options.release(instanceId, token)) === 'unknown') {
      this.suspect(instanceId, token);
    }
  }
}
