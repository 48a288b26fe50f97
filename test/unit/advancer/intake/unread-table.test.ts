import { beforeEach, describe, expect, it } from 'vitest';

import { DEFAULT_LIMITS } from '../../../../src/config/limits.ts';
import { FIRST, OTHERS, World } from './router-world.ts';

let world: World;
beforeEach(() => {
  world = new World();
});

describe('a broadcast that is another replica’s to serve', () => {
  beforeEach(() => world.heldBy(OTHERS[0]!, FIRST));

  it('is not read before the holder announces its answers or the wait is over', async () => {
    world.take(FIRST);
    await world.clock.advance(70);
    expect(world.read).toBe(0);
    expect(world.router.remembered).toBe(1);
    await world.clock.advance(20);
    expect(world.read).toBe(1);
    expect(world.router.remembered).toBe(1);
  });

  it('is read once, and forgotten, when it is answered', async () => {
    world.take(FIRST);
    world.receive(FIRST, () => ({ ...world.operation(FIRST), key: `advance/${FIRST}/another` }));
    expect(world.router.answered([`advance/${FIRST}/another`], OTHERS[0]!)).toBe(true);
    expect(world.router.remembered).toBe(1);
    expect(world.router.answered([`advance/${FIRST}/q`], OTHERS[0]!)).toBe(true);
    expect(world.router.remembered).toBe(0);
    expect(world.router.answered([`advance/${FIRST}/q`], OTHERS[0]!)).toBe(false);
    expect(world.read).toBe(2);
    await world.clock.advance(1_000);
    expect(world.did).toEqual([]);
    expect(world.clock.timers).toBe(0);
  });

  it('that is malformed is dealt with when it is read, and forgotten', async () => {
    world.receive(FIRST, () => undefined);
    await world.clock.advance(100);
    expect(world.read).toBe(1);
    expect(world.router.remembered).toBe(0);
    expect(world.did).toEqual([]);
    expect(world.clock.timers).toBe(0);
  });

  it('is taken up when the lease vanishes, by the first in rank at once', async () => {
    world.take(FIRST);
    await world.clock.advance(10);
    world.vanish(FIRST);
    await world.clock.advance(1);
    expect(world.did).toEqual(['acquire', 'serve']);
    expect(world.replies).toEqual(['served']);
  });

  it('that came twice is answered twice', async () => {
    world.take(FIRST);
    world.take(FIRST);
    expect(world.router.remembered).toBe(2);
    world.vanish(FIRST);
    await world.clock.advance(1);
    expect(world.did).toEqual(['acquire', 'serve']);
    expect(world.replies).toEqual(['served', 'served']);
    expect(world.router.remembered).toBe(0);
  });

  it('is read at once when many are unread, so that no long list is scanned', async () => {
    world = new World({ ...DEFAULT_LIMITS, requestsPerInstance: 10_000 });
    world.heldBy(OTHERS[0]!, FIRST);
    for (let nth = 0; nth < 1_000; nth += 1)
      world.receive(FIRST, () => ({ ...world.operation(FIRST), key: `advance/${FIRST}/r${nth}` }));
    expect(world.read).toBe(1_000 - 64);
    expect(world.router.remembered).toBe(1_000);
    const keys = Array.from({ length: 1_000 }, (_, nth) => `advance/${FIRST}/r${nth}`);
    world.router.answered(keys, OTHERS[0]!);
    expect(world.router.remembered).toBe(0);
    await world.clock.advance(1_000);
    expect(world.did).toEqual([]);
  });

  it('is left to others by a closed router', async () => {
    world.take(FIRST);
    world.router.close();
    expect(world.router.remembered).toBe(0);
    await world.clock.advance(1_000);
    expect(world.read).toBe(0);
    expect(world.did).toEqual([]);
  });
});
