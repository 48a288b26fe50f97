import type { Clock, Timer } from '../../../src/time/clock.ts';
import { sleepBy } from '../../../src/time/clock.ts';

interface Scheduled {
  atMs: number;
  order: number;
  fire: () => void;
}

/** A clock that stands still until a test moves it. */
export class HandClock implements Clock {
  #nowMs = 1_000;
  #order = 0;
  readonly #timers = new Set<Scheduled>();

  monotonicMs = (): number => this.#nowMs;
  wallMs = (): number => 1_700_000_000_000 + this.#nowMs;

  after = (delayMs: number, fire: () => void): Timer => {
    this.#order += 1;
    const scheduled = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order, fire };
    this.#timers.add(scheduled);
    return { cancel: () => void this.#timers.delete(scheduled) };
  };

  sleep = (delayMs: number, signal?: AbortSignal): Promise<void> =>
    sleepBy(this.after, delayMs, signal);

  /** How many timers wait. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Moves time on, firing each timer at its moment, with everything that follows from it. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settled();
    for (;;) {
      const [next] = [...this.#timers]
        .filter(({ atMs }) => atMs <= endMs)
        .sort((a, b) => a.atMs - b.atMs || a.order - b.order);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.fire();
      await settled();
    }
    this.#nowMs = endMs;
  }

  /**
   * Lets time pass as a frozen process sees it: nothing fires until the clock is read or
   * advanced.
   */
  jump(ms: number): void {
    this.#nowMs += ms;
  }
}

/** Resolves once everything that needs no time has happened. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
