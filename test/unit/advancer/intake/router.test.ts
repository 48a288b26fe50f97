import { beforeEach, describe, expect, it } from 'vitest';

import { ClusterView } from '../../../../advancer/intake/cluster-view.ts';
import type { Operation, Served } from '../../../../advancer/intake/pending-request.ts';
import { UnreadBroadcast } from '../../../../advancer/intake/unread-broadcast.ts';
import { Router, type RouterOptions } from '../../../../advancer/intake/router.ts';
import { LogUnavailable } from '../../../../advancer/log/log.ts';
import type { HeldInstance } from '../../../../advancer/run/held-instance.ts';
import type { AcquireOutcome, LeaseRecord, Leases } from '../../../../coordinator/leases.ts';
import type { RowKind } from '../../../../src/execution/row.ts';
import type { Json } from '../../../../src/json.ts';
import type { Holding } from '../../../../src/lease/holding.ts';
import { ranking } from '../../../harness/ranking.ts';
import { HandClock, settled } from '../../coordinator/hand-clock.ts';

const OTHERS = ['b-00000002', 'c-00000003'];
const ME = 'a-00000001';

/** An instance for which the replicas rank in the given order. */
function instanceWith(order: string[]): string {
  for (let count = 0; ; count += 1) {
    const instanceId = `i${count}`;
    if (ranking(instanceId, [ME, ...OTHERS]).join() === order.join()) return instanceId;
  }
}

const FIRST = instanceWith([ME, ...OTHERS]);
const LAST = instanceWith([...OTHERS, ME]);

/** Everything that a router depends on, controlled by the test. */
class World {
  readonly clock = new HandClock();
  readonly did: string[] = [];
  readonly replies: Json[] = [];
  /** The keys that were announced as answered. */
  readonly announced: string[] = [];
  /** How many broadcasts were read. */
  read = 0;
  holding: Holding | undefined;
  hint: LeaseRecord | undefined;
  notLeading: string | undefined;
  logUnavailable: string | undefined;
  reachable = true;
  newest: RowKind | undefined;
  acquire: (instanceId: string) => AcquireOutcome = (instanceId) => this.acquired(instanceId);
  serve: () => Promise<Served> = () =>
    Promise.resolve({ kind: 'answered', reply: 'served', recorded: true });
  #vanished: (instanceId: string) => void = () => undefined;
  readonly view: ClusterView;
  readonly router: Router;

  constructor() {
    const leases: Partial<Leases> = {
      replicaId: ME,
      holding: (instanceId) => (this.holding?.instanceId === instanceId ? this.holding : undefined),
      acquire: (instanceId) => {
        this.did.push('acquire');
        return Promise.resolve(this.acquire(instanceId));
      },
      takeOver: (seen) => {
        this.did.push(`take over from ${seen.replicaId}`);
        return Promise.resolve(this.acquired(seen.instanceId));
      },
      replicas: () =>
        [ME, ...OTHERS].map((replicaId) => ({ replicaId, name: '', pid: 0, httpUrl: '' })),
      hint: () => this.hint,
      look: () => Promise.resolve(this.hint ?? 'none'),
      onVanished: (listener) => {
        this.#vanished = listener;
        return () => undefined;
      },
      notLeading: () => this.notLeading,
    };
    this.view = new ClusterView(leases as Leases);
    const options: RouterOptions = {
      view: this.view,
      leases: leases as Leases,
      log: {
        newestRow: () =>
          Promise.resolve(this.newest === undefined ? undefined : ({ kind: this.newest } as never)),
      },
      peers: {
        reachable: (replicaId) => {
          this.did.push(`ping ${replicaId}`);
          return Promise.resolve(this.reachable);
        },
        forward: (replicaId) => {
          this.did.push(`forward to ${replicaId}`);
          return Promise.resolve(undefined);
        },
      },
      clock: this.clock,
      logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
      count: () => undefined,
      ttlMs: 2_000,
      held: () => ({}) as HeldInstance,
      announceAnswered: (key) => void this.announced.push(key),
      logTrouble: () => void this.did.push('log trouble'),
      logUnavailable: () => this.logUnavailable,
    };
    this.router = new Router(options);
  }

  acquired(instanceId: string): AcquireOutcome {
    this.holding = {
      instanceId,
      token: 7,
      signal: new AbortController().signal,
      ended: false,
      onEnd: () => () => undefined,
      trusted: () => true,
    };
    return { kind: 'acquired', holding: this.holding };
  }

  heldBy(replicaId: string, instanceId: string): void {
    this.hint = { instanceId, replicaId, token: 5 };
  }

  vanish(instanceId: string): void {
    this.hint = undefined;
    this.#vanished(instanceId);
  }

  operation(instanceId: string, expiresInMs = 30_000): Operation {
    return {
      key: `advance/${instanceId}/q`,
      instanceId,
      expiresAtMs: this.clock.wallMs() + expiresInMs,
      serve: () => {
        this.did.push('serve');
        return this.serve();
      },
      refusal: (outcome) => outcome,
    };
  }

  take(instanceId: string, expiresInMs?: number): void {
    this.receive(instanceId, () => this.operation(instanceId, expiresInMs));
  }

  takeDirect(instanceId: string, expiresInMs?: number): void {
    this.router.takeDirect(
      this.operation(instanceId, expiresInMs),
      (body) => void this.replies.push(body),
    );
  }

  receive(instanceId: string, parse: () => Operation | undefined): void {
    const counted = (): Operation | undefined => {
      this.read += 1;
      return parse();
    };
    this.router.receive(
      new UnreadBroadcast(instanceId, counted, (body) => void this.replies.push(body)),
    );
  }
}

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
