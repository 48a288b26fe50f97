/** What the ratios of paired measurements say. */
export interface RatioSummary {
  /** One for each round, in order. */
  ratios: readonly number[];
  /** NaN without any round. */
  median: number;
  /** A confidence interval for the median. */
  low: number;
  high: number;
  /** The interval's confidence level: at least 0.95 from six rounds up, lower with fewer. */
  confidence: number;
}

/** At most this much in each tail: a level of 95 % or more. */
const MAX_TAIL = 0.025;

/**
 * The median of the ratios, and a confidence interval for it from their order statistics (the
 * interval that belongs to the sign test). It assumes that rounds are independent, and nothing
 * about how ratios are distributed: a round that another process disturbed is one outlier, however
 * far out it is.
 */
export function summarizeRatios(ratios: readonly number[]): RatioSummary {
  const ascending = [...ratios].sort((a, b) => a - b);
  const rank = intervalRank(ascending.length);
  return {
    ratios,
    median: median(ascending),
    low: ascending[rank - 1] ?? Number.NaN,
    high: ascending[ascending.length - rank] ?? Number.NaN,
    confidence: Math.max(0, 1 - 2 * tail(ascending.length, rank)),
  };
}

/**
 * The rank, from 1, of the interval's lower end; the upper end has the same rank from the top. With
 * fewer than six values it is 1, which gives the least and the greatest value.
 */
function intervalRank(count: number): number {
  let rank = 1;
  while (rank < count / 2 && tail(count, rank + 1) <= MAX_TAIL) rank += 1;
  return rank;
}

/** The probability that fewer than `rank` of `count` fair coins show heads. */
function tail(count: number, rank: number): number {
  let [sum, term] = [0, 0.5 ** count];
  for (let heads = 0; heads < rank; heads += 1) {
    sum += term;
    term = (term * (count - heads)) / (heads + 1);
  }
  return sum;
}

function median(ascending: readonly number[]): number {
  const middle = ascending.length / 2;
  const upper = ascending[Math.floor(middle)] ?? Number.NaN;
  if (!Number.isInteger(middle)) return upper;
  return ((ascending[middle - 1] ?? Number.NaN) + upper) / 2;
}
