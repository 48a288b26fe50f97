import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';

import { TransientMap, TransientSet } from '../../../src/transient-map.ts';
import { seeded } from '../../harness/random.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options?: { type: 'minor' | 'major' }) => void;

describe('a map for short-lived entries', () => {
  it('does what a Map does, in insertion order', () => {
    const [churned, plain] = [new TransientMap<number, number>(), new Map<number, number>()];
    const random = seeded(1);
    const actual: unknown[] = [];
    const expected: unknown[] = [];
    for (let step = 0; step < 20_000; step += 1) {
      // First almost nothing stays, then much does, and in the end nothing.
      const keys = step < 5_000 ? 4 : 1_000;
      const key = Math.floor(random() * keys);
      if (random() < 0.5 && step < 17_000) {
        churned.set(key, step);
        plain.set(key, step);
      } else {
        actual.push(churned.delete(key));
        expected.push(plain.delete(key));
      }
      actual.push(churned.get(key), churned.has(key), churned.size);
      expected.push(plain.get(key), plain.has(key), plain.size);
      if (step % 500 > 0) continue;
      actual.push([...churned], [...churned.keys()], [...churned.values()]);
      expected.push([...plain], [...plain.keys()], [...plain.values()]);
    }
    expect(actual).toEqual(expected);
    expect(plain.size).toBeLessThan(100);
  });

  it('can be changed during iteration', () => {
    const set = new TransientSet<number>().add(1).add(2).add(3);
    const seen: number[] = [];
    for (const one of set) {
      seen.push(one);
      set.delete(one);
    }
    expect(seen).toEqual([1, 2, 3]);
    expect([...set]).toEqual([]);
    expect(set.size).toBe(0);
    expect(set.delete(1)).toBe(false);
  });

  // With a Map more than half of them survives the minor collection.
  it('lets the next minor collection free deleted entries, even when the map itself has grown old', () => {
    const map = new TransientMap<number, number[]>();
    map.set(0, []);
    collect();
    collect();
    const beforeBytes = process.memoryUsage().heapUsed;
    const [entries, numbers, atOnce] = [4_000, 250, 20];
    for (let key = 1; key <= entries; key += 1) {
      map.set(
        key,
        Array.from({ length: numbers }, (_, index) => key + index / numbers),
      );
      map.delete(key - atOnce);
    }
    collect({ type: 'minor' });
    const keptBytes = process.memoryUsage().heapUsed - beforeBytes;
    expect(keptBytes / (entries * numbers * 8)).toBeLessThan(0.3);
  });
});
