import { describe, expect, it } from 'vitest';
import { leaseKey } from '../../../coordinator/keys.ts';
import { StoreUnavailable } from '../../../coordinator/store.ts';
import { acquired, NAMESPACE, world } from './world.ts';

const key = (instanceId: string): string => leaseKey(NAMESPACE, instanceId);

describe('holdings', () => {
  it('release by revision does not delete a successor’s key', async () => {
    const w = world();
    const [a, b] = [await w.leading('a'), await w.leading('b')];
    const first = acquired(await a.coordinator.acquire('i'));
    const seen = await b.coordinator.look('i');
    if (typeof seen === 'string') throw new Error(seen);
    const second = acquired(await b.coordinator.takeOver(seen));
    await a.coordinator.release(first, 'test');
    expect(first.signal.reason).toBe('released');
    expect(w.etcd.get(key('i'))?.modRevision).toBe(second.token);
  });

  it('a release ends the holding before it deletes the key in etcd', async () => {
    const w = world();
    const a = await w.leading('a');
    const holding = acquired(await a.coordinator.acquire('i'));
    let trustedThen: boolean | undefined;
    a.disturb((call, run) => {
      if (call === 'release') trustedThen = holding.trusted();
      return run();
    });
    await a.coordinator.release(holding, 'test');
    expect(trustedThen).toBe(false);
    expect(w.etcd.get(key('i'))).toBeUndefined();
    expect(a.coordinator.holding('i')).toBeUndefined();
    await a.coordinator.release(holding, 'twice');
  });

  it('a release whose answer was lost is repeated until it is definite', async () => {
    const w = world();
    const a = await w.leading('a');
    const holding = acquired(await a.coordinator.acquire('i'));
    let refusals = 0;
    a.disturb((call, run) => {
      if (call !== 'release' || refusals >= 3) return run();
      refusals += 1;
      return Promise.reject(new StoreUnavailable('cut'));
    });
    await a.coordinator.release(holding, 'test');
    expect(w.etcd.get(key('i'))).toBeDefined();
    await w.clock.advance(3_100);
    expect(refusals).toBe(3);
    expect(w.etcd.get(key('i'))).toBeUndefined();
  });

  it('a superseded holding ends at once and leaves etcd’s key to its successor', async () => {
    const w = world();
    const [a, b] = [await w.leading('a'), await w.leading('b')];
    const first = acquired(await a.coordinator.acquire('i'));
    const seen = await b.coordinator.look('i');
    if (typeof seen === 'string') throw new Error(seen);
    const second = acquired(await b.coordinator.takeOver(seen));
    a.coordinator.supersede(first);
    expect(first.signal.reason).toBe('superseded');
    expect(first.trusted()).toBe(false);
    await w.clock.advance(5_000);
    expect(w.etcd.get(key('i'))?.modRevision).toBe(second.token);
    expect(second.trusted()).toBe(true);
  });

  it('a holding that another process took over ends as soon as that is seen, and nothing older ends it', async () => {
    const w = world();
    const [a, b] = [await w.leading('a'), await w.leading('b')];
    const old = acquired(await b.coordinator.acquire('i'));
    await b.coordinator.release(old, 'test');
    const first = acquired(await a.coordinator.acquire('i'));
    await w.clock.advance(100);
    expect(first.trusted()).toBe(true);
    acquired(await b.coordinator.takeOver({ instanceId: 'i', replicaId: 'a', token: first.token }));
    await w.clock.advance(100);
    expect(first.signal.reason).toBe('superseded');
    expect(a.coordinator.holding('i')).toBeUndefined();
    expect(a.coordinator.hint('i')?.replicaId).toBe('b');
  });

  it('the key of a superseded holding is deleted after the grace period, or replaced when requested', async () => {
    const w = world();
    const a = await w.leading('a');
    const [i, j] = [
      acquired(await a.coordinator.acquire('i')),
      acquired(await a.coordinator.acquire('j')),
    ];
    a.coordinator.supersede(i);
    a.coordinator.supersede(j);
    const again = acquired(await a.coordinator.acquire('j'));
    expect(again.token).toBeGreaterThan(j.token);
    await w.clock.advance(1_100);
    expect(w.etcd.get(key('i'))).toBeUndefined();
    expect(w.etcd.get(key('j'))?.modRevision).toBe(again.token);
    expect(again.trusted()).toBe(true);
  });

  it('an unpinned idle holding is released, a pinned one is not until it is unpinned', async () => {
    const w = world();
    const a = await w.leading('a', { idleReleaseMs: 10_000 });
    const idle = acquired(await a.coordinator.acquire('idle'));
    const pinned = acquired(await a.coordinator.acquire('pinned'));
    const unpin = a.coordinator.pin(pinned);
    const alsoUnpin = a.coordinator.pin(pinned);
    await w.clock.advance(9_990);
    expect(idle.trusted()).toBe(true);
    await w.clock.advance(20);
    expect(idle.signal.reason).toBe('released');
    expect(w.etcd.get(key('idle'))).toBeUndefined();

    await w.clock.advance(20_000);
    unpin();
    unpin();
    await w.clock.advance(20_000);
    expect(pinned.trusted()).toBe(true);
    alsoUnpin();
    await w.clock.advance(9_990);
    expect(pinned.trusted()).toBe(true);
    await w.clock.advance(20);
    expect(pinned.signal.reason).toBe('released');
    expect(w.etcd.get(key('pinned'))).toBeUndefined();
  });

  it('use postpones the release as idle', async () => {
    const w = world();
    const a = await w.leading('a', { idleReleaseMs: 10_000 });
    const holding = acquired(await a.coordinator.acquire('i'));
    for (let used = 0; used < 5; used += 1) {
      await w.clock.advance(9_000);
      expect(acquired(await a.coordinator.acquire('i'))).toBe(holding);
    }
    a.coordinator.pin(holding)();
    await w.clock.advance(9_000);
    expect(holding.trusted()).toBe(true);
    await w.clock.advance(2_000);
    expect(holding.trusted()).toBe(false);
  });

  it('beyond the cap the least recently used holding is released, never a pinned one', async () => {
    const w = world();
    const a = await w.leading('a', { maxHoldings: 3 });
    const [one, two, three] = [
      acquired(await a.coordinator.acquire('1')),
      acquired(await a.coordinator.acquire('2')),
      acquired(await a.coordinator.acquire('3')),
    ];
    a.coordinator.pin(one);
    acquired(await a.coordinator.acquire('2'));
    const four = acquired(await a.coordinator.acquire('4'));
    expect([one, two, three, four].map((h) => h.trusted())).toEqual([true, true, false, true]);
    expect(a.coordinator.held).toBe(3);
    await w.clock.advance(1);
    expect(w.etcd.get(key('3'))).toBeUndefined();
  });

  it('releaseAll picks by instance, in batches, pinned ones too', async () => {
    const w = world();
    const a = await w.leading('a');
    const holdings = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => acquired(await a.coordinator.acquire(`i-${i}`))),
    );
    a.coordinator.pin(holdings[0] as (typeof holdings)[0]);
    let transactions = 0;
    a.disturb((call, run) => {
      if (call === 'release') transactions += 1;
      return run();
    });
    await a.coordinator.releaseAll((instanceId) => Number(instanceId.slice(2)) < 80, 'test');
    expect(transactions).toBe(2);
    expect(holdings.filter((h) => h.trusted())).toHaveLength(20);
    expect(w.etcd.entries(`/leasehold/${NAMESPACE}/leases/`)).toHaveLength(20);
  });
});
