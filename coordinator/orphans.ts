import type { Clock, Timer } from '../src/time/clock.ts';
import type { FencingToken } from '../src/ids.ts';
import type { ReleaseOutcome } from './releases.ts';

/** How to make {@link Orphans}: what they need of their tenure. */
export interface OrphanOptions {
  clock: Clock;
  /** How long a key may be attached without a holding before it is deleted, in milliseconds. */
  graceMs: number;
  /** `undecided`: an acquisition under way may yet turn the key into a holding. */
  state(instanceId: string, token: FencingToken): 'held' | 'undecided' | 'orphan';
  release(instanceId: string, token: FencingToken): Promise<ReleaseOutcome>;
}

/**
 * Deletes lease keys that are attached to the session without a holding: left by an acquisition
 * whose answer was lost and whose caller has given up, or by a release that may not have happened.
 * Otherwise such an instance would be stuck for as long as this process lives.
 */
export class Orphans {
  readonly #options: OrphanOptions;
  #suspects = new Map<string, FencingToken>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: OrphanOptions) {
    this.#options = options;
  }

  /** A key of this session was seen at this token; checks it after the grace period. */
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
    // Deleted by revision: nothing happens if the key is gone or another replica's by now.
    if (state === 'undecided' || (await this.#options.release(instanceId, token)) === 'unknown') {
      this.suspect(instanceId, token);
    }
  }
}
