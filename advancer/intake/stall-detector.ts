import type { Clock, Timer } from '../../src/time/clock.ts';

const TICK_MS = 250;
/** A longer gap between ticks means that the process was stalled. */
const GAP_MS = 1_000;
/**
 * For this long after a stall, what arrives may be old: it waited in a socket while the process was
 * stalled.
 */
const RESUMING_MS = 1_000;

/**
 * Detects that the process was stalled (stopped, or starved of CPU), so that a request without an
 * expiry that waited in a socket meanwhile is not taken for a new one.
 */
export class StallDetector {
  readonly #clock: Clock;
  #lastTickMs: number;
  #stalledFromMs = 0;
  #resumedAtMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lastTickMs = clock.monotonicMs();
  }

  start(): void {
    this.#timer?.cancel();
    this.#lastTickMs = this.#clock.monotonicMs();
    this.#schedule();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** The longest time that a message handled now may have waited, in milliseconds. */
  maxAgeMs(): number {
    this.#detect();
    const nowMs = this.#clock.monotonicMs();
    return nowMs - this.#resumedAtMs < RESUMING_MS ? nowMs - this.#stalledFromMs : 0;
  }

  #schedule(): void {
    this.#timer = this.#clock.after(TICK_MS, () => {
      this.#detect();
      this.#lastTickMs = this.#clock.monotonicMs();
      this.#schedule();
    });
  }

  #detect(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lastTickMs <= GAP_MS) return;
    // Stalled again while still resuming: what waits in sockets may be as old as the first stall.
    if (this.#lastTickMs - this.#resumedAtMs >= RESUMING_MS) this.#stalledFromMs = this.#lastTickMs;
    this.#resumedAtMs = nowMs;
    this.#lastTickMs = nowMs;
  }
}
