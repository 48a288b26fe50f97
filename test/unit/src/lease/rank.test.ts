import { describe, expect, it } from 'vitest';
import { array, assert, constantFrom, nat, property, string, uniqueArray } from 'fast-check';

import { rankOf } from '../../../../src/lease/rank.ts';
import { ranking } from '../../../harness/ranking.ts';

const id = string({
  minLength: 1,
  maxLength: 12,
  unit: constantFrom('a', 'b', 'c', '0', '1', '2', '-', '_'),
});
const replicas = uniqueArray(id, { minLength: 1, maxLength: 8 });

describe('the rank of replicas', () => {
  it('is the same for everybody, in whatever order the list came', () => {
    assert(
      property(id, replicas, array(nat()), (instanceId, ids, keys) => {
        const shuffled = ids
          .map((replicaId, index) => ({ replicaId, key: keys[index] ?? 0 }))
          .toSorted((a, b) => a.key - b.key)
          .map(({ replicaId }) => replicaId);
        expect(ranking(instanceId, shuffled)).toEqual(ranking(instanceId, ids));
      }),
    );
  });

  it('lists each replica once', () => {
    assert(
      property(id, replicas, (instanceId, ids) => {
        expect(ranking(instanceId, ids).toSorted()).toEqual(ids.toSorted());
      }),
    );
  });

  it('moves only the instances of a replica that leaves: the others keep their order', () => {
    assert(
      property(id, replicas, nat(), (instanceId, ids, pick) => {
        const leaving = ids[pick % ids.length]!;
        const staying = ids.filter((replicaId) => replicaId !== leaving);
        const before = ranking(instanceId, ids);
        expect(ranking(instanceId, staying)).toEqual(
          before.filter((replicaId) => replicaId !== leaving),
        );
      }),
    );
  });

  it('spreads instances about evenly', () => {
    const ids = ['a-0badcafe', 'b-0badcafe', 'c-0badcafe'];
    const first = new Map<string, number>();
    for (let count = 0; count < 3_000; count += 1) {
      const best = ranking(`instance-${count}`, ids)[0]!;
      first.set(best, (first.get(best) ?? 0) + 1);
    }
    for (const replicaId of ids) {
      expect(first.get(replicaId)).toBeGreaterThan(900);
      expect(first.get(replicaId)).toBeLessThan(1_100);
    }
  });

  it('of one that is not listed is behind all that are', () => {
    const ids = ['a', 'b', 'c'];
    expect(rankOf('i', ids, 'z')).toBe(3);
    expect(ids.map((replicaId) => rankOf('i', ids, replicaId)).toSorted((a, b) => a - b)).toEqual([
      0, 1, 2,
    ]);
    expect(rankOf('i', [], 'z')).toBe(0);
  });
});
