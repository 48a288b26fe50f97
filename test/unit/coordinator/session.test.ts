import { describe, expect, it } from 'vitest';
import { Session } from '../../../coordinator/session.ts';
import { StoreUnavailable } from '../../../coordinator/store.ts';
import { marginMs, renewalMs } from '../../../src/lease/trust.ts';
import { simStore } from '../../simulation/lease-store.ts';
import { SimEtcd } from '../../simulation/sim-etcd.ts';
import { HandClock, settled } from './hand-clock.ts';
import type { Fault } from './world.ts';

const TTL_MS = 5_000;

function setUp(): {
  clock: HandClock;
  etcd: SimEtcd;
  disturb: (fault: Fault) => void;
  open: () => Promise<{ session: Session; ends: string[] }>;
} {
  const clock = new HandClock();
  const etcd = new SimEtcd(clock);
  let fault: Fault = (_call, run) => run();
  const store = simStore(etcd, { around: (call, run) => fault(call, run) });
  return {
    clock,
    etcd,
    disturb: (next) => (fault = next),
    async open() {
      const opening = Session.open({ store, clock, ttlS: TTL_MS / 1_000 });
      await clock.advance(0);
      const session = await opening;
      const ends: string[] = [];
      session.onEnd((why) => ends.push(why));
      return { session, ends };
    },
  };
}

const silent: Fault = () => new Promise(() => undefined);
const refused: Fault = () => Promise.reject(new StoreUnavailable('cut'));

describe('a session', () => {
  it('stays trusted for as long as its keep-alives are answered', async () => {
    const { clock, open } = setUp();
    const { session, ends } = await open();
    await clock.advance(20 * TTL_MS);
    expect(session.trusted()).toBe(true);
    expect(ends).toEqual([]);
  });

  it('renews every third of the TTL, and sends none while one is not answered', async () => {
    const { clock, disturb, open } = setUp();
    const { session } = await open();
    const sentAts: number[] = [];
    const startMs = clock.monotonicMs();
    let giveUp: () => void = () => undefined;
    disturb((call, run) => {
      if (call !== 'renew') return run();
      sentAts.push(clock.monotonicMs() - startMs);
      if (sentAts.length <= 2) return run();
      return new Promise((_, reject) => (giveUp = () => reject(new StoreUnavailable('late'))));
    });
    const third = renewalMs(TTL_MS);
    await clock.advance(4.5 * third);
    expect(sentAts).toHaveLength(3);
    for (const [nth, sentAt] of sentAts.entries()) expect(sentAt).toBeCloseTo((nth + 1) * third);
    // Given up after longer than a retry waits: the next one follows at once.
    giveUp();
    await clock.advance(1);
    expect(sentAts).toHaveLength(4);
    expect(session.trusted()).toBe(true);
    await clock.advance(TTL_MS);
    expect(sentAts).toHaveLength(4);
    expect(session.trusted()).toBe(false);
  });

  it('is lost by its timer when the trust window passes, before etcd expires it', async () => {
    const { clock, etcd, disturb, open } = setUp();
    const { session, ends } = await open();
    disturb(silent);
    await clock.advance(TTL_MS - marginMs(TTL_MS) - 1);
    expect(ends).toEqual([]);
    await clock.advance(1);
    expect(ends).toHaveLength(1);
    expect(ends[0]).toMatch(/trust window/);
    expect(session.trusted()).toBe(false);
    // etcd still has it: no other process could have acted yet.
    expect(etcd.renew(session.leaseId)).toEqual({ ttlMs: TTL_MS });
  });

  it('is found lost by the synchronous check, before any timer could fire', async () => {
    const { clock, open } = setUp();
    const { session, ends } = await open();
    clock.jump(TTL_MS);
    expect(ends).toEqual([]);
    expect(session.trusted()).toBe(false);
    expect(ends).toHaveLength(1);
  });

  it('slow keep-alive answers extend trust by less', async () => {
    const { clock, disturb, open } = setUp();
    const slowMs = 900;
    disturb(async (call, run) => {
      const answer = await run();
      if (call === 'renew') await clock.sleep(slowMs);
      return answer;
    });
    const { session } = await open();
    const openedAtMs = clock.monotonicMs();
    const sentAtMs = openedAtMs + renewalMs(TTL_MS);
    await clock.advance(renewalMs(TTL_MS) + slowMs - 1);
    expect(session.trustedUntilMs).toBe(openedAtMs + TTL_MS - marginMs(TTL_MS));
    await clock.advance(2);
    // Counted from the send and not from the answer, which came 900 ms later.
    expect(session.trustedUntilMs).toBeCloseTo(sentAtMs + TTL_MS - marginMs(TTL_MS));
  });

  it('an answer that comes after the window has passed revives nothing', async () => {
    const { clock, disturb, open } = setUp();
    let answer: () => void = () => undefined;
    disturb(async (_call, run) => {
      const answered = await run();
      await new Promise<void>((resolve) => (answer = resolve));
      return answered;
    });
    const opening = open();
    await settled();
    answer();
    const { session, ends } = await opening;
    await clock.advance(renewalMs(TTL_MS));
    // Frozen with the answer in the socket: it is read before anything looks at the clock.
    clock.jump(TTL_MS);
    answer();
    await settled();
    expect(session.trusted()).toBe(false);
    expect(ends).toHaveLength(1);
    await clock.advance(3 * TTL_MS);
    expect(session.trusted()).toBe(false);
    expect(ends).toHaveLength(1);
  });

  it('TTL 0 ends the session at once and for good', async () => {
    const { clock, etcd, open } = setUp();
    const { session, ends } = await open();
    etcd.revoke(session.leaseId);
    await clock.advance(renewalMs(TTL_MS));
    expect(ends).toEqual(['etcd says that the session is gone']);
    expect(session.trusted()).toBe(false);
    expect(clock.timers).toBe(0);
  });

  it('retries sooner when a keep-alive fails immediately, and survives a short outage', async () => {
    const { clock, disturb, open } = setUp();
    const { session, ends } = await open();
    let sent = 0;
    disturb((call, run) => {
      sent += 1;
      return refused(call, run);
    });
    await clock.advance(4_000);
    expect(sent).toBeGreaterThan(3);
    disturb((_call, run) => run());
    await clock.advance(TTL_MS);
    expect(session.trusted()).toBe(true);
    expect(ends).toEqual([]);
  });

  it('when lost, is revoked no earlier than it would have expired; when ended on purpose, at once', async () => {
    const { clock, etcd, disturb, open } = setUp();
    const calls: string[] = [];
    const first = await open();
    disturb((call, run) => {
      calls.push(call);
      return silent(call, run);
    });
    await clock.advance(TTL_MS - 1);
    expect(first.ends).toHaveLength(1);
    expect(calls).not.toContain('revoke');
    await clock.advance(1);
    expect(calls).toContain('revoke');

    disturb((_call, run) => run());
    const second = await open();
    expect(await second.session.end('on purpose')).toBe(true);
    expect(second.ends).toEqual(['on purpose']);
    expect(etcd.renew(second.session.leaseId)).toEqual({ ttlMs: 0 });
  });
});
