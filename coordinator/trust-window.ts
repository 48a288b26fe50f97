import { marginMs, trustedUntilMs } from '../src/lease/trust.ts';

/**
 * Until when one session may be trusted, on the monotonic clock. Pure: the time is passed in.
 *
 * A window only moves forward, and once it was found closed it stays closed: a later answer
 * concerns a lease that other replicas may already have treated as expired.
 */
export class TrustWindow {
  #untilMs: number;
  #closed = false;

  /** Opens with the grant: `sentAtMs` is when the request was sent, `ttlMs` what was granted. */
  constructor(sentAtMs: number, ttlMs: number) {
    this.#untilMs = trustedUntilMs(sentAtMs, { ttlMs, marginMs: marginMs(ttlMs) });
  }

  /** When it closes unless it is extended. */
  get untilMs(): number {
    return this.#untilMs;
  }

  /** Whether it is open; the first call after its end closes it for good. */
  open(nowMs: number): boolean {
    if (nowMs >= this.#untilMs) this.#closed = true;
    return !this.#closed;
  }

  /** Applies the answer to a keep-alive sent at `sentAtMs`. Returns whether the window moved. */
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
