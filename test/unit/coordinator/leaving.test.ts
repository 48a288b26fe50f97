import { describe, expect, it } from 'vitest';

import { leaseKey } from '../../../coordinator/keys.ts';
import { StoreUnavailable } from '../../../coordinator/store.ts';
import type { Holding } from '../../../src/lease/holding.ts';
import { acquired, NAMESPACE, TTL_S, world } from './world.ts';

const TTL_MS = TTL_S * 1_000;
const key = (instanceId: string): string => leaseKey(NAMESPACE, instanceId);
const cut = (): Promise<never> => Promise.reject(new StoreUnavailable('cut'));
const silence = (): Promise<never> => new Promise(() => undefined);

describe('leaving', () => {
  it('draining, takes on nothing new, stays registered as draining, and releases in batches what it is asked to', async () => {
    const w = world();
    const [a, b] = [await w.leading('a'), await w.leading('b')];
    const holdings = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => acquired(await a.coordinator.acquire(`i-${i}`))),
    );
    const kept = holdings[7] as Holding;
    let transactions = 0;
    a.disturb((call, run) => {
      if (call === 'release') transactions += 1;
      return run();
    });
    await a.coordinator.drain();
    await a.coordinator.drain();
    expect(holdings.filter((h) => h.trusted())).toEqual(holdings);
    await a.coordinator.releaseAll((instanceId) => instanceId !== kept.instanceId, 'draining');
    expect(transactions).toBe(5);
    expect(holdings.filter((h) => h.trusted())).toEqual([kept]);
    expect(await a.coordinator.acquire('new')).toEqual({ kind: 'unavailable', why: 'draining' });
    await w.clock.advance(1);
    expect(b.coordinator.replicas().map(({ replicaId }) => replicaId)).toEqual(['b']);
    expect(await b.coordinator.confirmGone('a')).toBe('registered');

    await w.clock.advance(2 * TTL_MS);
    expect(kept.trusted()).toBe(true);
    await a.coordinator.release(kept, 'its attempt has ended');
    expect(kept.signal.reason).toBe('released');
    expect(w.etcd.get(key('i-7'))).toBeUndefined();
  });

  it('stop releases everything, leaves no key and no timer, and may be called twice', async () => {
    const w = world();
    const a = await w.leading('a', { idleReleaseMs: 1_000 });
    const holdings = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => acquired(await a.coordinator.acquire(`i-${i}`))),
    );
    a.coordinator.pin(holdings[0] as Holding);
    await Promise.all([a.coordinator.stop(), a.coordinator.stop()]);
    expect(holdings.map((h) => h.signal.reason as unknown)).toEqual(Array(50).fill('released'));
    expect(w.ownEntries()).toEqual([]);
    expect(a.coordinator.notLeading()).toBe('stopped');
    await w.clock.advance(1);
    expect(w.clock.timers).toBe(0);
    await w.clock.advance(3 * TTL_MS);
    expect(w.ownEntries()).toEqual([]);
  });

  it('stop ends trust in everything at once, and releases it after the head start', async () => {
    const w = world();
    const a = await w.leading('a');
    const acquisitions = Promise.all(
      ['i', 'j'].map((instanceId) => a.coordinator.acquire(instanceId)),
    );
    await w.clock.advance(1);
    const holdings = (await acquisitions).map((outcome) => acquired(outcome));
    const ended: string[] = [];
    for (const holding of holdings) holding.onEnd(() => ended.push(holding.instanceId));
    const stopped = a.coordinator.stop(100);
    // Before anything else runs, so this holds now, however long it takes to end each term.
    expect(holdings.map((holding) => holding.trusted())).toEqual([false, false]);
    expect(ended).toEqual([]);
    await w.clock.advance(50);
    expect(ended).toEqual(['i', 'j']);
    expect(holdings.map(({ signal }) => signal.reason as string)).toEqual(['released', 'released']);
    expect(w.etcd.get(key('i'))).toBeDefined();
    await w.clock.advance(60);
    await stopped;
    expect(w.ownEntries()).toEqual([]);
  });

  it('stop ends in bounded time when etcd is silent, at any moment of its life', async () => {
    for (const lifeMs of [0, 1, 1_500, 4_000]) {
      const w = world();
      const a = w.replica('a');
      if (lifeMs === 0) a.disturb(silence);
      void a.coordinator.start();
      await w.clock.advance(1);
      const acquisitions = Array.from({ length: 300 }, (_, i) => a.coordinator.acquire(`i-${i}`));
      await w.clock.advance(1);
      a.disturb(silence);
      await w.clock.advance(lifeMs);
      let stopped = false;
      void a.coordinator.stop().then(() => (stopped = true));
      await w.clock.advance(4_000);
      expect(stopped).toBe(true);
      expect((await Promise.all(acquisitions)).every(({ kind }) => kind !== 'held')).toBe(true);
      await w.clock.advance(2 * TTL_MS);
      expect(w.ownEntries()).toEqual([]);
      expect(w.clock.timers).toBe(0);
    }
  });

  it('one that was never started can be stopped', async () => {
    const w = world();
    const a = w.replica('a');
    await a.coordinator.stop();
    expect(w.clock.timers).toBe(0);
  });
});

describe('confirming that a process is gone', () => {
  it('confirmGone is registered for a live one and gone after it', async () => {
    const w = world();
    const [a, b] = [await w.leading('a'), await w.leading('b')];
    expect(await a.coordinator.confirmGone('b')).toBe('registered');
    b.disturb(silence);
    await w.clock.advance(TTL_MS - 500);
    // The process has lost its session, but etcd still has it.
    expect(b.coordinator.notLeading()).toBeDefined();
    expect(await a.coordinator.confirmGone('b')).toBe('registered');
    await w.clock.advance(TTL_MS);
    expect(await a.coordinator.confirmGone('b')).toBe('gone');
  });

  it('goes through etcd’s log, and is unknown without a session or an answer', async () => {
    const w = world();
    const a = await w.leading('a');
    const before = w.etcd.revision;
    expect(await a.coordinator.confirmGone('b')).toBe('gone');
    expect(w.etcd.revision).toBe(before + 1);
    a.disturb(cut);
    expect(await a.coordinator.confirmGone('b')).toBe('unknown');
    w.clock.jump(TTL_MS);
    expect(await a.coordinator.confirmGone('b')).toBe('unknown');
  });
});
