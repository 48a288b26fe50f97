import type { Clock, Timer } from '../../src/time/clock.ts';

const TICK_MS = 250;
/** A gap between ticks above this means that the process stood still. */
const GAP_MS = 1_000;
/**
 * For that long after waking, what arrives may be old: it waited in a socket while the process
 * stood still.
 */
const WAKING_MS = 1_000;

/**
 * Notices that the process stood still, so that a request which carries no expiry of its own and
 * waited in a socket meanwhile is not taken for a new one.
 */
export class StallDetector {
  readonly #clock: Clock;
  #lastTickMs: number;
  #stoodStillFromMs = 0;
  #wokeAtMs = Number.NEGATIVE_INFINITY;
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

  /** How long ago, at the most, a message that is handled now may have arrived, in milliseconds. */
  maxAgeMs(): number {
    this.#notice();
    const nowMs = this.#clock.monotonicMs();
    return nowMs - this.#wokeAtMs < WAKING_MS ? nowMs - this.#stoodStillFromMs : 0;
  }

  #schedule(): void {
    this.#timer = this.#clock.after(TICK_MS, () => {
      this.#notice();
      this.#lastTickMs = this.#clock.monotonicMs();
      this.#schedule();
    });
  }

  #notice(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lastTickMs <= GAP_MS) return;
    // Stopped again while it was still waking: what waits in sockets may be as old as the first
    // standstill.
    if (this.#lastTickMs - this.#wokeAtMs >= WAKING_MS) this.#stoodStillFromMs = this.#lastTickMs;
    this.#wokeAtMs = nowMs;
    this.#lastTickMs = nowMs;
  }
}
