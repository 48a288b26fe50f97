import { describe, expect, it } from 'vitest';

import { secretsKey } from '../../../coordinator/keys.ts';
import { rotateSecret, secretsInUse, type Rotation } from '../../../coordinator/rotation.ts';
import { StoreUnavailable } from '../../../coordinator/store.ts';
import { NAMESPACE, world } from './world.ts';

const KEY = secretsKey(NAMESPACE);

function rotating(w: ReturnType<typeof world>, timeoutMs = 5_000) {
  const { store } = w.replica('operator');
  const added: string[] = [];
  let rotation: Rotation | undefined;
  const options = { store, namespace: NAMESPACE, clock: w.clock, timeoutMs };
  void rotateSecret({ ...options, onAdded: (id) => added.push(id) }).then((r) => (rotation = r));
  return { store, added, result: () => rotation };
}

describe('rotating the secret', () => {
  it('adds one, waits until every replica has it, and removes the old one', async () => {
    const w = world();
    const replicas = [await w.leading('a'), await w.leading('b')];
    const [before] = replicas[0]!.coordinator.secrets();
    const { added, result, store } = rotating(w);
    await w.clock.advance(1_000);
    expect(result()).toEqual({ kind: 'rotated', id: added[0], removed: [before?.id] });
    for (const { coordinator } of replicas)
      expect(coordinator.secrets().map(({ id }) => id)).toEqual(added);
    const inUse = await secretsInUse(store, NAMESPACE);
    expect(inUse).toMatchObject({ ids: added, replicas: [{ secretIds: added }, {}] });
  });

  it('removes nothing while a replica lacks the new one, names it, and goes on when it is run again', async () => {
    const w = world();
    const [a, b] = [await w.leading('a'), await w.leading('b')];
    // It reads the new secret, but its record does not say so.
    b.disturb((call, run) =>
      call === 'put' ? Promise.reject(new StoreUnavailable('cut')) : run(),
    );
    const first = rotating(w, 2_000);
    await w.clock.advance(3_000);
    expect(first.result()).toEqual({ kind: 'waiting', id: first.added[0], replicaIds: ['b'] });
    expect(a.coordinator.secrets()).toHaveLength(2);
    b.disturb(undefined);
    const second = rotating(w);
    await w.clock.advance(2_000);
    expect(second.added).toEqual([]);
    expect(second.result()).toMatchObject({ kind: 'rotated', id: first.added[0] });
    expect(a.coordinator.secrets().map(({ id }) => id)).toEqual(first.added);
  });

  it('does not wait for a replica of a version that seals nothing', async () => {
    const w = world();
    await w.leading('a');
    const { leaseId } = w.etcd.grant(60);
    w.etcd.put(leaseId, `/leasehold/${NAMESPACE}/replicas/old`, '{"replicaId":"old"}');
    const { result } = rotating(w);
    await w.clock.advance(1_000);
    expect(result()).toMatchObject({ kind: 'rotated' });
  });

  it('of two at once, both end with the same secret', async () => {
    const w = world();
    const a = await w.leading('a');
    const both = [rotating(w), rotating(w)];
    await w.clock.advance(3_000);
    expect(a.coordinator.secrets()).toHaveLength(1);
    expect(both.map(({ result }) => result()?.kind)).toEqual(['rotated', 'rotated']);
  });

  it('says when there is no secret, or none that can be read', async () => {
    const w = world();
    const none = rotating(w);
    await w.clock.advance(1);
    expect(none.result()).toEqual({ kind: 'none' });
    w.etcd.replace(KEY, '[]', 0);
    const unreadable = rotating(w);
    await w.clock.advance(1);
    expect(unreadable.result()).toMatchObject({ kind: 'unreadable' });
  });
});
