import { TransientMap } from '../src/transient-map.ts';
import type { Clock, Timer } from '../src/time/clock.ts';
import type { HoldingEnd } from '../src/lease/holding.ts';
import type { Term } from './term.ts';

/** How long, and how many, holdings are kept. */
export interface HoldingLimits {
  /** Releases a holding that was not used for this long. */
  idleReleaseMs: number;
  /**
   * Beyond this many, releases the least recently used. Pinned ones stay, so this is not a hard
   * bound.
   */
  maxHoldings: number;
}

/** The terms of one session. Decides which to release; `release` does it. */
export class Holdings {
  readonly #clock: Clock;
  readonly #limits: HoldingLimits;
  readonly #release: (term: Term, why: string) => void;
  readonly #held = new TransientMap<string, Term>();
  /** The unpinned ones, least recently used first. */
  readonly #idle = new TransientMap<string, Term>();
  #sweep: Timer | undefined;

  /** `release` is called with each term to release; it must `end` it. */
  constructor(clock: Clock, limits: HoldingLimits, release: (term: Term, why: string) => void) {
    this.#clock = clock;
    this.#limits = limits;
    this.#release = release;
  }

  get size(): number {
    return this.#held.size;
  }

  get(instanceId: string): Term | undefined {
    return this.#held.get(instanceId);
  }

  all(): Term[] {
    return [...this.#held.values()];
  }

  add(term: Term): void {
    this.#held.set(term.instanceId, term);
    this.touch(term);
    for (const oldest of this.#idle.values()) {
      if (this.#held.size <= this.#limits.maxHoldings || oldest === term) break;
      this.#release(oldest, `more than ${this.#limits.maxHoldings} leases held`);
    }
  }

  /** Counts as use; does nothing for a term that has ended. */
  touch(term: Term): void {
    if (this.#held.get(term.instanceId) !== term) return;
    term.usedAtMs = this.#clock.monotonicMs();
    this.#idle.delete(term.instanceId);
    if (term.pins > 0) return;
    this.#idle.set(term.instanceId, term);
    if (this.#sweep === undefined) this.#sweepIn(this.#limits.idleReleaseMs);
  }

  /** Keeps a term until the returned function is called; calling that again has no effect. */
  pin(term: Term): () => void {
    term.pins += 1;
    this.touch(term);
    let pinned = true;
    return () => {
      if (!pinned) return;
      pinned = false;
      term.pins -= 1;
      this.touch(term);
    };
  }

  /** Ends a term and forgets it. False if it had ended before. */
  end(term: Term, reason: HoldingEnd): boolean {
    if (this.#held.get(term.instanceId) !== term) return false;
    this.#held.delete(term.instanceId);
    this.#idle.delete(term.instanceId);
    term.end(reason);
    return true;
  }

  /** Ends all terms, because their session has ended. */
  endAll(reason: HoldingEnd): void {
    this.#sweep?.cancel();
    for (const term of this.all()) this.end(term, reason);
  }

  #sweepIn(delayMs: number): void {
    this.#sweep = this.#clock.after(Math.max(1, delayMs), () => {
      this.#sweep = undefined;
      const nowMs = this.#clock.monotonicMs();
      for (const oldest of this.#idle.values()) {
        const dueMs = oldest.usedAtMs + this.#limits.idleReleaseMs;
        if (dueMs > nowMs) {
          this.#sweepIn(dueMs - nowMs);
          return;
        }
        this.#release(oldest, 'idle');
      }
    });
  }
}
