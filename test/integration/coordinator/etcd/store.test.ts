import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

import { describe, expect, it, onTestFinished } from 'vitest';

import { etcdStore } from '../../../../coordinator/etcd/store.ts';
import { StoreUnavailable } from '../../../../coordinator/store.ts';
import { systemClock } from '../../../../src/time/clock.ts';
import { watchMachine } from '../../../harness/busy.ts';
import { freshNamespace, serversForTests } from '../../../harness/servers.ts';
import { realStore } from '../store-fixture.ts';

describe('the real etcd store', () => {
  it('fails within its call time-out when etcd accepts the connection and is silent', async (context) => {
    const machine = await watchMachine();
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    onTestFinished(() => void silent.close());
    const store = etcdStore({
      hosts: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
      callTimeoutMs: 300,
    });
    onTestFinished(() => store.close());
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

  it('fails fast when nothing listens on the port, and its messages name etcd', async () => {
    const port = await new Promise<number>((resolve) => {
      const probe = createServer().listen(0, '127.0.0.1', () => {
        const { port: free } = probe.address() as AddressInfo;
        probe.close(() => resolve(free));
      });
    });
    const store = etcdStore({ hosts: `http://127.0.0.1:${port}` });
    onTestFinished(() => store.close());
    await expect(store.grant(5)).rejects.toThrow(/^etcd cannot be reached: /);
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
    onTestFinished(() => client.close());
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
