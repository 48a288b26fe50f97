import { beforeEach, describe, expect, it } from 'vitest';

import { settled } from '../../coordinator/hand-clock.ts';
import { FIRST, LAST, OTHERS, World } from './router-world.ts';

let world: World;
beforeEach(() => {
  world = new World();
});

describe('which replica acts on a broadcast', () => {
  it('the holder does, at once, and announces it to the others', async () => {
    world.acquired(LAST);
    world.take(LAST);
    await settled();
    expect(world.did).toEqual(['serve']);
    expect(world.replies).toEqual(['served']);
    expect(world.announced).toEqual([`advance/${LAST}/q`]);
    expect(world.router.remembered).toBe(0);
  });

  it('if no replica holds the instance, the first in rank acquires it', async () => {
    world.take(FIRST);
    await settled();
    expect(world.did).toEqual(['acquire', 'serve']);
    expect(world.replies).toEqual(['served']);
  });

  it('the others wait for their turn, 100 ms for each rank, and step in when no lease appears', async () => {
    world.take(LAST);
    await world.clock.advance(190);
    expect(world.did).toEqual([]);
    expect(world.router.remembered).toBe(1);
    await world.clock.advance(20);
    expect(world.did).toEqual(['acquire', 'serve']);
  });

  it('no replica steps in for a request that is answered', async () => {
    world.take(LAST);
    await world.clock.advance(50);
    world.router.answered([`advance/${LAST}/q`], 'another');
    await world.clock.advance(60_000);
    expect(world.did).toEqual([]);
    expect(world.replies).toEqual([]);
    expect(world.router.remembered).toBe(0);
    expect(world.clock.timers).toBe(0);
  });

  it('a request that was not answered is forgotten at its expiry, and not acted on', async () => {
    world.heldBy(OTHERS[0]!, FIRST);
    world.take(FIRST, 3_000);
    await world.clock.advance(3_100);
    world.vanish(FIRST);
    await world.clock.advance(10_000);
    expect(world.did.filter((act) => !act.startsWith('ping'))).toEqual([]);
    expect(world.router.remembered).toBe(0);
    expect(world.clock.timers).toBe(0);
  });

  it('one that arrives expired is refused by the first in rank only', async () => {
    world.take(FIRST, -1);
    world.take(LAST, -1);
    await settled();
    expect(world.replies).toEqual(['expired']);
    expect(world.did).toEqual([]);
  });

  it('the same request again joins the one that is remembered', async () => {
    world.take(LAST);
    world.take(LAST);
    expect(world.router.remembered).toBe(1);
    await world.clock.advance(300);
    expect(world.did).toEqual(['acquire', 'serve']);
    expect(world.replies).toEqual(['served', 'served']);
  });
});

it('a closed router takes nothing, forgets what others will serve, and answers nothing', async () => {
  world.take(LAST);
  await settled();
  world.router.close();
  await settled();
  expect(world.router.remembered).toBe(0);
  world.take(FIRST);
  await world.clock.advance(5_000);
  expect(world.did).toEqual([]);
  expect(world.replies).toEqual([]);
  expect(world.view.isFirst(FIRST)).toBe(true);
  expect(world.view.isFirst(LAST)).toBe(false);
});

describe('a request sent to this replica alone', () => {
  const declined = { error: expect.objectContaining({ code: 'conflict' }) as unknown };

  it('is served by the holder, and not announced, because no other replica knows of it', async () => {
    world.acquired(LAST);
    world.takeDirect(LAST);
    await settled();
    expect(world.did).toEqual(['serve']);
    expect(world.replies).toEqual(['served']);
    expect(world.announced).toEqual([]);
    expect(world.router.remembered).toBe(0);
  });

  it.each([
    ['nobody holds', undefined],
    ['another holds', OTHERS[0]],
  ])('is declined at once for an instance that %s, and forgotten', async (_what, holder) => {
    if (holder !== undefined) world.heldBy(holder, FIRST);
    world.takeDirect(FIRST);
    await settled();
    expect(world.replies).toEqual([declined]);
    await world.clock.advance(60_000);
    expect(world.did).toEqual([]);
    expect(world.router.remembered).toBe(0);
  });

  it('is declined by a draining replica', async () => {
    world.acquired(FIRST);
    world.router.close();
    world.takeDirect(FIRST);
    await settled();
    expect(world.replies).toEqual([declined]);
    expect(world.did).toEqual([]);
  });

  it('is declined when the holding is lost meanwhile', async () => {
    world.acquired(LAST);
    world.serve = () => {
      world.holding = undefined;
      return Promise.resolve({ kind: 'handed_on' });
    };
    world.takeDirect(LAST);
    await world.clock.advance(100);
    expect(world.did).toEqual(['serve']);
    expect(world.replies).toEqual([declined]);
    expect(world.announced).toEqual([]);
  });

  it('is declined when the replica begins to drain meanwhile', async () => {
    world.acquired(LAST);
    world.serve = () => {
      world.router.close();
      return Promise.resolve({ kind: 'handed_on' });
    };
    world.takeDirect(LAST);
    await world.clock.advance(100);
    expect(world.replies).toEqual([declined]);
  });

  it('is refused when it has expired, whatever the rank', async () => {
    world.acquired(LAST);
    world.takeDirect(LAST, -1);
    await settled();
    expect(world.replies).toEqual(['expired']);
    expect(world.announced).toEqual([]);
  });

  it('is announced like any other once it was also broadcast, and both are answered', async () => {
    world.acquired(LAST);
    let serve = (): void => undefined;
    world.serve = () =>
      new Promise(
        (resolve) => (serve = () => resolve({ kind: 'answered', reply: 'served', recorded: true })),
      );
    world.takeDirect(LAST);
    await settled();
    world.take(LAST);
    serve();
    await settled();
    expect(world.did).toEqual(['serve']);
    expect(world.replies).toEqual(['served', 'served']);
    expect(world.announced).toEqual([`advance/${LAST}/q`]);
  });

  it('is remembered like any other once it was also broadcast, should the holding be lost', async () => {
    world.acquired(LAST);
    world.serve = () => {
      if (world.did.length > 2)
        return Promise.resolve({ kind: 'answered', reply: 'served', recorded: true });
      world.take(LAST);
      world.holding = undefined;
      return Promise.resolve({ kind: 'handed_on' });
    };
    world.takeDirect(LAST);
    await world.clock.advance(300);
    expect(world.did).toEqual(['serve', 'acquire', 'serve']);
    expect(world.replies).toEqual(['served', 'served']);
  });
});
