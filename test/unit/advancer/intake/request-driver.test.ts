import { beforeEach, describe, expect, it } from 'vitest';

import { LogUnavailable } from '../../../../advancer/log/log.ts';
import { settled } from '../../coordinator/hand-clock.ts';
import { FIRST, OTHERS, World } from './router-world.ts';

let world: World;
beforeEach(() => {
  world = new World();
});

describe('a request that cannot be served', () => {
  it('is left to the next holder when the holding was handed on, and not answered meanwhile', async () => {
    world.acquired(FIRST);
    world.serve = () => {
      world.holding = undefined;
      world.heldBy(OTHERS[0]!, FIRST);
      return Promise.resolve({ kind: 'handed_on' });
    };
    world.take(FIRST);
    await world.clock.advance(1_000);
    expect(world.replies).toEqual([]);
    expect(world.router.remembered).toBe(1);
    world.router.answered([`advance/${FIRST}/q`], 'another');
    await settled();
    expect(world.router.remembered).toBe(0);
  });

  it('is unavailable when Postgres does not answer, which is reported', async () => {
    world.acquired(FIRST);
    world.serve = () => Promise.reject(new LogUnavailable('down'));
    world.take(FIRST);
    await settled();
    expect(world.replies).toEqual(['unavailable']);
    expect(world.did).toContain('log trouble');
    expect(world.announced).toHaveLength(1);
  });

  it('is unavailable after an internal error, which disturbs no other request', async () => {
    world.acquired(FIRST);
    world.serve = () => Promise.reject(new Error('a bug'));
    world.take(FIRST);
    await settled();
    expect(world.replies).toEqual(['unavailable']);
    world.serve = () => Promise.resolve({ kind: 'answered', reply: 'served', recorded: true });
    world.take(FIRST);
    await settled();
    expect(world.replies).toEqual(['unavailable', 'served']);
  });

  it('is unavailable when no replica leads, but only after others had time to lead', async () => {
    world.notLeading = 'etcd does not answer';
    world.take(FIRST);
    await world.clock.advance(2_900);
    expect(world.replies).toEqual([]);
    await world.clock.advance(200);
    expect(world.replies).toEqual(['unavailable']);
    expect(world.did).toEqual([]);
  });

  it('a replica whose log is unavailable acquires nothing, though it leads: others can serve', async () => {
    world.logUnavailable = 'no answer within 500 ms';
    world.take(FIRST);
    await world.clock.advance(1_000);
    expect(world.did).toEqual([]);
    world.logUnavailable = undefined;
    await world.clock.advance(500);
    expect(world.did).toEqual(['acquire', 'serve']);
  });
});
