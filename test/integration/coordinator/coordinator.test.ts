import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Coordinator } from '../../../coordinator/coordinator.ts';
import type { CoordinatorOptions } from '../../../coordinator/coordinator-options.ts';
import { etcdStore } from '../../../coordinator/etcd/store.ts';
import { leaseKey, leaseValue, namespacePrefix, replicaKey } from '../../../coordinator/keys.ts';
import { LeaseGone, MAX_KEYS_PER_CALL, StoreUnavailable } from '../../../coordinator/store.ts';
import type { KeyEvent, LeaseStore } from '../../../coordinator/store.ts';
import { FaultProxy } from '../../../tools/chaos/proxy.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { watchMachine } from '../../harness/busy.ts';
import { freshNamespace, serversForTests, startPrivateStack } from '../../harness/servers.ts';
import { SimEtcd, simStore } from '../../simulation/lease-store.ts';

const cleanups: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A call has long to be answered: what a test shows must hold on a busy machine too. */
function realStore(): LeaseStore {
  const store = etcdStore({ hosts: [...serversForTests().etcdUrls], callTimeoutMs: 30_000 });
  cleanups.push(() => store.close());
  return store;
}

/** Resolves when the condition holds; the test's own time-out is the bound. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await systemClock.sleep(10);
}

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
    const asked = await store.grant(7);
    expect(asked.ttlMs).toBe(7_000);
    expect(asked.leaseId).not.toBe(small.leaseId);
    expect(await store.renew(asked.leaseId)).toEqual({ ttlMs: 7_000 });
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

  it('gives all winners of one transaction the same revision, and refuses what is held', async () => {
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

    // The key has moved to the new lease: the end of the old one does not touch it.
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

  it('puts nothing on a lease that is gone', async () => {
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
      cleanups.push(() => watch.close());
    });
    expect(deletedAtMs - sentAtMs).toBeGreaterThanOrEqual(ttlMs - 1);
    expect(await store.renew(leaseId)).toEqual({ ttlMs: 0 });
  });
});

describe('the real etcd store', () => {
  it('fails within its call time-out when etcd accepts the connection and is silent', async (context) => {
    const machine = await watchMachine();
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    cleanups.push(() => void silent.close());
    const store = etcdStore({
      hosts: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
      callTimeoutMs: 300,
    });
    cleanups.push(() => store.close());
    const startedMs = systemClock.monotonicMs();
    await Promise.all([
      expect(store.grant(5)).rejects.toThrow(StoreUnavailable),
      expect(store.renew('7')).rejects.toThrow(StoreUnavailable),
      expect(store.acquire('7', [{ key: 'a', value: 'x' }])).rejects.toThrow(StoreUnavailable),
      expect(store.list('a')).rejects.toThrow(StoreUnavailable),
      expect(
        new Promise((resolve) => store.watch('a', 1, () => undefined, resolve)),
      ).resolves.toMatch(/confirm|etcd|DEADLINE|UNAVAILABLE/i),
    ]);
    const tookMs = systemClock.monotonicMs() - startedMs;
    machine.skipIfBusy(context);
    expect(tookMs).toBeLessThan(1_500);
  });

  it('fails fast when nobody listens, and its messages name etcd', async () => {
    const port = await new Promise<number>((resolve) => {
      const probe = createServer().listen(0, '127.0.0.1', () => {
        const { port: free } = probe.address() as AddressInfo;
        probe.close(() => resolve(free));
      });
    });
    const store = etcdStore({ hosts: `http://127.0.0.1:${port}` });
    cleanups.push(() => store.close());
    await expect(store.grant(5)).rejects.toThrow(/^etcd: /);
    await expect(store.renew('7')).rejects.toThrow(StoreUnavailable);
    await expect(store.renew('7')).rejects.toThrow(StoreUnavailable);
  });

  it('breaks a watch that starts before a compaction', async () => {
    const store = realStore();
    const prefix = `/leasehold/${freshNamespace()}/`;
    const { leaseId } = await store.grant(5);
    await store.put(leaseId, `${prefix}a`, '1');
    const { revision } = await store.list(prefix);
    await store.put(leaseId, `${prefix}a`, '2');
    const { Etcd3 } = await import('etcd3');
    const client = new Etcd3({ hosts: [...serversForTests().etcdUrls] });
    cleanups.push(() => client.close());
    await client.kv.compact({ revision: revision + 1 });
    const why = await new Promise((resolve) =>
      store.watch(prefix, revision, () => undefined, resolve),
    );
    expect(why).toMatch(/compacted/);
  });

  it('lists more keys than fit on one page, all at one revision', async () => {
    const store = realStore();
    const prefix = `/leasehold/${freshNamespace()}/`;
    const { leaseId } = await store.grant(30);
    for (let page = 0; page < 21; page += 1) {
      await store.acquire(
        leaseId,
        Array.from({ length: 100 }, (_, i) => ({ key: `${prefix}${page}-${i}`, value: 'x' })),
      );
    }
    const { entries } = await store.list(prefix);
    expect(new Set(entries.map(({ key }) => key)).size).toBe(2_100);
    await store.revoke(leaseId);
    expect((await store.list(prefix)).entries).toEqual([]);
  });
});

describe('coordinators on a real etcd', () => {
  /** For tests of many leases at once: their session lasts even if renewals come late. */
  const PATIENT = { ttlS: 30 };

  async function replica(
    namespace: string,
    options: Partial<CoordinatorOptions> = {},
  ): Promise<{ coordinator: Coordinator; store: LeaseStore }> {
    const store = options.store ?? realStore();
    const coordinator = new Coordinator({
      store,
      clock: systemClock,
      namespace,
      replicaId: `r-${randomBytes(4).toString('hex')}`,
      name: 'r',
      pid: process.pid,
      httpUrl: 'http://127.0.0.1:1',
      ttlS: 2,
      gate: () => Promise.resolve(undefined),
      idleReleaseMs: 60_000,
      maxHoldings: 10_000,
      ...options,
    });
    cleanups.push(() => coordinator.stop());
    await coordinator.start();
    return { coordinator, store };
  }

  const acquireMany = (coordinator: Coordinator, count: number) =>
    Promise.all(Array.from({ length: count }, (_, i) => coordinator.acquire(`i-${i}`)));

  it('one of several replicas acquires each instance, and the others learn which one', async () => {
    const namespace = freshNamespace();
    const replicas = await Promise.all([1, 2, 3].map(() => replica(namespace, PATIENT)));
    const instances = Array.from({ length: 200 }, (_, i) => `i-${i}`);
    const asked = instances.flatMap((instanceId) =>
      replicas.map(async ({ coordinator }) => ({
        instanceId,
        replicaId: coordinator.replicaId,
        outcome: await coordinator.acquire(instanceId),
      })),
    );
    const answers = await Promise.all(asked);
    const won = answers.filter(({ outcome }) => outcome.kind === 'acquired');
    const lost = answers.filter(({ outcome }) => outcome.kind === 'held');
    expect([won.length, lost.length]).toEqual([200, 400]);
    const owners = new Map(won.map(({ instanceId, replicaId }) => [instanceId, replicaId]));
    expect(owners.size).toBe(200);
    const all = replicas.map(({ coordinator }) => coordinator);
    await until(() =>
      all.every((c) => instances.every((i) => c.hint(i)?.replicaId === owners.get(i))),
    );
    await until(() => all.every((c) => c.replicas().length === 3));
    for (const instanceId of instances.slice(0, 20)) {
      const seen = await all[0]?.look(instanceId);
      expect(seen).toMatchObject({ replicaId: owners.get(instanceId) });
    }
  });

  it('the token is the mod revision of the key, and a take-over gets a higher one', async () => {
    const namespace = freshNamespace();
    const [first, second] = [await replica(namespace), await replica(namespace)];
    const held = await first.coordinator.acquire('i');
    if (held.kind !== 'acquired') throw new Error(held.kind);
    const key = leaseKey(namespace, 'i');
    expect((await first.store.read([key])).entries[0]).toMatchObject({
      modRevision: held.holding.token,
      value: leaseValue(first.coordinator.replicaId),
    });

    const seen = await second.coordinator.look('i');
    if (typeof seen === 'string') throw new Error(seen);
    const taken = await second.coordinator.takeOver(seen);
    if (taken.kind !== 'acquired') throw new Error(taken.kind);
    expect(taken.holding.token).toBeGreaterThan(held.holding.token);
    const entry = (await first.store.read([key])).entries[0];
    expect(entry?.modRevision).toBe(taken.holding.token);

    // The first one's release comes too late to touch the successor's key.
    await first.coordinator.release(held.holding, 'test');
    expect((await first.store.read([key])).entries[0]).toEqual(entry);
  });

  it('confirmGone is registered for a live one and gone after it', async () => {
    const namespace = freshNamespace();
    const [first, second] = [await replica(namespace), await replica(namespace)];
    expect(await first.coordinator.confirmGone(second.coordinator.replicaId)).toBe('registered');
    await second.coordinator.stop();
    expect(await first.coordinator.confirmGone(second.coordinator.replicaId)).toBe('gone');
    expect(first.coordinator.notLeading()).toBeUndefined();
  });

  it('stays trusted over many TTLs, with thousands of holdings', async (context) => {
    const machine = await watchMachine();
    const { coordinator } = await replica(freshNamespace());
    const outcomes = await acquireMany(coordinator, 2_000);
    await systemClock.sleep(5_000);
    machine.skipIfBusy(context);
    expect(coordinator.notLeading()).toBeUndefined();
    for (const outcome of outcomes) {
      if (outcome.kind !== 'acquired') throw new Error(JSON.stringify(outcome));
      expect(outcome.holding.signal.reason).toBeUndefined();
    }
  });

  it('releases thousands of holdings at once when draining', async () => {
    const namespace = freshNamespace();
    const { coordinator, store } = await replica(namespace, PATIENT);
    const ended: unknown[] = [];
    for (const outcome of await acquireMany(coordinator, 2_000)) {
      if (outcome.kind !== 'acquired') throw new Error(JSON.stringify(outcome));
      outcome.holding.signal.addEventListener('abort', () =>
        ended.push(outcome.holding.signal.reason),
      );
    }
    const watching = await replica(namespace, PATIENT);
    const vanished = new Set<string>();
    await until(() => watching.coordinator.hint('i-1999') !== undefined);
    watching.coordinator.onVanished((instanceId) => vanished.add(instanceId));

    await coordinator.drain();
    expect(ended).toEqual([]);
    await coordinator.releaseAll(() => true, 'draining');
    expect(ended).toHaveLength(2_000);
    expect(new Set(ended)).toEqual(new Set(['released']));
    expect((await store.list(`${namespacePrefix(namespace)}leases/`)).entries).toEqual([]);
    await until(() => vanished.size === 2_000);
    // Alive, so registered, but no candidate for new work any more.
    expect((await store.list(`${namespacePrefix(namespace)}replicas/`)).entries).toHaveLength(2);
    await until(() => watching.coordinator.replicas().length === 1);
    await coordinator.stop();
    await coordinator.stop();
    const key = replicaKey(namespace, coordinator.replicaId);
    expect((await store.read([key])).entries).toEqual([undefined]);
  });

  it('a session that etcd has ended is lost with its holdings, and a new one registers again', async () => {
    const namespace = freshNamespace();
    const { coordinator, store } = await replica(namespace);
    const outcome = await coordinator.acquire('i');
    if (outcome.kind !== 'acquired') throw new Error(outcome.kind);
    const key = replicaKey(namespace, coordinator.replicaId);
    const before = (await store.read([key])).entries[0];
    await store.revoke(before?.leaseId ?? '');
    await until(() => outcome.holding.signal.aborted);
    expect(outcome.holding.signal.reason).toBe('session_lost');
    await until(() => coordinator.notLeading() === undefined);
    const after = (await store.read([key])).entries[0];
    expect(after?.leaseId).not.toBe(before?.leaseId);
    expect(JSON.parse(after?.value ?? '')).toEqual({
      replicaId: coordinator.replicaId,
      name: 'r',
      pid: process.pid,
      httpUrl: 'http://127.0.0.1:1',
    });
    expect(outcome.holding.trusted()).toBe(false);
  });
});

describe('a coordinator whose etcd fails', () => {
  // Without a word from it the last keep-alive, which arrives and is not answered, would keep the
  // lease for a TTL more.
  it('gives up its lease with its trust, when its messages arrive and no answer does', async (context) => {
    const machine = await watchMachine();
    const ttlMs = 3_000;
    const namespace = freshNamespace();
    const servers = [...serversForTests().etcdUrls].map((url) => new URL(url));
    const proxies = await Promise.all(
      servers.map(({ hostname, port }) => FaultProxy.open({ host: hostname, port: Number(port) })),
    );
    cleanups.push(async () => void (await Promise.all(proxies.map((proxy) => proxy.close()))));
    const store = etcdStore({
      hosts: proxies.map(({ port }) => `http://127.0.0.1:${port}`),
      callTimeoutMs: 800,
    });
    cleanups.push(() => store.close());
    const coordinator = new Coordinator({
      store,
      clock: systemClock,
      namespace,
      replicaId: 'deaf',
      name: 'r',
      pid: process.pid,
      httpUrl: 'http://127.0.0.1:1',
      ttlS: ttlMs / 1_000,
      gate: () => Promise.resolve(undefined),
      idleReleaseMs: 60_000,
      maxHoldings: 10,
    });
    cleanups.push(() => coordinator.stop());
    await coordinator.start();
    const held = await coordinator.acquire('i');
    if (held.kind !== 'acquired') throw new Error(held.kind);
    const direct = realStore();
    const key = leaseKey(namespace, 'i');
    // Just after a keep-alive was answered: the next one, which is not, comes as late as it can.
    const sinceMs = systemClock.monotonicMs();
    await systemClock.sleep(ttlMs / 3 + 300);
    const cutAtMs = systemClock.monotonicMs();
    for (const proxy of proxies) proxy.silence('to_client');
    // A call that times out costs the connection that other calls would have had.
    expect((await coordinator.acquire('j')).kind).toBe('unavailable');
    await until(() => !held.holding.trusted());
    const untrustedAtMs = systemClock.monotonicMs();
    expect((await direct.read([key])).entries[0]?.modRevision).toBe(held.holding.token);
    await until(async () => (await direct.read([key])).entries[0] === undefined);
    const goneAtMs = systemClock.monotonicMs();
    expect(goneAtMs).toBeGreaterThan(untrustedAtMs);
    machine.skipIfBusy(context);
    // Its lease was renewed a third of a TTL after the one that was answered, so it could have
    // lived for that much longer.
    expect(goneAtMs - cutAtMs).toBeLessThan(ttlMs + 450);
    expect(cutAtMs - sinceMs).toBeLessThan((ttlMs * 2) / 3);
  });

  it('answers in bounded time while etcd is frozen or down, ends what it held, and leads again afterwards', async (context) => {
    const machine = await watchMachine();
    const { natsUrls, superuserUrl } = serversForTests();
    const stack = await startPrivateStack({ given: { natsUrls, postgresUrl: superuserUrl } });
    cleanups.push(() => stack.stop());
    const etcd = stack.server('etcd');
    const store = etcdStore({ hosts: [...stack.etcdUrls] });
    cleanups.push(() => store.close());
    const coordinator = new Coordinator({
      store,
      clock: systemClock,
      namespace: freshNamespace(),
      replicaId: 'r-1',
      name: 'r',
      pid: process.pid,
      httpUrl: '',
      ttlS: 3,
      gate: () => Promise.resolve(undefined),
      idleReleaseMs: 60_000,
      maxHoldings: 100,
    });
    cleanups.push(() => coordinator.stop());
    await coordinator.start();
    const first = await coordinator.acquire('i');
    if (first.kind !== 'acquired') throw new Error(first.kind);

    // A short freeze costs nothing but a time-out.
    process.kill(etcd.pid, 'SIGSTOP');
    const startedMs = systemClock.monotonicMs();
    expect((await coordinator.acquire('j')).kind).toBe('unavailable');
    expect(await coordinator.confirmGone('x')).toBe('unknown');
    const answeredMs = systemClock.monotonicMs() - startedMs;
    process.kill(etcd.pid, 'SIGCONT');

    etcd.kill();
    await until(() => first.holding.signal.aborted);
    expect(first.holding.signal.reason).toBe('session_lost');
    expect(coordinator.notLeading()).toBeTypeOf('string');
    expect((await coordinator.acquire('i')).kind).toBe('unavailable');
    expect(await coordinator.look('i')).toBe('unavailable');

    await etcd.restart();
    await until(() => coordinator.notLeading() === undefined);
    let second = await coordinator.acquire('i');
    await until(async () => {
      second = await coordinator.acquire('i');
      return second.kind === 'acquired';
    });
    if (second.kind !== 'acquired') throw new Error(second.kind);
    expect(second.holding.token).toBeGreaterThan(first.holding.token);
    expect(first.holding.trusted()).toBe(false);
    // The keep-alive stream and the watch have been opened anew as well.
    await systemClock.sleep(4_000);
    expect(second.holding.trusted()).toBe(true);
    let vanished = '';
    coordinator.onVanished((instanceId) => (vanished = instanceId));
    await coordinator.release(second.holding, 'test');
    await until(() => vanished === 'i');
    machine.skipIfBusy(context);
    expect(answeredMs).toBeLessThan(3_500);
  });
});
