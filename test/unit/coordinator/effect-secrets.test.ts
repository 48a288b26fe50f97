import { describe, expect, it } from 'vitest';

import { replicaKey } from '../../../coordinator/keys.ts';
import { StoreUnavailable } from '../../../coordinator/store.ts';
import { NAMESPACE, world } from './world.ts';

/** Names that a test changes. */
function secretNames(names: string[]) {
  const listeners: (() => void)[] = [];
  return {
    names: () => names,
    onNames: (listener: () => void) => void listeners.push(listener),
    set: (changed: string[]) => {
      names = changed;
      for (const listener of listeners) listener();
    },
  };
}

describe('the record of a replica', () => {
  it('has the names of its secrets, and follows when they change', async () => {
    const w = world();
    const effectSecrets = secretNames(['A']);
    await w.leading('a', { effectSecrets });
    const other = await w.leading('b');
    const seen = () =>
      other.coordinator.replicas().find(({ replicaId }) => replicaId === 'a')?.effectSecrets;
    await w.clock.advance(1);
    expect(seen()).toEqual(['A']);
    effectSecrets.set(['A', 'B']);
    await w.clock.advance(1);
    expect(seen()).toEqual(['A', 'B']);
  });

  it('follows once etcd answers again', async () => {
    const w = world();
    const effectSecrets = secretNames([]);
    const a = await w.leading('a', { effectSecrets });
    a.disturb((call, run) =>
      call === 'put' ? Promise.reject(new StoreUnavailable('cut')) : run(),
    );
    effectSecrets.set(['A']);
    await w.clock.advance(500);
    a.disturb(undefined);
    await w.clock.advance(1_000);
    const entry = w.etcd.entries().find(({ key }) => key === replicaKey(NAMESPACE, 'a'));
    expect(JSON.parse(entry?.value ?? '{}')).toMatchObject({ effectSecrets: ['A'] });
  });
});
