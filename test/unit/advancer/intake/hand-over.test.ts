import { beforeEach, describe, expect, it } from 'vitest';

import type { Served } from '../../../../advancer/intake/pending-request.ts';
import { wrongReplica } from '../../../../advancer/run/wrong-replica.ts';
import { settled } from '../../coordinator/hand-clock.ts';
import { FIRST, LAST, ME, OTHERS, World } from './router-world.ts';

const [B, C] = OTHERS as [string, string];

let world: World;
beforeEach(() => {
  world = new World();
  for (const replicaId of [ME, B, C]) world.handlers.set(replicaId, ['other']);
  world.serve = () => Promise.resolve(lacks('charge'));
});

function lacks(handler: string): Served {
  const wrong = wrongReplica({ why: `no handler ${handler}`, handler });
  return { kind: 'wrong_replica', wrong, refusal: () => 'nobody can' };
}

describe('a replica that cannot run the next cell', () => {
  it('releases the lease, names a replica that can, and forwards the request to it', async () => {
    world.handlers.set(C, ['charge', 'other']);
    const forward = () => ({ verb: 'advance' as const, instanceId: FIRST, body: '{}' });
    world.receive(FIRST, () => ({ ...world.operation(FIRST), forward }));
    await settled();
    expect(world.did).toEqual(['acquire', 'serve', 'release', `forward to ${C}`]);
    expect(world.placed).toEqual([
      { instanceId: FIRST, by: ME, to: C, forMs: 5_000, why: 'no handler charge' },
    ]);
    expect(world.replies).toEqual([]);
  });

  it('answers at once when no live replica has the handler', async () => {
    world.take(FIRST);
    await settled();
    expect(world.did).toEqual(['acquire', 'serve', 'release']);
    expect(world.replies).toEqual(['nobody can']);
    expect(world.announced).toEqual([`advance/${FIRST}/q`]);
  });

  it('does not acquire the instance again for a while, however often it is asked to', async () => {
    world.handlers.set(C, ['charge']);
    world.take(FIRST);
    await world.clock.advance(900);
    expect(world.did.filter((act) => act === 'acquire')).toHaveLength(1);
    expect(world.replies).toEqual([]);
  });

  it('asks for no holder either, and takes over from none', async () => {
    world.handlers.set(C, ['charge']);
    world.take(FIRST);
    await settled();
    world.heldBy(C, FIRST);
    world.reachable = false;
    await world.clock.advance(2_000);
    expect(world.did.filter((act) => /ping|take over/.test(act))).toEqual([]);
  });

  it('answers that no replica can if the one that it named does not take the request up', async () => {
    world.handlers.set(C, ['charge']);
    world.take(FIRST);
    await world.clock.advance(2_900);
    expect(world.replies).toEqual([]);
    await world.clock.advance(1_000);
    expect(world.replies).toEqual(['unavailable']);
    expect(world.did.filter((act) => act === 'acquire')).toHaveLength(1);
  });

  it('acquires it again when its time is over', async () => {
    world.take(FIRST);
    await world.clock.advance(5_100);
    world.serve = () => Promise.resolve({ kind: 'answered', reply: 'served', recorded: true });
    world.take(FIRST);
    await settled();
    expect(world.replies).toEqual(['nobody can', 'served']);
  });

  it('declines a request that was sent to it alone: its sender broadcasts it', async () => {
    world.handlers.set(C, ['charge']);
    world.acquired(FIRST);
    world.takeDirect(FIRST);
    await settled();
    expect(world.replies).toEqual([
      { error: { code: 'conflict', message: expect.stringContaining('does not hold') } },
    ]);
  });

  it('leaves the others their turn when one of them does not say what it has', async () => {
    world.handlers.delete(B);
    world.take(FIRST);
    await settled();
    expect(world.placed).toMatchObject([{ by: ME }]);
    expect(world.placed[0]?.to).toBeUndefined();
    expect(world.replies).toEqual([]);
  });
});

describe('a replica that lacks a secret', () => {
  beforeEach(() => {
    const unfit = { why: 'no secret DEPLOY', secrets: ['DEPLOY', 'LEDGER'] };
    const wrong = wrongReplica(unfit);
    world.serve = () =>
      Promise.resolve({ kind: 'wrong_replica', wrong, refusal: () => 'nobody can' });
  });

  it('names a replica that has all secrets of the cell', async () => {
    world.effectSecrets.set(B, ['DEPLOY']);
    world.effectSecrets.set(C, ['DEPLOY', 'LEDGER', 'OTHER']);
    world.take(FIRST);
    await settled();
    expect(world.placed).toMatchObject([{ by: ME, to: C, why: 'no secret DEPLOY' }]);
  });

  it('waits for none that does not say which it has: that is of a version without secrets', async () => {
    world.effectSecrets.set(B, ['DEPLOY']);
    world.take(FIRST);
    await settled();
    expect(world.placed[0]?.to).toBeUndefined();
    expect(world.replies).toEqual(['nobody can']);
  });
});

describe('a replica that is named', () => {
  it('is first in turn, whatever its rank', async () => {
    world.router.placed({ instanceId: LAST, by: B, to: ME, forMs: 5_000, why: 'no handler' });
    world.serve = () => Promise.resolve({ kind: 'answered', reply: 'served', recorded: true });
    world.take(LAST);
    await settled();
    expect(world.did).toEqual(['acquire', 'serve']);
  });

  it('is first only for as long as the note says', async () => {
    world.router.placed({ instanceId: LAST, by: B, to: ME, forMs: 1_000, why: 'no handler' });
    await world.clock.advance(1_100);
    world.take(LAST);
    await world.clock.advance(190);
    expect(world.did).toEqual([]);
  });
});

describe('a note of another replica', () => {
  it('puts that replica behind the others', async () => {
    world.serve = () => Promise.resolve({ kind: 'answered', reply: 'served', recorded: true });
    for (const by of OTHERS)
      world.router.placed({ instanceId: LAST, by, forMs: 5_000, why: 'no handler' });
    world.take(LAST);
    await settled();
    expect(world.did).toEqual(['acquire', 'serve']);
  });

  it('about this replica changes nothing: it knows better itself', async () => {
    world.serve = () => Promise.resolve({ kind: 'answered', reply: 'served', recorded: true });
    world.router.placed({ instanceId: FIRST, by: ME, to: B, forMs: 5_000, why: 'forged' });
    world.take(FIRST);
    await settled();
    expect(world.did).toEqual(['acquire', 'serve']);
  });
});
