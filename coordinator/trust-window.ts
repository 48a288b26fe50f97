import { marginMs, trustedUntilMs } from '../src/lease/trust.ts';

/**
 * Until when one session may be trusted, on the monotonic clock. Pure: the time is passed in.
 *
 * A window only ever moves forward, and once it was seen closed it stays closed: an answer that
 * comes after that speaks of a lease that others may have counted as dead.
 */
export class TrustWindow {
  #untilMs: number;
  #closed = false;

  /** Opens with the grant: `sentAtMs` is when it was asked for, `ttlMs` what was granted. */
  constructor(sentAtMs: number, ttlMs: number) {
    this.#untilMs = trustedUntilMs(sentAtMs, { ttlMs, marginMs: marginMs(ttlMs) });
  }

  /** When it closes unless it is extended. */
  get untilMs(): number {
    return this.#untilMs;
  }

  /** Whether it is open; asking after its end closes it for good. */
  open(nowMs: number): boolean {
    if (nowMs >= this.#untilMs) this.#closed = true;
    return !this.#closed;
  }

  /** Takes in an answer to a keep-alive sent at `sentAtMs`. Answers whether the window moved. */
  extend(sentAtMs: number, ttlMs: number, nowMs: number): boolean {
    if (!this.open(nowMs)) return false;
    const untilMs = trustedUntilMs(sentAtMs, { ttlMs, marginMs: marginMs(ttlMs) });
    if (untilMs <= this.#untilMs) return false;
    this.#untilMs = untilMs;
    return true;
  }

  /** Closes it for good. */
  close(): void {
    this.#closed = true;
  }
}
