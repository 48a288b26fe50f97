import { describe, expect, it } from 'vitest';
import { leaseKey, leaseValue } from '../../../coordinator/keys.ts';
import type { LeaseRecord } from '../../../coordinator/leases.ts';
import { StoreUnavailable } from '../../../coordinator/store.ts';
import { settled } from './hand-clock.ts';
import { acquired, NAMESPACE, TTL_S, world } from './world.ts';
import type { Fault } from './world.ts';

const key = (instanceId: string): string => leaseKey(NAMESPACE, instanceId);
/** The call is carried out, but its answer never comes. */
const answerLost =
  (which: string): Fault =>
  async (call, run) => {
    const answer = await run();
    if (call === which) throw new StoreUnavailable('the answer was lost');
    return answer;
  };

describe('acquiring', () => {
  it('the token is the mod revision of the transaction that put the key', async () => {
    const w = world();
    const a = await w.leading('a');
    const holding = acquired(await a.coordinator.acquire('i'));
    expect(w.etcd.get(key('i'))).toMatchObject({
      value: leaseValue('a'),
      modRevision: holding.token,
    });
    expect(holding.trusted()).toBe(true);
    expect(a.coordinator.holding('i')).toBe(holding);
    expect(acquired(await a.coordinator.acquire('i'))).toBe(holding);
  });

  it('callers of one instance share one request and one holding', async () => {
    const w = world();
    const a = await w.leading('a');
    let transactions = 0;
    a.disturb((call, run) => {
      if (call === 'acquire') transactions += 1;
      return run();
    });
    const outcomes = await Promise.all([1, 2, 3].map(() => a.coordinator.acquire('i')));
    expect(new Set(outcomes.map(acquired)).size).toBe(1);
    expect(transactions).toBe(1);
  });

  it('requests made together share few transactions, and later transactions have higher tokens', async () => {
    const w = world();
    const a = await w.leading('a');
    let transactions = 0;
    a.disturb((call, run) => {
      if (call === 'acquire') transactions += 1;
      return run();
    });
    const instances = Array.from({ length: 400 }, (_, i) => `i-${i}`);
    const holdings = (await Promise.all(instances.map((i) => a.coordinator.acquire(i)))).map(
      acquired,
    );
    expect(transactions).toBe(10);
    for (const holding of holdings) {
      expect(w.etcd.get(key(holding.instanceId))?.modRevision).toBe(holding.token);
    }
  });

  it('an instance that another replica holds is answered with its holder', async () => {
    const w = world();
    const [a, b] = [await w.leading('a'), await w.leading('b')];
    const { token } = acquired(await a.coordinator.acquire('i'));
    const by: LeaseRecord = { instanceId: 'i', replicaId: 'a', token };
    expect(await b.coordinator.acquire('i')).toEqual({ kind: 'held', by });
    expect(await b.coordinator.look('i')).toEqual(by);
    await w.clock.advance(1);
    expect(b.coordinator.hint('i')).toEqual(by);
    expect(await b.coordinator.look('other')).toBe('none');
  });

  it('a key whose value is not ours counts as held, never as free', async () => {
    const w = world();
    const a = await w.leading('a');
    const foreign = w.etcd.grant(60).leaseId;
    w.etcd.put(foreign, key('i'), 'put by hand');
    expect(await a.coordinator.acquire('i')).toMatchObject({
      kind: 'held',
      by: { replicaId: 'unreadable' },
    });
  });

  it('a lost answer of acquire is settled by reading', async () => {
    const w = world();
    const a = await w.leading('a');
    a.disturb(answerLost('acquire'));
    const holding = acquired(await a.coordinator.acquire('i'));
    expect(holding.token).toBe(w.etcd.get(key('i'))?.modRevision);
    expect(holding.trusted()).toBe(true);
  });

  it('a lost request of acquire is settled by reading, as not acquired', async () => {
    const w = world();
    const [a, b] = [await w.leading('a'), await w.leading('b')];
    acquired(await b.coordinator.acquire('theirs'));
    a.disturb((call, run) =>
      call === 'acquire' ? Promise.reject(new StoreUnavailable('the request was lost')) : run(),
    );
    expect(await a.coordinator.acquire('free')).toEqual({
      kind: 'unavailable',
      why: 'the request was lost',
    });
    expect(await a.coordinator.acquire('theirs')).toMatchObject({
      kind: 'held',
      by: { replicaId: 'b' },
    });
  });

  it('when the read is lost too, the key is an orphan and is deleted after a grace period', async () => {
    const w = world();
    const a = await w.leading('a');
    a.disturb(async (call, run) => {
      if (call === 'acquire') await run();
      if (call === 'acquire' || call === 'read') throw new StoreUnavailable('cut');
      return run();
    });
    expect(await a.coordinator.acquire('i')).toEqual({ kind: 'unavailable', why: 'cut' });
    a.disturb(undefined);
    expect(w.etcd.get(key('i'))).toBeDefined();
    await w.clock.advance(900);
    expect(w.etcd.get(key('i'))).toBeDefined();
    await w.clock.advance(200);
    expect(w.etcd.get(key('i'))).toBeUndefined();
    expect(a.coordinator.notLeading()).toBeUndefined();
  });

  it('an orphan that is requested again in time becomes a holding under its own token', async () => {
    const w = world();
    const a = await w.leading('a');
    a.disturb(async (call, run) => {
      if (call === 'acquire') await run();
      if (call === 'acquire' || call === 'read') throw new StoreUnavailable('cut');
      return run();
    });
    await a.coordinator.acquire('i');
    a.disturb(undefined);
    const orphan = w.etcd.get(key('i'));
    const holding = acquired(await a.coordinator.acquire('i'));
    expect(holding.token).toBe(orphan?.modRevision);
    await w.clock.advance(5_000);
    expect(holding.trusted()).toBe(true);
    expect(w.etcd.get(key('i'))).toEqual(orphan);
  });

  it('a term whose release may still be on its way is not held again: it is replaced by a new term', async () => {
    const w = world();
    const a = await w.leading('a');
    const first = acquired(await a.coordinator.acquire('i'));
    const late: (() => unknown)[] = [];
    a.disturb(async (call, run) => {
      if (call !== 'release') return run();
      late.push(run);
      throw new StoreUnavailable('the request is stuck');
    });
    await a.coordinator.release(first, 'test');
    a.disturb(undefined);
    expect(w.etcd.get(key('i'))?.modRevision).toBe(first.token);
    const second = acquired(await a.coordinator.acquire('i'));
    expect(second.token).toBeGreaterThan(first.token);
    expect(late).toHaveLength(1);
    await late[0]?.();
    expect(w.etcd.get(key('i'))?.modRevision).toBe(second.token);
    expect(second.trusted()).toBe(true);
    expect(first.trusted()).toBe(false);
  });

  it('takes over its own key of an earlier session, under a new token', async () => {
    const w = world();
    const a = await w.leading('a');
    const first = acquired(await a.coordinator.acquire('i'));
    // The session is lost although etcd still has its lease, as after an answer that was wrong.
    a.disturb((call, run) =>
      call === 'renew'
        ? (Promise.resolve({ ttlMs: 0 }) as unknown as ReturnType<typeof run>)
        : run(),
    );
    await w.clock.advance((TTL_S * 1_000) / 2);
    expect(first.signal.reason).toBe('session_lost');
    a.disturb(undefined);
    expect(w.etcd.get(key('i'))?.modRevision).toBe(first.token);
    await settled();
    expect(a.coordinator.notLeading()).toBeUndefined();
    const second = acquired(await a.coordinator.acquire('i'));
    expect(second.token).toBeGreaterThan(first.token);
    await w.clock.advance(2 * TTL_S * 1_000);
    expect(w.etcd.get(key('i'))?.modRevision).toBe(second.token);
    expect(second.trusted()).toBe(true);
    expect(first.trusted()).toBe(false);
  });

  it('ends the session when etcd’s revision goes back, because new tokens would be too low', async () => {
    const w = world();
    const a = await w.leading('a');
    for (const i of ['1', '2', '3']) acquired(await a.coordinator.acquire(i));
    w.etcd.revision = 3;
    expect(await a.coordinator.acquire('4')).toMatchObject({
      kind: 'unavailable',
      why: expect.stringMatching(/went back/) as string,
    });
    expect(a.coordinator.holding('1')).toBeUndefined();
  });

  it('returns unavailable in bounded time when etcd is silent, also for everything that is queued', async () => {
    const w = world();
    const a = await w.leading('a');
    a.disturb(() => new Promise(() => undefined));
    const startMs = w.clock.monotonicMs();
    const answeredMs: number[] = [];
    const acquiring = Promise.all(
      Array.from({ length: 500 }, async (_, i) => {
        const outcome = await a.coordinator.acquire(`i-${i}`);
        answeredMs.push(w.clock.monotonicMs() - startMs);
        return outcome;
      }),
    );
    await w.clock.advance(2_100);
    expect(answeredMs).toHaveLength(500);
    expect(new Set((await acquiring).map(({ kind }) => kind))).toEqual(new Set(['unavailable']));
    const looking = a.coordinator.look('i');
    const confirming = a.coordinator.confirmGone('b');
    // Its time-out, and the turn in which an answer that came at the last moment is read.
    await w.clock.advance(1_001);
    expect(await looking).toBe('unavailable');
    expect(await confirming).toBe('unknown');
  });
});

describe('taking over', () => {
  it('only replaces the seen term', async () => {
    const w = world();
    const [a, b, c] = [await w.leading('a'), await w.leading('b'), await w.leading('c')];
    const first = acquired(await a.coordinator.acquire('i'));
    const seen: LeaseRecord = { instanceId: 'i', replicaId: 'a', token: first.token };
    const second = acquired(await b.coordinator.takeOver(seen));
    expect(second.token).toBeGreaterThan(first.token);
    const by: LeaseRecord = { instanceId: 'i', replicaId: 'b', token: second.token };
    expect(await c.coordinator.takeOver(seen)).toEqual({ kind: 'held', by });
    expect(w.etcd.get(key('i'))).toMatchObject({
      value: leaseValue('b'),
      modRevision: second.token,
    });
  });

  it('of two that saw the same term, one wins', async () => {
    const w = world();
    const [a, b, c] = [await w.leading('a'), await w.leading('b'), await w.leading('c')];
    const { token } = acquired(await a.coordinator.acquire('i'));
    const seen: LeaseRecord = { instanceId: 'i', replicaId: 'a', token };
    const kinds = await Promise.all(
      [b, c].map(async (r) => (await r.coordinator.takeOver(seen)).kind),
    );
    expect(kinds.sort()).toEqual(['acquired', 'held']);
  });

  it('of a term that is over acquires the lease if no replica has it', async () => {
    const w = world();
    const [a, b] = [await w.leading('a'), await w.leading('b')];
    const first = acquired(await a.coordinator.acquire('i'));
    await a.coordinator.release(first, 'test');
    const seen: LeaseRecord = { instanceId: 'i', replicaId: 'a', token: first.token };
    expect(acquired(await b.coordinator.takeOver(seen)).token).toBeGreaterThan(first.token);
  });

  it('settles a lost answer by reading', async () => {
    const w = world();
    const [a, b] = [await w.leading('a'), await w.leading('b')];
    const first = acquired(await a.coordinator.acquire('i'));
    b.disturb(answerLost('acquire'));
    const seen: LeaseRecord = { instanceId: 'i', replicaId: 'a', token: first.token };
    const second = acquired(await b.coordinator.takeOver(seen));
    expect(second.token).toBe(w.etcd.get(key('i'))?.modRevision);
    expect(second.token).toBeGreaterThan(first.token);
  });

  it('waits for an acquisition of the same instance that is under way, and shares what it gets', async () => {
    const w = world();
    const a = await w.leading('a');
    const [one, two] = await Promise.all([
      a.coordinator.acquire('i'),
      a.coordinator.takeOver({ instanceId: 'i', replicaId: 'gone', token: 1 }),
    ]);
    expect(acquired(one)).toBe(acquired(two));
  });
});
