import { randomBytes } from 'node:crypto';

import { describe, expect, it, onTestFinished } from 'vitest';

import { LeaseGone, MAX_KEYS_PER_CALL } from '../../../../coordinator/store.ts';
import type { KeyEvent, LeaseStore } from '../../../../coordinator/store.ts';
import { systemClock } from '../../../../src/time/clock.ts';
import { freshNamespace } from '../../../harness/servers.ts';
import { simStore } from '../../../simulation/lease-store.ts';
import { SimEtcd } from '../../../simulation/sim-etcd.ts';
import { realStore, until } from '../store-fixture.ts';

describe.each([
  ['a real etcd', realStore],
  ['the simulated etcd', (): LeaseStore => simStore(new SimEtcd(systemClock))],
])('the lease store on %s', (_name, open) => {
  const setUp = (): { store: LeaseStore; prefix: string } => ({
    store: open(),
    prefix: `/leasehold/${freshNamespace()}/`,
  });

  it('grants at least the smallest TTL, in whole seconds, and renews to the full TTL', async () => {
    const { store } = setUp();
    const small = await store.grant(1);
    expect(small.ttlMs).toBeGreaterThanOrEqual(2_000);
    const longer = await store.grant(7);
    expect(longer.ttlMs).toBe(7_000);
    expect(longer.leaseId).not.toBe(small.leaseId);
    expect(await store.renew(longer.leaseId)).toEqual({ ttlMs: 7_000 });
  });

  it('answers several renewals under way at once, each with its own lease', async () => {
    const { store } = setUp();
    const leases = await Promise.all([3, 5, 9].map((ttlS) => store.grant(ttlS)));
    const answers = await Promise.all(
      [...leases, ...leases].map(async ({ leaseId, ttlMs }) => [
        (await store.renew(leaseId)).ttlMs,
        ttlMs,
      ]),
    );
    expect(answers).toHaveLength(6);
    for (const [renewed, granted] of answers) expect(renewed).toBe(granted);
  });

  it('returns TTL 0 for a revoked lease, and revokes twice without an error', async () => {
    const { store } = setUp();
    const { leaseId } = await store.grant(5);
    await store.revoke(leaseId);
    await store.revoke(leaseId);
    expect(await store.renew(leaseId)).toEqual({ ttlMs: 0 });
  });

  it('replaces a key only at the revision that was seen, and attaches it to no lease', async () => {
    const { store, prefix } = setUp();
    const key = `${prefix}secrets`;
    const read = async () => (await store.read([key])).entries[0];
    expect(await store.replace(key, 'first', 0)).toBe(true);
    expect(await store.replace(key, 'second', 0)).toBe(false);
    const first = await read();
    expect(first).toMatchObject({ value: 'first', leaseId: undefined });
    const revision = first?.modRevision ?? 0;
    expect(await store.replace(key, 'second', revision)).toBe(true);
    expect(await store.replace(key, 'third', revision)).toBe(false);
    const second = await read();
    expect(second).toMatchObject({ value: 'second', createRevision: first?.createRevision });
    expect(second?.modRevision).toBeGreaterThan(revision);
    // Of several that create it at once, one does.
    const other = `${prefix}other`;
    const created = await Promise.all(['a', 'b', 'c'].map((v) => store.replace(other, v, 0)));
    expect(created.filter(Boolean)).toHaveLength(1);
  });

  it('gives all keys won in one transaction the same revision, and refuses keys that are held', async () => {
    const { store, prefix } = setUp();
    const { leaseId } = await store.grant(10);
    const first = await store.acquire(leaseId, [
      { key: `${prefix}a`, value: 'mine' },
      { key: `${prefix}b`, value: 'mine' },
    ]);
    expect(first.verdicts).toEqual([{ kind: 'won' }, { kind: 'won' }]);
    const { entries } = await store.read([`${prefix}a`, `${prefix}b`, `${prefix}c`]);
    expect(entries.map((entry) => entry?.modRevision)).toEqual([
      first.revision,
      first.revision,
      undefined,
    ]);
    expect(entries[0]).toMatchObject({ key: `${prefix}a`, value: 'mine', leaseId });

    const other = await store.grant(10);
    const second = await store.acquire(other.leaseId, [
      { key: `${prefix}b`, value: 'theirs' },
      { key: `${prefix}c`, value: 'theirs' },
    ]);
    expect(second.revision).toBeGreaterThan(first.revision);
    expect(second.verdicts).toEqual([{ kind: 'held', entry: entries[1] }, { kind: 'won' }]);
  });

  it('takes no revision for a transaction that changes nothing', async () => {
    const { store, prefix } = setUp();
    const { leaseId } = await store.grant(10);
    const won = await store.acquire(leaseId, [{ key: `${prefix}a`, value: 'mine' }]);
    const lost = await store.acquire(leaseId, [{ key: `${prefix}a`, value: 'mine' }]);
    expect(lost.revision).toBeGreaterThanOrEqual(won.revision);
    expect((await store.read([`${prefix}a`])).entries[0]?.modRevision).toBe(won.revision);
  });

  it('replaces exactly the revision that was seen', async () => {
    const { store, prefix } = setUp();
    const key = `${prefix}a`;
    const [old, fresh] = [await store.grant(10), await store.grant(10)];
    const first = await store.acquire(old.leaseId, [{ key, value: 'old' }]);
    const second = await store.acquire(fresh.leaseId, [
      { key, value: 'new', replaces: first.revision },
    ]);
    expect(second.verdicts).toEqual([{ kind: 'won' }]);
    expect(second.revision).toBeGreaterThan(first.revision);

    const entry = (await store.read([key])).entries[0];
    expect(entry).toEqual({
      key,
      value: 'new',
      createRevision: first.revision,
      modRevision: second.revision,
      leaseId: fresh.leaseId,
    });
    const late = await store.acquire(old.leaseId, [
      { key, value: 'old', replaces: first.revision },
    ]);
    expect(late.verdicts).toEqual([{ kind: 'held', entry }]);
    const gone = await store.acquire(old.leaseId, [{ key: `${prefix}b`, value: 'x', replaces: 1 }]);
    expect(gone.verdicts).toEqual([{ kind: 'absent' }]);

    // The key is attached to the new lease now: the end of the old one does not delete it.
    await store.revoke(old.leaseId);
    expect((await store.read([key])).entries[0]).toEqual(entry);
  });

  it('release by revision does not delete a successor’s key', async () => {
    const { store, prefix } = setUp();
    const key = `${prefix}a`;
    const { leaseId } = await store.grant(10);
    const first = await store.acquire(leaseId, [{ key, value: '1' }]);
    const second = await store.acquire(leaseId, [{ key, value: '2', replaces: first.revision }]);
    expect(await store.release([{ key, modRevision: first.revision }])).toEqual([false]);
    expect((await store.read([key])).entries[0]?.value).toBe('2');
    expect(
      await store.release([
        { key, modRevision: second.revision },
        { key: `${prefix}b`, modRevision: second.revision },
      ]),
    ).toEqual([true, false]);
    expect((await store.read([key])).entries).toEqual([undefined]);
  });

  it('attaches nothing to a lease that is gone', async () => {
    const { store, prefix } = setUp();
    const { leaseId } = await store.grant(5);
    await store.revoke(leaseId);
    const own = { key: `${prefix}own`, value: 'x', leaseId };
    await expect(store.acquire(leaseId, [{ key: `${prefix}a`, value: 'x' }])).rejects.toThrow(
      LeaseGone,
    );
    await expect(store.put(leaseId, `${prefix}a`, 'x')).rejects.toThrow(LeaseGone);
    await expect(store.confirmAbsent(`${prefix}a`, own)).rejects.toThrow(LeaseGone);
    expect((await store.list(prefix)).entries).toEqual([]);
  });

  it('confirms an absence by writing the caller’s own key, and refuses when the key exists', async () => {
    const { store, prefix } = setUp();
    const { leaseId } = await store.grant(5);
    const own = { key: `${prefix}own`, value: 'me', leaseId };
    expect(await store.confirmAbsent(`${prefix}other`, own)).toBe(true);
    expect((await store.read([own.key])).entries[0]).toMatchObject({ value: 'me', leaseId });
    await store.put(leaseId, `${prefix}other`, 'them');
    expect(await store.confirmAbsent(`${prefix}other`, own)).toBe(false);
  });

  it('accepts a full transaction, and names the limit for a larger one', async () => {
    const { store, prefix } = setUp();
    const { leaseId } = await store.grant(10);
    const wants = Array.from({ length: MAX_KEYS_PER_CALL }, (_, i) => ({
      key: `${prefix}${i}`,
      value: 'x',
    }));
    const { revision, verdicts } = await store.acquire(leaseId, wants);
    expect(verdicts.filter(({ kind }) => kind === 'won')).toHaveLength(MAX_KEYS_PER_CALL);
    expect((await store.read(wants.map(({ key }) => key))).entries).toHaveLength(MAX_KEYS_PER_CALL);
    const extra = [...wants, { key: `${prefix}one-more`, value: 'x' }];
    await expect(store.acquire(leaseId, extra)).rejects.toThrow(/at most 100/);
    const released = await store.release(wants.map(({ key }) => ({ key, modRevision: revision })));
    expect(released.every(Boolean)).toBe(true);
  });

  it('sends a watch everything after its revision, in order, and nothing after it is closed', async () => {
    const { store, prefix } = setUp();
    const { leaseId } = await store.grant(10);
    const before = await store.acquire(leaseId, [{ key: `${prefix}a`, value: '1' }]);
    const { revision, entries } = await store.list(prefix);
    expect(entries.map(({ key }) => key)).toEqual([`${prefix}a`]);
    await store.acquire(leaseId, [{ key: `${prefix}b`, value: '2' }]);

    const seen: KeyEvent[] = [];
    const broken: string[] = [];
    const watch = store.watch(
      prefix,
      revision + 1,
      (events) => seen.push(...events),
      (why) => broken.push(why),
    );
    await store.release([{ key: `${prefix}a`, modRevision: before.revision }]);
    await store.put(leaseId, `/leasehold/elsewhere-${randomBytes(4).toString('hex')}`, 'x');
    await store.revoke(leaseId);
    await until(() => seen.length >= 3);
    expect(
      seen.map((event) => [event.kind, event.kind === 'put' ? event.entry.key : event.key]),
    ).toEqual([
      ['put', `${prefix}b`],
      ['deleted', `${prefix}a`],
      ['deleted', `${prefix}b`],
    ]);
    watch.close();
    const next = await store.grant(5);
    await store.put(next.leaseId, `${prefix}c`, 'x');
    const witness: KeyEvent[] = [];
    const other = store.watch(
      prefix,
      revision + 1,
      (events) => witness.push(...events),
      () => undefined,
    );
    await until(() =>
      witness.some((event) => event.kind === 'put' && event.entry.key === `${prefix}c`),
    );
    other.close();
    expect(seen).toHaveLength(3);
    expect(broken).toEqual([]);
  });

  it('expires the keys of a lease that is not renewed, and not before its TTL', async () => {
    const { store, prefix } = setUp();
    const sentAtMs = systemClock.monotonicMs();
    const { leaseId, ttlMs } = await store.grant(2);
    await store.put(leaseId, `${prefix}a`, 'x');
    const { revision } = await store.list(prefix);
    const deletedAtMs = await new Promise<number>((resolve, reject) => {
      const watch = store.watch(
        prefix,
        revision + 1,
        () => resolve(systemClock.monotonicMs()),
        (why) => reject(new Error(why)),
      );
      onTestFinished(() => watch.close());
    });
    expect(deletedAtMs - sentAtMs).toBeGreaterThanOrEqual(ttlMs - 1);
    expect(await store.renew(leaseId)).toEqual({ ttlMs: 0 });
  });
});
