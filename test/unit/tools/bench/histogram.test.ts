import { array, assert, double, property } from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Histogram, nearestRank } from '../../../../tools/bench/histogram.ts';

describe('the histogram', () => {
  it('gives quantiles that are exact to half a per cent', () => {
    const lengths = array(double({ min: 0.01, max: 100_000, noNaN: true }), { minLength: 1 });
    assert(
      property(lengths, double({ min: 0, max: 1, noNaN: true }), (ms, share) => {
        const histogram = new Histogram();
        for (const one of ms) histogram.record(one);
        const exact = nearestRank(ms, share);
        expect(Math.abs(histogram.quantileMs(share) - exact)).toBeLessThanOrEqual(exact * 0.005);
      }),
    );
  });

  it('is the same, recorded in one process or in two', () => {
    const [whole, first, second] = [new Histogram(), new Histogram(), new Histogram()];
    for (let index = 1; index <= 1_000; index += 1) {
      whole.record(index / 7);
      (index % 3 === 0 ? first : second).record(index / 7);
    }
    const merged = Histogram.of([first.data(), second.data()]);
    expect(merged.data().buckets).toEqual(whole.data().buckets);
    expect(merged.count).toBe(1_000);
    expect(merged.maxMs).toBe(whole.maxMs);
  });

  it('has no quantile without samples, and keeps samples beyond its last bucket', () => {
    expect(new Histogram().quantileMs(0.5)).toBeNaN();
    const histogram = new Histogram();
    histogram.record(0);
    histogram.record(1e9);
    expect(histogram.quantileMs(0)).toBeLessThan(0.0011);
    expect(histogram.quantileMs(1)).toBe(
      1e9 > histogram.maxMs ? histogram.maxMs : histogram.quantileMs(1),
    );
    expect(histogram.maxMs).toBe(1e9);
  });
});

describe('the nearest rank', () => {
  it('is one of the values', () => {
    expect(nearestRank([30, 10, 20, 40], 0.5)).toBe(20);
    expect(nearestRank([30, 10, 20, 40], 0.99)).toBe(40);
    expect(nearestRank([30, 10, 20, 40], 0)).toBe(10);
    expect(nearestRank([], 0.5)).toBeNaN();
  });
});
