import { describe, expect, it } from 'vitest';

import { leaseKey, replicaKey } from '../../../coordinator/keys.ts';
import { StoreUnavailable } from '../../../coordinator/store.ts';
import type { Holding } from '../../../src/lease/holding.ts';
import { acquired, NAMESPACE, TTL_S, world } from './world.ts';

const TTL_MS = TTL_S * 1_000;
const key = (instanceId: string): string => leaseKey(NAMESPACE, instanceId);
const cut = (): Promise<never> => Promise.reject(new StoreUnavailable('cut'));
const silence = (): Promise<never> => new Promise(() => undefined);

describe('leading', () => {
  it('registers the process before it leads, with the value of the contract', async () => {
    const w = world();
    let url = 'not known yet';
    const a = w.replica('a', { httpUrl: () => url });
    url = 'http://127.0.0.1:8080';
    void a.coordinator.start();
    await w.clock.advance(1);
    expect(a.coordinator.notLeading()).toBeUndefined();
    const entry = w.etcd.get(replicaKey(NAMESPACE, 'a'));
    const [secret] = a.coordinator.secrets();
    const self = { replicaId: 'a', name: 'a', pid: 1, httpUrl: url, mac: 1 };
    const value: unknown = JSON.parse(entry?.value ?? '');
    expect(value).toEqual({ ...self, secrets: [secret?.id] });
    expect(a.coordinator.replicas()).toEqual([{ ...self, secretIds: [secret?.id] }]);
  });

  it('waits for the gate, can read etcd’s revision, and says why it does not lead', async () => {
    const w = world();
    w.etcd.revision = 41;
    const revisions: number[] = [];
    let refusal: string | undefined = 'Postgres cannot be reached';
    const a = w.replica('a', {
      gate: async (readRevision) => {
        revisions.push(await readRevision());
        return refusal;
      },
    });
    expect(a.coordinator.notLeading()).toBe('not started');
    void a.coordinator.start();
    await w.clock.advance(5_500);
    expect(a.coordinator.notLeading()).toBe('Postgres cannot be reached');
    expect(revisions.length).toBeGreaterThanOrEqual(5);
    expect(new Set(revisions)).toEqual(new Set([41]));
    expect(await a.coordinator.acquire('i')).toEqual({
      kind: 'unavailable',
      why: 'Postgres cannot be reached',
    });
    expect(w.etcd.entries()).toEqual([]);

    refusal = undefined;
    await w.clock.advance(1_100);
    expect(a.coordinator.notLeading()).toBeUndefined();
    acquired(await a.coordinator.acquire('i'));
  });

  it('calls the gate at every new session: on a restored etcd it does not lead', async () => {
    const w = world();
    const highestToken = 20;
    w.etcd.revision = 30;
    const a = await w.leading('a', {
      gate: async (readRevision) => {
        const revision = await readRevision();
        return revision < highestToken
          ? `etcd is at ${revision}, the log at ${highestToken}`
          : undefined;
      },
    });
    w.etcd.expireAll();
    w.etcd.revision = 5;
    await w.clock.advance(TTL_MS);
    expect(a.coordinator.notLeading()).toBe('etcd is at 5, the log at 20');
  });

  it('a gate that throws or hangs refuses, and says so', async () => {
    const w = world();
    const throwing = w.replica('a', { gate: () => Promise.reject(new Error('no route')) });
    const hanging = w.replica('b', { gate: silence });
    void throwing.coordinator.start();
    void hanging.coordinator.start();
    await w.clock.advance(3_100);
    expect(throwing.coordinator.notLeading()).toMatch(/check before leading failed: no route/);
    expect(hanging.coordinator.notLeading()).toMatch(/did not answer within 3000 ms/);
  });

  it('start does not fail when etcd is down: it keeps trying', async () => {
    const w = world();
    const a = w.replica('a');
    a.disturb(cut);
    let started = false;
    void a.coordinator.start().then(() => (started = true));
    await w.clock.advance(60_000);
    expect(started).toBe(true);
    expect(a.coordinator.notLeading()).toBe('cut');
    a.disturb(undefined);
    await w.clock.advance(1_100);
    expect(a.coordinator.notLeading()).toBeUndefined();
  });

  it('options out of range are rejected by name', () => {
    const w = world();
    expect(() => w.replica('a', { ttlS: 1 })).toThrow(/ttlS is 1: give whole seconds, at least 2/);
    expect(() => w.replica('a', { idleReleaseMs: 0 })).toThrow(/idleReleaseMs/);
    expect(() => w.replica('a', { maxHoldings: 0 })).toThrow(/maxHoldings/);
  });
});

describe('losing the session', () => {
  it('ends every holding with session_lost, synchronously with the check that notices', async () => {
    const w = world();
    const a = await w.leading('a');
    const holdings: Holding[] = [];
    for (const i of ['1', '2', '3']) holdings.push(acquired(await a.coordinator.acquire(i)));
    w.clock.jump(TTL_MS);
    expect(holdings[2]?.trusted()).toBe(false);
    expect(holdings.map((h) => h.signal.reason as unknown)).toEqual(Array(3).fill('session_lost'));
    expect(a.coordinator.holding('1')).toBeUndefined();
    expect(a.coordinator.notLeading()).toMatch(/trust window/);
  });

  it('trust belongs to the term: a new session revives no old holding', async () => {
    const w = world();
    const a = await w.leading('a');
    const old = acquired(await a.coordinator.acquire('i'));
    a.disturb(silence);
    await w.clock.advance(TTL_MS);
    expect(old.trusted()).toBe(false);
    a.disturb(undefined);
    await w.clock.advance(2 * TTL_MS);
    expect(a.coordinator.notLeading()).toBeUndefined();
    expect(old.trusted()).toBe(false);
    expect(old.signal.reason).toBe('session_lost');
    expect(a.coordinator.holding('i')).toBeUndefined();

    const fresh = acquired(await a.coordinator.acquire('i'));
    expect(fresh.token).toBeGreaterThan(old.token);
    expect(fresh.trusted()).toBe(true);
    expect(old.trusted()).toBe(false);
    // Whatever is done with the old holding does not touch the new one.
    a.coordinator.supersede(old);
    await a.coordinator.release(old, 'test');
    a.coordinator.pin(old)();
    expect(fresh.trusted()).toBe(true);
    expect(w.etcd.get(key('i'))?.modRevision).toBe(fresh.token);
  });

  it('a lease acquired under a session that was lost meanwhile is not held', async () => {
    const w = world();
    const a = await w.leading('a');
    a.disturb(async (call, run) => {
      const answer = await run();
      if (call === 'acquire') w.clock.jump(TTL_MS);
      return answer;
    });
    expect(await a.coordinator.acquire('i')).toMatchObject({ kind: 'unavailable' });
    expect(a.coordinator.holding('i')).toBeUndefined();
  });

  it('TTL 0 ends the session, and a new session re-registers', async () => {
    const w = world();
    const a = await w.leading('a');
    const held = acquired(await a.coordinator.acquire('i'));
    const before = w.etcd.get(replicaKey(NAMESPACE, 'a'));
    w.etcd.revoke(before?.leaseId ?? '');
    expect(w.etcd.get(replicaKey(NAMESPACE, 'a'))).toBeUndefined();
    await w.clock.advance(TTL_MS / 2);
    expect(held.signal.reason).toBe('session_lost');
    const after = w.etcd.get(replicaKey(NAMESPACE, 'a'));
    expect(after?.value).toBe(before?.value);
    expect(after?.leaseId).not.toBe(before?.leaseId);
    expect(a.coordinator.notLeading()).toBeUndefined();
  });

  it('an acquisition that finds the lease gone ends the session', async () => {
    const w = world();
    const a = await w.leading('a');
    const held = acquired(await a.coordinator.acquire('i'));
    w.etcd.revoke(w.etcd.get(key('i'))?.leaseId ?? '');
    expect(await a.coordinator.acquire('j')).toMatchObject({ kind: 'unavailable' });
    expect(held.signal.reason).toBe('session_lost');
    await w.clock.advance(10);
    expect(a.coordinator.notLeading()).toBeUndefined();
  });

  it('stepping down revokes the session, so that others need not wait, and leads again once the gate allows', async () => {
    const w = world();
    let refusal: string | undefined;
    const a = await w.leading('a', { gate: () => Promise.resolve(refusal) });
    const b = await w.leading('b');
    const held = acquired(await a.coordinator.acquire('i'));
    refusal = 'Postgres cannot be reached';
    await a.coordinator.stepDown('Postgres cannot be reached');
    expect(held.signal.reason).toBe('session_lost');
    expect(w.etcd.get(key('i'))).toBeUndefined();
    expect(await b.coordinator.confirmGone('a')).toBe('gone');
    acquired(await b.coordinator.acquire('i'));
    await w.clock.advance(5_000);
    expect(a.coordinator.notLeading()).toBe('Postgres cannot be reached');
    refusal = undefined;
    await w.clock.advance(1_100);
    expect(a.coordinator.notLeading()).toBeUndefined();
    expect(await b.coordinator.confirmGone('a')).toBe('registered');
  });
});
