import { readFileSync } from 'node:fs';

import { describe, expect, it, onTestFinished } from 'vitest';

import { Coordinator } from '../../../coordinator/coordinator.ts';
import { etcdStore } from '../../../coordinator/etcd/store.ts';
import { leaseKey } from '../../../coordinator/keys.ts';
import { FaultProxy } from '../../../tools/chaos/proxy.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { watchMachine } from '../../harness/busy.ts';
import { freshNamespace, serversForTests, startPrivateStack } from '../../harness/servers.ts';
import { realStore, until } from './store-fixture.ts';

describe('a coordinator whose etcd fails', () => {
  // The last keep-alive arrives but is not answered. If the coordinator did not revoke its lease,
  // that keep-alive would keep it alive for another TTL.
  it('revokes its lease when its trust ends, if its messages arrive but no answers do', async (context) => {
    const machine = await watchMachine();
    const ttlMs = 3_000;
    const namespace = freshNamespace();
    const servers = [...serversForTests().etcdUrls].map((url) => new URL(url));
    const proxies = await Promise.all(
      servers.map(({ hostname, port }) => FaultProxy.open({ host: hostname, port: Number(port) })),
    );
    onTestFinished(async () => void (await Promise.all(proxies.map((proxy) => proxy.close()))));
    const store = etcdStore({
      hosts: proxies.map(({ port }) => `http://127.0.0.1:${port}`),
      callTimeoutMs: 800,
    });
    onTestFinished(() => store.close());
    const coordinator = new Coordinator({
      store,
      clock: systemClock,
      namespace,
      replicaId: 'r-1',
      name: 'r',
      pid: process.pid,
      httpUrl: 'http://127.0.0.1:1',
      ttlS: ttlMs / 1_000,
      gate: () => Promise.resolve(undefined),
      idleReleaseMs: 60_000,
      maxHoldings: 10,
    });
    onTestFinished(() => coordinator.stop());
    await coordinator.start();
    const held = await coordinator.acquire('i');
    if (held.kind !== 'acquired') throw new Error(held.kind);
    const direct = realStore();
    const key = leaseKey(namespace, 'i');
    // Cut the answers right after an answered keep-alive: the next one, which is not answered, then
    // comes as late as possible.
    const sinceMs = systemClock.monotonicMs();
    await systemClock.sleep(ttlMs / 3 + 300);
    const cutAtMs = systemClock.monotonicMs();
    for (const proxy of proxies) proxy.silence('to_client');
    // A call that times out closes the connection, which other calls would have used.
    expect((await coordinator.acquire('j')).kind).toBe('unavailable');
    await until(() => !held.holding.trusted());
    const untrustedAtMs = systemClock.monotonicMs();
    expect((await direct.read([key])).entries[0]?.modRevision).toBe(held.holding.token);
    await until(async () => (await direct.read([key])).entries[0] === undefined);
    const goneAtMs = systemClock.monotonicMs();
    expect(goneAtMs).toBeGreaterThan(untrustedAtMs);
    machine.skipIfBusy(context);
    // The unanswered keep-alive renewed the lease a third of a TTL after the answered one, so the
    // lease could have lived that much longer.
    expect(goneAtMs - cutAtMs).toBeLessThan(ttlMs + 450);
    expect(cutAtMs - sinceMs).toBeLessThan((ttlMs * 2) / 3);
  });

  it('answers in bounded time while etcd is frozen or down, ends its holdings, and leads again afterwards', async (context) => {
    const machine = await watchMachine();
    const { natsUrls, superuserUrl } = serversForTests();
    const stack = await startPrivateStack({ given: { natsUrls, postgresUrl: superuserUrl } });
    onTestFinished(() => stack.stop());
    const etcd = stack.server('etcd');
    const store = etcdStore({ hosts: [...stack.etcdUrls] });
    onTestFinished(() => store.close());
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
    onTestFinished(() => coordinator.stop());
    await coordinator.start();
    const first = await coordinator.acquire('i');
    if (first.kind !== 'acquired') throw new Error(first.kind);

    // A short freeze only costs a time-out.
    process.kill(etcd.pid, 'SIGSTOP');
    // On a busy machine a process may run on for a moment before it stops.
    await until(() => readFileSync(`/proc/${etcd.pid}/stat`, 'utf8').includes(') T '));
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
    // The keep-alive stream and the watch have been reopened too.
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
