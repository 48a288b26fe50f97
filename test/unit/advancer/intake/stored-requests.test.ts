import { beforeEach, describe, expect, it } from 'vitest';

import { settled } from '../../coordinator/hand-clock.ts';
import { FIRST, LAST, OTHERS, World } from './router-world.ts';

let world: World;
beforeEach(() => {
  world = new World();
});

/** Takes a stored request, and notes when there is nothing left to do for it here. */
function takeStored(instanceId: string, late = false): void {
  void world.router
    .takeStored(world.operation(instanceId), late)
    .then(() => world.did.push('settled'));
}

describe('a request that is stored until it is settled', () => {
  it('is this replica’s to serve if it holds the instance, or nobody does and it ranks first', () => {
    expect([world.router.serves(FIRST), world.router.serves(LAST)]).toEqual([true, false]);
    world.heldBy(OTHERS[0]!, FIRST);
    expect(world.router.serves(FIRST)).toBe(false);
    world.acquired(LAST);
    expect(world.router.serves(LAST)).toBe(true);
  });

  it('is served by whose turn it is, and then there is nothing left to do', async () => {
    takeStored(FIRST);
    await settled();
    expect(world.did).toEqual(['acquire', 'serve', 'settled']);
    takeStored(LAST);
    await world.clock.advance(190);
    expect(world.did).toHaveLength(3);
    await world.clock.advance(20);
    expect(world.did.slice(3)).toEqual(['acquire', 'serve', 'settled']);
  });

  it('is given no time for others, once they have missed it', async () => {
    takeStored(LAST, true);
    await settled();
    expect(world.did).toEqual(['acquire', 'serve', 'settled']);
  });

  it('goes at once to a holder that has missed it', async () => {
    world.heldBy(OTHERS[0]!, FIRST);
    takeStored(FIRST, true);
    await settled();
    expect(world.did).toEqual([`ping ${OTHERS[0]}`]);
  });

  it('is let go when another replica says that it has answered it', async () => {
    world.heldBy(OTHERS[0]!, FIRST);
    takeStored(FIRST);
    await settled();
    world.router.answered([`advance/${FIRST}/q`], OTHERS[0]!);
    await settled();
    expect(world.did).toEqual(['settled']);
    expect(world.router.remembered).toBe(0);
  });

  it('joins the same request, and is let go with it', async () => {
    let serve = (): void => undefined;
    world.serve = () =>
      new Promise((resolve) => {
        serve = () => resolve({ kind: 'answered', reply: 'served', recorded: true });
      });
    takeStored(FIRST);
    takeStored(FIRST);
    await settled();
    expect(world.did).toEqual(['acquire', 'serve']);
    serve();
    await settled();
    expect(world.did).toEqual(['acquire', 'serve', 'settled', 'settled']);
  });

  it('is let go by a replica that drains, that is full, or that forgets it in time', async () => {
    world = new World({
      requests: 2,
      requestsPerAgent: 2,
      requestsPerInstance: 1,
      messageBytes: 1,
      messageBytesPerAgent: 1,
      queriesPerAgent: 1,
    });
    world.heldBy(OTHERS[0]!, FIRST);
    takeStored(FIRST);
    void world.router
      .takeStored(world.operation(FIRST, 30_000, 'other'), false)
      .then(() => world.did.push('refused'));
    await settled();
    expect(world.did).toEqual(['refused']);
    await world.clock.advance(31_000);
    expect(world.did.filter((act) => act === 'settled')).toHaveLength(1);
    world.router.close();
    takeStored(FIRST);
    await settled();
    expect(world.did.filter((act) => act === 'settled')).toHaveLength(2);
  });
});
