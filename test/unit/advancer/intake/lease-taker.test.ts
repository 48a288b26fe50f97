import { describe, expect, it } from 'vitest';

import { LogUnavailable, type Snapshot } from '../../../../advancer/log/log.ts';
import { settled } from '../../coordinator/hand-clock.ts';
import { FIRST, LAST, World } from './router-world.ts';

describe('the lease of an instance that does not exist', () => {
  it('is not acquired: the answer is not_found, which the other replicas learn', async () => {
    const world = new World();
    world.snapshot = () => Promise.resolve(undefined);
    world.take(FIRST);
    await settled();
    expect(world.did).toEqual([]);
    expect(world.replies).toEqual(['not_found']);
    expect(world.announced).toHaveLength(1);
    expect(world.router.remembered).toBe(0);
  });

  it('is said not to exist by the first in rank, and by the others only if that one is silent', async () => {
    const world = new World();
    world.snapshot = () => Promise.resolve(undefined);
    world.take(LAST);
    await world.clock.advance(900);
    expect(world.replies).toEqual([]);
    await world.clock.advance(200);
    expect(world.replies).toEqual(['not_found']);
  });

  it('is released where it was taken over from another replica', async () => {
    const world = new World();
    world.acquired(FIRST);
    world.serve = () => Promise.resolve({ kind: 'no_instance', reply: 'not_found' });
    world.take(FIRST);
    await settled();
    expect(world.did).toEqual(['serve', 'release']);
    expect(world.replies).toEqual(['not_found']);
  });

  it('is acquired after all if the request comes again while that is read: it may exist by now', async () => {
    const world = new World();
    const reads: ((found: Snapshot | undefined) => void)[] = [];
    world.snapshot = () => new Promise((resolve) => reads.push(resolve));
    world.take(FIRST);
    await settled();
    // The instance is started here, after it was looked for, and the agent knows that.
    world.take(FIRST);
    reads.shift()?.(undefined);
    await settled();
    expect(world.replies).toEqual([]);
    reads.shift()?.({} as Snapshot);
    await settled();
    expect(world.replies).toEqual(['served', 'served']);
  });
});

describe('an instance that exists', () => {
  it('is read once before its lease is acquired, and the request is served with that', async () => {
    const world = new World();
    const snapshot = { readAtMs: 1 } as Snapshot;
    world.snapshot = () => Promise.resolve(snapshot);
    let offered: Snapshot | undefined;
    world.onServe = (progress) => (offered = progress.takeSnapshot());
    world.take(FIRST);
    await settled();
    expect(world.did).toEqual(['acquire', 'serve']);
    expect(world.reads).toBe(1);
    expect(offered).toBe(snapshot);
  });

  it('is not read before a request is served that finds it held', async () => {
    const world = new World();
    world.acquired(FIRST);
    world.take(FIRST);
    await settled();
    expect(world.replies).toEqual(['served']);
    expect(world.reads).toBe(0);
  });

  it('is not acquired where Postgres does not answer: the request is refused', async () => {
    const world = new World();
    world.snapshot = () => Promise.reject(new LogUnavailable('down'));
    world.take(FIRST);
    await settled();
    expect(world.did).toEqual(['log trouble']);
    expect(world.replies).toEqual(['unavailable']);
  });
});
