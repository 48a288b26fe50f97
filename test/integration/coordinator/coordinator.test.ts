import { randomBytes } from 'node:crypto';

import { describe, expect, it, onTestFinished } from 'vitest';

import { Coordinator } from '../../../coordinator/coordinator.ts';
import type { CoordinatorOptions } from '../../../coordinator/coordinator-options.ts';
import { leaseKey, leaseValue, namespacePrefix, replicaKey } from '../../../coordinator/keys.ts';
import type { LeaseStore } from '../../../coordinator/store.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { watchMachine } from '../../harness/busy.ts';
import { freshNamespace } from '../../harness/servers.ts';
import { realStore, until } from './store-fixture.ts';

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
    onTestFinished(() => coordinator.stop());
    await coordinator.start();
    return { coordinator, store };
  }

  const acquireMany = (coordinator: Coordinator, count: number) =>
    Promise.all(Array.from({ length: count }, (_, i) => coordinator.acquire(`i-${i}`)));

  it('one of several replicas acquires each instance, and the others learn which one', async () => {
    const namespace = freshNamespace();
    const replicas = await Promise.all([1, 2, 3].map(() => replica(namespace, PATIENT)));
    const instances = Array.from({ length: 200 }, (_, i) => `i-${i}`);
    const acquisitions = instances.flatMap((instanceId) =>
      replicas.map(async ({ coordinator }) => ({
        instanceId,
        replicaId: coordinator.replicaId,
        outcome: await coordinator.acquire(instanceId),
      })),
    );
    const answers = await Promise.all(acquisitions);
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

  it('the token is the mod revision of the key, and a takeover gets a higher one', async () => {
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

    // The first holder's release comes too late and does not delete the successor's key.
    await first.coordinator.release(held.holding, 'test');
    expect((await first.store.read([key])).entries[0]).toEqual(entry);
  });

  it('confirmGone answers registered for a live replica, and gone once it has stopped', async () => {
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
    // It is alive, so it is registered, but no longer a candidate for new work.
    expect((await store.list(`${namespacePrefix(namespace)}replicas/`)).entries).toHaveLength(2);
    await until(() => watching.coordinator.replicas().length === 1);
    await coordinator.stop();
    await coordinator.stop();
    const key = replicaKey(namespace, coordinator.replicaId);
    expect((await store.read([key])).entries).toEqual([undefined]);
  });

  it('a session that etcd has ended is lost with its holdings, and the replica registers with a new one', async () => {
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
      mac: 1,
      secrets: coordinator.secrets().map(({ id }) => id),
    });
    expect(outcome.holding.trusted()).toBe(false);
  });
});
