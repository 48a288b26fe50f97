import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster, eventually } from '../harness/replicas.ts';
import { keysUnder } from './etcd-gateway.ts';
import { push, two } from './runbooks.ts';
import { LeaseValue, ReplicaValue, read } from './shapes.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
  await Promise.all([
    push(cluster, two),
    cluster.startReplica('a'),
    cluster.startReplica('with_Name-2'),
  ]);
});

afterAll(() => cluster?.stop());

const under = (folder: string) =>
  keysUnder(cluster.servers.etcdUrls[0], `/leasehold/${cluster.namespace}/${folder}/`);

describe('the keys in etcd', () => {
  it('registers each replica under its id, which is its name and eight hex digits', async () => {
    const keys = await under('replicas');
    expect(keys.map(({ key }) => key)).toEqual(
      cluster.replicas
        .map(({ replicaId }) => `/leasehold/${cluster.namespace}/replicas/${replicaId}`)
        .toSorted(),
    );
    for (const { key, value } of keys) {
      const replica = read(ReplicaValue, value);
      const started = cluster.byId(key.split('/').at(-1));
      expect(replica).toEqual({
        replicaId: started.replicaId,
        name: started.name,
        pid: started.pid,
        httpUrl: started.httpUrl,
        handlers: [],
        effectSecrets: [],
        mac: 1,
        secrets: [expect.stringMatching(/^[0-9a-f]{8}$/)],
      });
      expect(replica.replicaId).toMatch(new RegExp(`^${started.name}-[0-9a-f]{8}$`));
    }
  });

  it("attaches an instance's lease key to its holder's session; the key's revision is the token", async () => {
    await cluster.start('held', 'two');
    const receipt = await cluster.advance('held', 'held-1');
    const key = (await under('leases')).find((one) => one.key.endsWith('/leases/held'));
    expect(key?.key).toBe(`/leasehold/${cluster.namespace}/leases/held`);
    expect(read(LeaseValue, key?.value)).toEqual({ replicaId: receipt.holder?.replicaId });
    expect(key?.modRevision).toBe(receipt.holder?.fencingToken);
    const replica = (await under('replicas')).find((one) =>
      one.key.endsWith(`/${receipt.holder?.replicaId ?? ''}`),
    );
    expect(key?.lease).not.toBe('0');
    expect(key?.lease).toBe(replica?.lease);
  });

  it('keeps nothing in etcd outside the namespace', async () => {
    const all = await keysUnder(cluster.servers.etcdUrls[0], `/leasehold/${cluster.namespace}`);
    for (const { key } of all) {
      expect(key).toMatch(
        new RegExp(`^/leasehold/${cluster.namespace}/(secrets|(leases|replicas)/[A-Za-z0-9_-]+)$`),
      );
    }
    expect(all).toHaveLength(4);
  });

  it('has neither key after SIGTERM, and a process of the same name has a fresh id and higher tokens', async () => {
    const before = await cluster.advance('held', 'held-2');
    const holder = cluster.byId(before.holder?.replicaId);
    holder.terminate();
    expect(await holder.exited).toEqual({ code: 0, signal: null });
    const left = [...(await under('replicas')), ...(await under('leases'))];
    expect(left.filter(({ value }) => JSON.stringify(value).includes(holder.replicaId))).toEqual(
      [],
    );
    const again = await cluster.startReplica(holder.name);
    expect(again.replicaId).not.toBe(holder.replicaId);
    expect(again.replicaId).toMatch(new RegExp(`^${holder.name}-[0-9a-f]{8}$`));
    const after = await cluster.advance('held', 'held-3');
    expect(after.holder?.fencingToken).toBeGreaterThan(before.holder?.fencingToken ?? Infinity);
  });

  it("has no responder for a killed replica's subject, and loses its keys with its session", async () => {
    await cluster.start('doomed', 'two');
    const { holder } = await cluster.advance('doomed', 'doomed-1');
    const subject = cluster.subject('replica', holder?.replicaId ?? '');
    // What replicas send each other is not part of the contract; that a live process serves the
    // subject is.
    const codeOf = (): Promise<string> =>
      cluster.nats.request(subject, '{}', { timeout: 300 }).then(
        () => 'answered',
        (cause: { code?: string }) => cause.code ?? 'unknown',
      );
    expect(await codeOf()).not.toBe('503');
    cluster.byId(holder?.replicaId).kill();
    await cluster.byId(holder?.replicaId).exited;
    // A request that the NATS server delivers before it notices the closed connection is lost
    // instead.
    await eventually(async () => ((await codeOf()) === '503' ? true : undefined));
    await eventually(async () => {
      const keys = [...(await under('replicas')), ...(await under('leases'))];
      return keys.some(({ value }) => JSON.stringify(value).includes(holder?.replicaId ?? ''))
        ? undefined
        : true;
    });
  });
});
