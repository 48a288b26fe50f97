import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TrustWindow } from '../../../../coordinator/trust-window.ts';
import { marginMs, renewalMs, trustedUntilMs } from '../../../../src/lease/trust.ts';

/**
 * What the server does with a lease: it counts the TTL from the moment when a keep-alive reaches
 * it.
 */
class ServerLease {
  #expiresAtMs: number;
  readonly #ttlMs: number;

  constructor(receivedAtMs: number, ttlMs: number) {
    this.#ttlMs = ttlMs;
    this.#expiresAtMs = receivedAtMs + ttlMs;
  }

  expiredAt(nowMs: number): boolean {
    return nowMs >= this.#expiresAtMs;
  }

  /** The TTL that is answered; 0 once expired, for good. */
  renew(nowMs: number): number {
    if (this.expiredAt(nowMs)) return 0;
    this.#expiresAtMs = nowMs + this.#ttlMs;
    return this.#ttlMs;
  }
}

const ttlMs = fc.integer({ min: 2, max: 60 }).map((seconds) => seconds * 1_000);
const delayMs = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 30_000 }));
const exchanges = fc.array(
  fc.record({
    gapMs: delayMs,
    toServerMs: fc.option(delayMs, { nil: undefined }),
    toClientMs: fc.option(delayMs, { nil: undefined }),
  }),
  { maxLength: 30 },
);

interface TimedEvent {
  atMs: number;
  act: () => void;
}

/**
 * Runs sends, receipts and answers in the order of their times; calls `look` at each of them.
 */
function play(
  ttl: number,
  grant: { toServerMs: number; toClientMs: number },
  sends: { gapMs: number; toServerMs?: number | undefined; toClientMs?: number | undefined }[],
  look: (nowMs: number, window: TrustWindow, server: ServerLease) => void,
): void {
  const server = new ServerLease(grant.toServerMs, ttl);
  const window = new TrustWindow(0, ttl);
  const openedAtMs = grant.toServerMs + grant.toClientMs;
  const events: TimedEvent[] = [];
  let sentAtMs = openedAtMs;
  for (const { gapMs, toServerMs, toClientMs } of sends) {
    sentAtMs += gapMs;
    const sent = sentAtMs;
    if (toServerMs === undefined) continue;
    events.push({
      atMs: sent + toServerMs,
      act: () => {
        const answered = server.renew(sent + toServerMs);
        if (toClientMs === undefined) return;
        const atMs = sent + toServerMs + toClientMs;
        events.push({
          atMs,
          act: () => {
            if (answered === 0) window.close();
            else window.extend(sent, answered, atMs);
          },
        });
      },
    });
  }
  look(openedAtMs, window, server);
  while (events.length > 0) {
    events.sort((a, b) => a.atMs - b.atMs);
    const next = events.shift() as TimedEvent;
    // Just before it, when the window is at its oldest; then right after it.
    look(Math.max(openedAtMs, next.atMs - 1), window, server);
    next.act();
    look(Math.max(openedAtMs, next.atMs), window, server);
  }
  const endMs = Math.max(openedAtMs, window.untilMs - 1);
  look(endMs, window, server);
}

describe('the trust window', () => {
  it('never outlives the server’s lease, whatever the order and delay of sends and answers', () => {
    let trusted = 0;
    fc.assert(
      fc.property(
        ttlMs,
        fc.record({ toServerMs: delayMs, toClientMs: delayMs }),
        exchanges,
        (ttl, grant, sends) => {
          play(ttl, grant, sends, (nowMs, window, server) => {
            if (!window.open(nowMs)) return;
            trusted += 1;
            // Also at the end of the margin that is set aside for the act which the check allows.
            expect(server.expiredAt(nowMs + marginMs(ttl) - 1)).toBe(false);
          });
        },
      ),
      { numRuns: 2_000 },
    );
    expect(trusted).toBeGreaterThan(1_000);
  });

  it('would outlive the server’s lease if it were anchored at the receipt of answers', () => {
    // The negative control: the same exchange with the wrong anchor is caught.
    const counterexample = fc.check(
      fc.property(ttlMs, delayMs, delayMs, (ttl, toServerMs, toClientMs) => {
        const server = new ServerLease(toServerMs, ttl);
        const receivedAtMs = toServerMs + toClientMs;
        const window = new TrustWindow(receivedAtMs, ttl);
        const lastMs = Math.max(receivedAtMs, window.untilMs - 1);
        return !window.open(lastMs) || !server.expiredAt(lastMs);
      }),
      { numRuns: 2_000 },
    );
    expect(counterexample.failed).toBe(true);
  });

  it('never decreases by an old answer, in whatever order answers come', () => {
    fc.assert(
      fc.property(ttlMs, fc.array(fc.integer({ min: 0, max: 1_000 })), (ttl, sentAts) => {
        const window = new TrustWindow(0, ttl);
        let highestMs = window.untilMs;
        for (const sentAtMs of sentAts) {
          window.extend(sentAtMs, ttl, 1_000);
          expect(window.untilMs).toBeGreaterThanOrEqual(highestMs);
          highestMs = window.untilMs;
        }
        expect(highestMs).toBe(
          trustedUntilMs(Math.max(0, ...sentAts), { ttlMs: ttl, marginMs: marginMs(ttl) }),
        );
      }),
    );
  });

  it('once seen closed, is never open again', () => {
    fc.assert(
      fc.property(
        ttlMs,
        fc.integer({ min: 0, max: 100_000 }),
        delayMs,
        (ttl, overdueMs, laterMs) => {
          const window = new TrustWindow(0, ttl);
          const seenAtMs = window.untilMs + overdueMs;
          // Sent in time, answered with the full TTL, but looked at too late.
          expect(window.extend(window.untilMs - 1, ttl, seenAtMs)).toBe(false);
          expect(window.open(seenAtMs)).toBe(false);
          expect(window.extend(seenAtMs, ttl, seenAtMs + laterMs)).toBe(false);
          expect(window.open(0)).toBe(false);
        },
      ),
    );
  });

  it('leaves time for two lost keep-alives before it closes', () => {
    fc.assert(
      fc.property(ttlMs, (ttl) => {
        const untilMs = trustedUntilMs(0, { ttlMs: ttl, marginMs: marginMs(ttl) });
        expect(2 * renewalMs(ttl)).toBeLessThan(untilMs);
      }),
    );
  });
});
