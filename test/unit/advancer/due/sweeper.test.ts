import { beforeEach, describe, expect, it } from 'vitest';

import type { Unsettled } from '../../../../advancer/log/log.ts';
import { ClusterView } from '../../../../advancer/intake/cluster-view.ts';
import type { HeldInstance } from '../../../../advancer/run/held-instance.ts';
import type { Settled } from '../../../../advancer/run/settle.ts';
import { wrongReplica } from '../../../../advancer/run/wrong-replica.ts';
import { Sweeper } from '../../../../advancer/due/sweeper.ts';
import { ClusterTurns } from '../../../../advancer/due/turns.ts';
import type { Leases } from '../../../../coordinator/leases.ts';
import type { Holding } from '../../../../src/lease/holding.ts';
import { ranking } from '../../../harness/ranking.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';

const ME = 'a-00000001';
const OTHER = 'b-00000002';

describe('a sweep', () => {
  const clock = new HandClock();
  let unsettled: string[];
  /** The holder of each instance. */
  let holders: Map<string, string>;
  let settled: string[];
  let acquired: string[];
  let pages: number;
  let pageMs: number;
  let outcome: Settled;
  let handedOver: string[];
  let vanish: () => void;
  /** Live replicas. */
  let replicaIds: string[];
  let view: ClusterView;
  let sweeper: Sweeper;

  beforeEach(() => {
    unsettled = [];
    holders = new Map();
    settled = [];
    acquired = [];
    pages = 0;
    pageMs = 0;
    outcome = 'settled';
    handedOver = [];
    replicaIds = [ME];
    const leases: Partial<Leases> = {
      replicaId: ME,
      notLeading: () => undefined,
      holding: (instanceId) => (holders.get(instanceId) === ME ? holding(instanceId) : undefined),
      hint: (instanceId) => {
        const replicaId = holders.get(instanceId);
        return replicaId === undefined ? undefined : { instanceId, replicaId, token: 1 };
      },
      replicas: () => replicaIds.map((replicaId) => ({ replicaId, name: '', pid: 0, httpUrl: '' })),
      acquire: (instanceId) => {
        acquired.push(instanceId);
        holders.set(instanceId, ME);
        return Promise.resolve({ kind: 'acquired', holding: holding(instanceId) });
      },
      onVanished: (listener) => {
        vanish = () => listener('any');
        return () => undefined;
      },
    };
    view = new ClusterView(leases as Leases, clock);
    sweeper = new Sweeper({
      turns: new ClusterTurns(view, leases as Leases),
      leases: leases as Leases,
      log: {
        async unsettled(limit: number, _quietMs: number, after?: Unsettled) {
          pages += 1;
          if (pageMs > 0) await clock.sleep(pageMs);
          const from = after === undefined ? 0 : unsettled.indexOf(after.instanceId) + 1;
          return unsettled
            .slice(from, from + limit)
            .map((instanceId) => ({ instanceId, since: String(unsettled.indexOf(instanceId)) }));
        },
      },
      clock,
      logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
      held: ({ instanceId }) =>
        ({
          busy: false,
          settle: () => {
            settled.push(instanceId);
            return Promise.resolve(outcome);
          },
        }) as Partial<HeldInstance> as HeldInstance,
      handOver: {
        handOver: ({ instanceId }) => {
          handedOver.push(instanceId);
          holders.delete(instanceId);
          return Promise.resolve(false);
        },
      },
      logTrouble: () => undefined,
    });
    sweeper.start();
    return () => sweeper.stop();
  });

  function holding(instanceId: string): Holding {
    return { instanceId, token: 1 } as Partial<Holding> as Holding;
  }

  it('settles what no replica holds, and leaves what another one holds', async () => {
    unsettled = ['i1', 'i2', 'i3'];
    holders.set('i2', OTHER);
    holders.set('i3', ME);
    await clock.advance(2_100);
    expect(acquired).toEqual(['i1']);
    expect(settled).toEqual(['i1', 'i3']);
  });

  it('takes the turn of a replica that ranks first only once that one drains', async () => {
    replicaIds = [ME, OTHER];
    unsettled = Array.from({ length: 20 }, (_, nth) => `i${nth}`);
    const mine = unsettled.filter((id) => ranking(id, replicaIds)[0] === ME);
    await clock.advance(2_100);
    expect(acquired).toEqual(mine);
    expect(mine.length).toBeLessThan(20);
    view.setDraining(OTHER, new Set());
    await clock.advance(2_100);
    expect(new Set(acquired)).toEqual(new Set(unsettled));
  });

  it('takes the turn of a replica that ranks first and does nothing for five seconds', async () => {
    replicaIds = [ME, OTHER];
    unsettled = Array.from({ length: 20 }, (_, nth) => `i${nth}`);
    await clock.advance(4_500);
    expect(acquired.length).toBeLessThan(20);
    await clock.advance(5_000);
    expect(new Set(acquired)).toEqual(new Set(unsettled));
  });

  it('reaches the newest instance, however many older attempts of others there are', async () => {
    unsettled = Array.from({ length: 2_500 }, (_, nth) => `i${nth}`);
    for (const instanceId of unsettled.slice(0, -1)) holders.set(instanceId, OTHER);
    await clock.advance(2_100);
    expect(settled).toEqual(['i2499']);
  });

  it('leaves a doubt whose probe it cannot run to a replica that can', async () => {
    unsettled = ['i1'];
    outcome = wrongReplica({ why: 'no handler', handler: 'probe' });
    await clock.advance(2_100);
    expect(handedOver).toEqual(['i1']);
  });

  it('leaves a doubt that waits for a person alone for half a minute', async () => {
    unsettled = ['i1'];
    outcome = 'unsettled';
    await clock.advance(20_000);
    expect(settled).toEqual(['i1']);
    await clock.advance(20_000);
    expect(settled).toEqual(['i1', 'i1']);
  });

  it('starts soon after leases vanished, and not again at once when it took long', async () => {
    vanish();
    await clock.advance(200);
    expect(pages).toBe(1);
    pageMs = 1_000;
    await clock.advance(3_100);
    expect(pages).toBe(2);
    // It took a second, so the next one is ten seconds later, not two.
    await clock.advance(9_800);
    expect(pages).toBe(2);
    await clock.advance(300);
    expect(pages).toBe(3);
  });
});
