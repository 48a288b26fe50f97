/** Adjacent buckets are half a per cent apart, which is the precision of a quantile. */
const STEP = 1.005;
const PER_STEP = 1 / Math.log(STEP);
const LEAST_MS = 0.001;
const BUCKETS = Math.ceil(Math.log(1e9) * PER_STEP);

/** A histogram as it is sent from one process to another. */
export interface HistogramData {
  buckets: [index: number, count: number][];
  count: number;
  sumMs: number;
  maxMs: number;
}

/**
 * Durations in buckets that grow by a constant factor, as in HdrHistogram: any number of samples
 * takes the same memory, recording costs one logarithm, and quantiles are exact to half a per cent
 * from a microsecond up.
 */
export class Histogram {
  readonly #buckets = new Uint32Array(BUCKETS);
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;

  /** Merges what other processes, or other rounds, recorded. */
  static of(parts: readonly HistogramData[]): Histogram {
    const merged = new Histogram();
    for (const { buckets, count, sumMs, maxMs } of parts) {
      for (const [index, samples] of buckets)
        merged.#buckets[index] = (merged.#buckets[index] ?? 0) + samples;
      merged.#count += count;
      merged.#sumMs += sumMs;
      merged.#maxMs = Math.max(merged.#maxMs, maxMs);
    }
    return merged;
  }

  record(ms: number): void {
    const index = Math.floor(Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) * PER_STEP);
    const bucket = Math.min(index, BUCKETS - 1);
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count += 1;
    this.#sumMs += ms;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  get count(): number {
    return this.#count;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  /**
   * The duration that a share of all samples does not exceed, in milliseconds; NaN without samples.
   *
   * @param share from 0 to 1, such as 0.99
   */
  quantileMs(share: number): number {
    if (this.#count === 0) return Number.NaN;
    const rank = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (let index = 0; index < BUCKETS; index += 1) {
      seen += this.#buckets[index] ?? 0;
      if (seen >= rank) return Math.min(this.#maxMs, LEAST_MS * STEP ** (index + 0.5));
    }
    return this.#maxMs;
  }

  data(): HistogramData {
    const buckets: HistogramData['buckets'] = [];
    this.#buckets.forEach((count, index) => {
      if (count > 0) buckets.push([index, count]);
    });
    return { buckets, count: this.#count, sumMs: this.#sumMs, maxMs: this.#maxMs };
  }
}

/**
 * A quantile of few samples by the nearest-rank method: always one of the values.
 *
 * @param share from 0 to 1
 */
export function nearestRank(values: readonly number[], share: number): number {
  const ascending = [...values].sort((a, b) => a - b);
  return ascending[Math.max(0, Math.ceil(share * ascending.length) - 1)] ?? Number.NaN;
}
