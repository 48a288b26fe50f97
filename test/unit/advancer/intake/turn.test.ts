import { beforeEach, describe, expect, it } from 'vitest';

import type { Operation } from '../../../../advancer/intake/pending-request.ts';
import { settled } from '../../coordinator/hand-clock.ts';
import { FIRST, LAST, OTHERS, World } from './router-world.ts';

let world: World;
beforeEach(() => {
  world = new World();
});

describe('when another holds the instance', () => {
  it('is left alone for as long as it answers', async () => {
    world.heldBy(OTHERS[0]!, FIRST);
    world.take(FIRST);
    await world.clock.advance(5_000);
    expect(new Set(world.did)).toEqual(new Set([`ping ${OTHERS[0]}`]));
    expect(world.did.length).toBeLessThan(15);
  });

  it('its lease is taken over when it does not answer and the log has no open attempt', async () => {
    world.heldBy(OTHERS[0]!, FIRST);
    world.reachable = false;
    world.newest = 'completed';
    world.take(FIRST);
    await world.clock.advance(79);
    expect(world.did).toEqual([]);
    await world.clock.advance(11);
    expect(world.did).toContain(`take over from ${OTHERS[0]}`);
    expect(world.replies).toEqual(['served']);
  });

  it('is only busy while it is heard to answer others, and is pinged once it has been quiet', async () => {
    world.heldBy(OTHERS[0]!, FIRST);
    world.take(FIRST);
    for (let heard = 0; heard < 4; heard += 1) {
      await world.clock.advance(50);
      const requestId = `r${heard}`;
      world.receive(FIRST, () => ({
        ...world.operation(FIRST),
        key: `advance/${FIRST}/${requestId}`,
      }));
      expect(world.router.answered([`advance/${FIRST}/${requestId}`], OTHERS[0]!)).toBe(true);
    }
    await world.clock.advance(75);
    expect(world.did).toEqual([]);
    await world.clock.advance(25);
    expect(world.did).toEqual([`ping ${OTHERS[0]}`]);
  });

  it('its answers to requests that never came here do not prove that it receives broadcasts', async () => {
    world.heldBy(OTHERS[0]!, FIRST);
    world.take(FIRST);
    await world.clock.advance(50);
    expect(world.router.answered([`advance/${FIRST}/unknown`, 'advance', ''], OTHERS[0]!)).toBe(
      false,
    );
    await world.clock.advance(45);
    expect(world.did).toEqual([`ping ${OTHERS[0]}`]);
  });

  it('the request is forwarded after half a second, however much the holder answers others', async () => {
    world.heldBy(OTHERS[0]!, FIRST);
    const operation = {
      ...world.operation(FIRST),
      forward: () => ({ verb: 'advance', instanceId: FIRST, body: '{}' }),
    };
    world.receive(FIRST, () => operation as Operation);
    for (let heard = 0; heard < 12; heard += 1) {
      await world.clock.advance(50);
      world.receive(FIRST, () => ({
        ...world.operation(FIRST),
        key: `advance/${FIRST}/r${heard}`,
      }));
      world.router.answered([`advance/${FIRST}/r${heard}`], OTHERS[0]!);
    }
    expect(world.did).toContain(`forward to ${OTHERS[0]}`);
  });

  it('an open attempt belongs to its process for as long as that is in etcd', async () => {
    world.heldBy(OTHERS[0]!, FIRST);
    world.reachable = false;
    world.newest = 'started';
    world.take(FIRST);
    await world.clock.advance(5_000);
    expect(world.did.some((act) => act.startsWith('take over'))).toBe(false);
    // Its session has expired: the lease is free, and the turns start again.
    world.vanish(FIRST);
    await world.clock.advance(1);
    expect(world.did.slice(-2)).toEqual(['acquire', 'serve']);
  });

  it('turns start again when the lease vanishes: the last in rank does not jump the queue', async () => {
    world.heldBy(OTHERS[0]!, LAST);
    world.take(LAST);
    await world.clock.advance(1_000);
    world.vanish(LAST);
    await world.clock.advance(150);
    expect(world.did).not.toContain('acquire');
    await world.clock.advance(100);
    expect(world.did.slice(-2)).toEqual(['acquire', 'serve']);
  });

  it('a draining holder is not pinged before it has had a second to leave', async () => {
    world.heldBy(OTHERS[0]!, LAST);
    world.reachable = false;
    world.take(LAST);
    await settled();
    world.router.draining(OTHERS[0]!, new Set([LAST]));
    await world.clock.advance(900);
    expect(world.did).toEqual([]);
    await world.clock.advance(400);
    expect(world.did).toContain(`ping ${OTHERS[0]}`);
  });

  it('a draining holder without an attempt of the instance is replaced by the first in rank at once, and by the others in their turn', async () => {
    world.heldBy(OTHERS[0]!, FIRST);
    world.take(FIRST);
    await world.clock.advance(5);
    world.router.draining(OTHERS[0]!, new Set());
    await settled();
    expect(world.did).toEqual([`take over from ${OTHERS[0]}`, 'serve']);

    const second = new World();
    second.heldBy(OTHERS[0]!, LAST);
    second.take(LAST);
    await second.clock.advance(5);
    second.router.draining(OTHERS[0]!, new Set());
    // One replica still ranks before this one.
    await second.clock.advance(90);
    expect(second.did).toEqual([]);
    await second.clock.advance(20);
    expect(second.did).toEqual([`take over from ${OTHERS[0]}`, 'serve']);
  });

  it('an acquisition that was lost to another is tried again soon', async () => {
    let tries = 0;
    world.acquire = (instanceId) => {
      tries += 1;
      return tries < 3
        ? { kind: 'held', by: { instanceId, replicaId: OTHERS[1]!, token: 6 } }
        : world.acquired(instanceId);
    };
    world.take(FIRST);
    await world.clock.advance(120);
    expect(tries).toBe(3);
    expect(world.replies).toEqual(['served']);
  });
});
