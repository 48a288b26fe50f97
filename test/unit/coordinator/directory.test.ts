import { describe, expect, it } from 'vitest';
import { Directory } from '../../../coordinator/directory.ts';
import { leaseKey, leaseValue, replicaKey, replicaValue } from '../../../coordinator/keys.ts';
import { StoreUnavailable } from '../../../coordinator/store.ts';
import { simStore } from '../../simulation/lease-store.ts';
import { SimEtcd } from '../../simulation/sim-etcd.ts';
import { HandClock } from './hand-clock.ts';
import { acquired, NAMESPACE, TTL_S, world } from './world.ts';

async function following(): Promise<{
  clock: HandClock;
  etcd: SimEtcd;
  store: ReturnType<typeof simStore>;
  directory: Directory;
  vanished: string[];
  logged: string[];
  lists: () => number;
  cut: (yes: boolean) => void;
}> {
  const clock = new HandClock();
  const etcd = new SimEtcd(clock);
  let lists = 0;
  let down = false;
  const store = simStore(etcd, {
    around: (call, run) => {
      if (call === 'list') lists += 1;
      return down ? Promise.reject(new StoreUnavailable('cut')) : run();
    },
  });
  const logged: string[] = [];
  const log = (fields: object, message: string): void => {
    const { times = 1 } = fields as { times?: number };
    logged.push(`${message} (${times})`);
  };
  const directory = new Directory({
    store,
    clock,
    namespace: NAMESPACE,
    logger: { debug: () => undefined, info: log, warn: log, error: log },
  });
  const vanished: string[] = [];
  directory.onVanished((instanceId) => vanished.push(instanceId));
  directory.start();
  await clock.advance(1);
  const cut = (yes: boolean): void => {
    down = yes;
    if (yes) store.breakWatches('cut');
  };
  return { clock, etcd, store, directory, vanished, logged, lists: () => lists, cut };
}

const lease = (i: string): string => leaseKey(NAMESPACE, i);

describe('the directory', () => {
  it('follows leases as they come, change hands and go', async () => {
    const { clock, etcd, directory, vanished } = await following();
    const { leaseId } = etcd.grant(600);
    etcd.put(leaseId, lease('i'), leaseValue('a'));
    await clock.advance(1);
    expect(directory.lease('i')).toEqual({ instanceId: 'i', replicaId: 'a', token: etcd.revision });
    etcd.put(leaseId, lease('i'), leaseValue('b'));
    await clock.advance(1);
    expect(directory.lease('i')?.replicaId).toBe('b');
    expect(vanished).toEqual([]);
    etcd.release([{ key: lease('i'), modRevision: etcd.revision }]);
    await clock.advance(1);
    expect(directory.lease('i')).toBeUndefined();
    expect(vanished).toEqual(['i']);
  });

  it('knows the handlers of a replica that lists them; one of an older version does not', async () => {
    const { clock, etcd, directory } = await following();
    const { leaseId } = etcd.grant(600);
    const replica = { replicaId: 'new', name: 'n', pid: 7, httpUrl: 'http://x' };
    const value = replicaValue({ ...replica, handlers: ['charge', 'ship'] }, false);
    etcd.put(leaseId, replicaKey(NAMESPACE, 'new'), value);
    etcd.put(leaseId, replicaKey(NAMESPACE, 'old'), replicaValue(replica, false));
    etcd.put(leaseId, replicaKey(NAMESPACE, 'odd'), '{"handlers":["ship",7]}');
    await clock.advance(1);
    const handlers = directory.candidates().map((one) => [one.replicaId, one.handlers]);
    expect(Object.fromEntries(handlers)).toEqual({
      new: ['charge', 'ship'],
      old: undefined,
      odd: ['ship'],
    });
  });

  it('knows the secrets of a replica that lists them, by name, and not as those of the MAC', async () => {
    const { clock, etcd, directory } = await following();
    const { leaseId } = etcd.grant(600);
    const replica = { replicaId: 'new', name: 'n', pid: 7, httpUrl: 'http://x' };
    const value = replicaValue({ ...replica, effectSecrets: ['A'], secretIds: ['ab12'] }, false);
    expect(JSON.parse(value)).toMatchObject({ effectSecrets: ['A'], secrets: ['ab12'] });
    etcd.put(leaseId, replicaKey(NAMESPACE, 'new'), value);
    etcd.put(leaseId, replicaKey(NAMESPACE, 'old'), replicaValue(replica, false));
    await clock.advance(1);
    const [first, second] = directory.candidates();
    expect(first).toMatchObject({ effectSecrets: ['A'], secretIds: ['ab12'] });
    expect(second?.effectSecrets).toBeUndefined();
  });

  it('re-lists after the watch broke, and reports what vanished meanwhile', async () => {
    const { clock, etcd, directory, vanished, lists, cut } = await following();
    const [old, lasting] = [etcd.grant(600).leaseId, etcd.grant(600).leaseId];
    etcd.put(old, lease('lost'), leaseValue('a'));
    etcd.put(old, replicaKey(NAMESPACE, 'a'), '{}');
    etcd.put(lasting, lease('kept'), leaseValue('b'));
    await clock.advance(1);
    expect(directory.candidates().map(({ replicaId }) => replicaId)).toEqual(['a']);
    expect(lists()).toBe(1);

    cut(true);
    etcd.revoke(old);
    etcd.put(lasting, lease('new'), leaseValue('b'));
    await clock.advance(2_000);
    expect(vanished).toEqual([]);
    expect(directory.lease('lost')).toBeDefined();
    cut(false);
    await clock.advance(500);
    expect(vanished).toEqual(['lost']);
    expect(directory.lease('lost')).toBeUndefined();
    expect(directory.lease('kept')?.replicaId).toBe('b');
    expect(directory.lease('new')?.replicaId).toBe('b');
    expect(directory.candidates()).toEqual([]);
  });

  it('logs that the watch broke at once, then at growing intervals with the count, and that it works again', async () => {
    const { clock, logged, cut } = await following();
    cut(true);
    await clock.advance(16_000);
    cut(false);
    await clock.advance(5_000);
    const broke = logged.filter((line) => line.startsWith('lease watch broke; re-listing'));
    // At once, after 5 s and after 10 s more, of four failures a second.
    expect(broke).toHaveLength(3);
    expect(logged.at(-1)).toMatch(/^lease watch works again \(6\d\)$/);
    expect(logged).toHaveLength(4);
  });

  it('misses nothing between listing and watching, and survives a compaction in between', async () => {
    const { clock, etcd, store, directory } = await following();
    const { leaseId } = etcd.grant(600);
    // While the watch is being set up again, the world moves on and forgets.
    store.breakWatches('test');
    for (let i = 0; i < 20; i += 1) etcd.put(leaseId, lease(`i-${i}`), leaseValue('a'));
    etcd.compact(etcd.revision);
    await clock.advance(1_000);
    for (let i = 0; i < 20; i += 1) expect(directory.lease(`i-${i}`)).toBeDefined();
  });

  it('ignores keys that are not in the layout', async () => {
    const { clock, etcd, directory } = await following();
    const { leaseId } = etcd.grant(600);
    const foreign = [
      `/leasehold/${NAMESPACE}/other/x`,
      `/leasehold/${NAMESPACE}/leases/a/b`,
      lease('bad id'),
    ];
    for (const odd of foreign) etcd.put(leaseId, odd, 'x');
    etcd.put(leaseId, `/leasehold/${NAMESPACE}-2/leases/i`, leaseValue('a'));
    etcd.put(leaseId, replicaKey(NAMESPACE, 'r'), 'not json');
    await clock.advance(1);
    expect(directory.lease('i')).toBeUndefined();
    expect(directory.candidates()).toEqual([{ replicaId: 'r', name: '', pid: 0, httpUrl: '' }]);
  });

  it('stops with nothing under way', async () => {
    const { clock, directory, etcd } = await following();
    await directory.stop();
    await directory.stop();
    expect(clock.timers).toBe(0);
    etcd.put(etcd.grant(600).leaseId, lease('i'), leaseValue('a'));
    await clock.advance(1);
    expect(directory.lease('i')).toBeUndefined();
  });
});

describe('the hints of a coordinator', () => {
  it('a dead replica’s leases vanish once etcd expires its session', async () => {
    const w = world();
    const [a, b] = [await w.leading('a'), await w.leading('b')];
    acquired(await a.coordinator.acquire('i'));
    await w.clock.advance(1);
    const vanished: string[] = [];
    const stopListening = b.coordinator.onVanished((instanceId) => vanished.push(instanceId));
    expect(b.coordinator.replicas().map(({ replicaId }) => replicaId)).toEqual(['a', 'b']);
    a.disturb(() => new Promise(() => undefined));
    await w.clock.advance(2 * TTL_S * 1_000);
    expect(vanished).toEqual(['i']);
    expect(b.coordinator.hint('i')).toBeUndefined();
    expect(b.coordinator.replicas().map(({ replicaId }) => replicaId)).toEqual(['b']);
    stopListening();
    acquired(await b.coordinator.acquire('i'));
    w.etcd.expireAll();
    await w.clock.advance(1);
    expect(vanished).toEqual(['i']);
  });

  it('never name this process without a trusted holding', async () => {
    const w = world();
    const a = await w.leading('a');
    const { token } = acquired(await a.coordinator.acquire('i'));
    expect(a.coordinator.hint('i')).toEqual({ instanceId: 'i', replicaId: 'a', token });
    await w.clock.advance(1);
    w.clock.jump(TTL_S * 1_000);
    expect(w.etcd.get(lease('i'))).toBeDefined();
    expect(a.coordinator.hint('i')).toBeUndefined();
    expect(a.coordinator.replicas()).toEqual([]);
  });
});
