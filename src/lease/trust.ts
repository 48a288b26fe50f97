/** What the trust window is computed from. All in milliseconds. */
export interface TrustTerms {
  /** The TTL that the server granted in this answer, which may differ from the one requested. */
  ttlMs: number;
  /** Allows for clock drift and for the time between a check and the act that it permits. */
  marginMs: number;
}

/**
 * The time until which a session may be trusted, on the monotonic clock, in milliseconds.
 *
 * The window starts when the keep-alive was *sent*. The server counts the TTL from the later moment
 * at which it received it, so the window always closes before the lease can expire. A slow answer
 * extends trust by less, never by more.
 */
export function trustedUntilMs(sentAtMs: number, terms: TrustTerms): number {
  return sentAtMs + Math.max(0, terms.ttlMs - terms.marginMs);
}

/** The safety margin for a TTL, in milliseconds: a tenth of it, at least 200 ms, at most 2 s. */
export function marginMs(ttlMs: number): number {
  return Math.min(2_000, Math.max(200, ttlMs / 10));
}

/**
 * The delay from an answered keep-alive to the next one, in milliseconds: a third of the TTL, which
 * leaves time to try again.
 */
export function renewalMs(ttlMs: number): number {
  return Math.max(100, ttlMs / 3);
}
