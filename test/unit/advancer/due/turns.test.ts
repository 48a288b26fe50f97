import { describe, expect, it } from 'vitest';

import { ClusterTurns } from '../../../../advancer/due/turns.ts';
import type { AcquireOutcome, Leases } from '../../../../coordinator/leases.ts';
import { holdingOf } from '../../../harness/holder.ts';

describe('whose turn it is to do what nobody asked for', () => {
  /** @param holder of instance `i` */
  function turns(rank: number, holder?: 'me' | 'other') {
    const acquired: string[] = [];
    const leases: Pick<Leases, 'holding' | 'hint' | 'acquire'> = {
      holding: (id) => (holder === 'me' ? holdingOf(id, 7) : undefined),
      hint: (instanceId) =>
        holder === undefined ? undefined : { instanceId, replicaId: holder, token: 7 },
      acquire: (instanceId): Promise<AcquireOutcome> => {
        acquired.push(instanceId);
        return Promise.resolve({ kind: 'acquired', holding: holdingOf(instanceId, 8) });
      },
    };
    return { acquired, turns: new ClusterTurns({ rank: () => rank }, leases) };
  }

  it('is that of the first in rank, and of the next ones if it is not done', () => {
    const { turns: mine } = turns(1);
    expect(turns(0).turns.mine('tick')).toBe(true);
    expect([0, 4_999, 5_000].map((overdueMs) => mine.mine('tick', overdueMs))).toEqual([
      false,
      false,
      true,
    ]);
  });

  it('is that of the holder, whatever its rank is, and of nobody else', async () => {
    const holder = turns(2, 'me');
    expect((await holder.turns.take('i'))?.token).toBe(7);
    const other = turns(0, 'other');
    expect(other.turns.mineToAct('i', 60_000)).toBe(false);
    expect(await other.turns.take('i', 60_000)).toBeUndefined();
    expect([...holder.acquired, ...other.acquired]).toEqual([]);
  });

  it('comes with the lease, if nobody holds it', async () => {
    const first = turns(0);
    expect((await first.turns.take('i'))?.token).toBe(8);
    expect(first.acquired).toEqual(['i']);
    const second = turns(1);
    expect(await second.turns.take('i')).toBeUndefined();
    expect((await second.turns.take('i', 5_000))?.token).toBe(8);
  });
});
