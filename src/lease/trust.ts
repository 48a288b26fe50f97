/** What the trust window is computed from. All in milliseconds. */
export interface TrustTerms {
  /** The TTL that the server granted with this answer, not the one that was asked for. */
  ttlMs: number;
  /** Set aside for clock drift and the time between a check and the act that it allows. */
  marginMs: number;
}

/**
 * Until when a session may be trusted, on the monotonic clock.
 *
 * Anchored at the moment when the keep-alive was *sent*: the server counts the TTL from a later
 * moment, when it received it, so the window always closes before the lease can expire. An answer
 * that was slow to arrive therefore extends trust by less, never by more.
 */
export function trustedUntilMs(sentAtMs: number, terms: TrustTerms): number {
  return sentAtMs + Math.max(0, terms.ttlMs - terms.marginMs);
}

/** The safety margin for a TTL: a tenth of it, at least 200 ms and at most 2 s. */
export function marginMs(ttlMs: number): number {
  return Math.min(2_000, Math.max(200, ttlMs / 10));
}

/**
 * When the next keep-alive is due after one was answered: a third of the TTL, which leaves time to
 * ask again.
 */
export function renewalMs(ttlMs: number): number {
  return Math.max(100, ttlMs / 3);
}
