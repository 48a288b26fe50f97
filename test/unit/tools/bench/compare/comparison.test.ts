import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { array, assert, double, property } from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';

import { findBuild, NoBuild } from '../../../../../tools/bench/compare/build.ts';
import {
  comparisonTables,
  roundLine,
} from '../../../../../tools/bench/compare/comparison-table.ts';
import { compareRounds, orderOf, SIDES } from '../../../../../tools/bench/compare/comparison.ts';
import type { Round } from '../../../../../tools/bench/compare/comparison.ts';
import { summarizeRatios } from '../../../../../tools/bench/compare/paired-ratios.ts';

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe('the summary of ratios', () => {
  it('has the median, also of an even number of rounds', () => {
    expect(summarizeRatios([1.2, 0.9, 1]).median).toBe(1);
    expect(summarizeRatios([4, 1, 2, 3]).median).toBe(2.5);
    expect(summarizeRatios([0.97]).median).toBe(0.97);
  });

  // From a table of the sign test: the ranks of the interval and its level.
  it.each([
    [1, 1, 1, 0],
    [5, 1, 5, 0.9375],
    [6, 1, 6, 0.96875],
    [9, 2, 8, 0.9609],
    [10, 2, 9, 0.9785],
    [20, 6, 15, 0.9586],
    [30, 10, 21, 0.9572],
  ])('has the interval of %i rounds from rank %i to %i', (count, low, high, confidence) => {
    const summary = summarizeRatios(upTo(count).toReversed());
    expect(summary).toMatchObject({ low, high });
    expect(summary.confidence).toBeCloseTo(confidence, 4);
  });

  it('is not moved by one disturbed round', () => {
    const calm = summarizeRatios([0.99, 1, 1.01, 1, 0.99, 1.01, 1, 1, 1, 1]);
    const disturbed = summarizeRatios([0.99, 1, 1.01, 1, 0.99, 50, 1, 1, 1, 1]);
    expect(disturbed.median).toBe(calm.median);
    expect(disturbed.high).toBe(calm.high);
  });

  it('has the median inside the interval, and keeps the order of rounds', () => {
    const ratios = array(double({ min: 0.1, max: 10, noNaN: true }), { minLength: 1 });
    assert(
      property(ratios, (values) => {
        const { median, low, high, ratios: kept } = summarizeRatios(values);
        expect(low).toBeLessThanOrEqual(median);
        expect(high).toBeGreaterThanOrEqual(median);
        expect(kept).toEqual(values);
      }),
    );
  });

  it('is of nothing without a round', () => {
    expect(summarizeRatios([])).toMatchObject({ ratios: [], confidence: 0 });
    expect(summarizeRatios([]).median).toBeNaN();
  });
});

function round(of: number, agents: number, before: number, after: number, again: number): Round {
  const values = (perS: number) => ({
    perS,
    cpuUs: 1e6 / perS,
    p50Ms: 1_000 / perS,
    p99Ms: 2_000 / perS,
  });
  const sides = { before: values(before), after: values(after), again: values(again) };
  return { round: of, subject: 'held', agents, values: sides };
}

const ROUNDS = [
  // A slow round for all sides: its ratios are those of the others.
  round(1, 32, 100, 110, 110),
  round(1, 128, 1_000, 900, 900),
  round(2, 32, 1_000, 1_100, 1_210),
  round(2, 128, 1_000, 800, 800),
  round(3, 32, 1_000, 1_200, 1_200),
  round(3, 128, 1_000, 1_000, 900),
];

describe('a comparison', () => {
  it('takes the median of per-round ratios, not the ratio of sums', () => {
    const compared = compareRounds(ROUNDS);
    expect(compared.map(({ agents, value }) => `${agents}/${value}`)).toEqual([
      '32/perS',
      '32/cpuUs',
      '32/p50Ms',
      '32/p99Ms',
      '128/perS',
      '128/cpuUs',
      '128/p50Ms',
      '128/p99Ms',
    ]);
    const [few, , median, , many] = compared;
    expect(few?.afterToBefore.ratios).toEqual([1.1, 1.1, 1.2]);
    expect(few?.afterToBefore.median).toBe(1.1);
    expect(median?.afterToBefore.median).toBeCloseTo(1 / 1.1);
    expect(many?.afterToBefore.median).toBe(0.9);
  });

  it('keeps held and fresh instances apart', () => {
    const fresh = ROUNDS.map((of): Round => {
      const { before, after, again } = of.values;
      return { ...of, subject: 'fresh', values: { before: after, after: before, again } };
    });
    const compared = compareRounds([...ROUNDS, ...fresh]);
    const medians = compared.filter(({ agents, value }) => agents === 32 && value === 'perS');
    expect(medians.map(({ subject }) => subject)).toEqual(['held', 'fresh']);
    expect(medians.map(({ afterToBefore }) => afterToBefore.median)).toEqual([1.1, 1 / 1.1]);
    const [rounds] = comparisonTables(fresh, compared);
    expect(rounds?.rows[0]?.[0]).toBe('fresh instance each');
  });

  it('measures this build against itself in the same rounds', () => {
    const [few, , , , many] = compareRounds(ROUNDS);
    expect(few?.sameToSame.ratios).toEqual([1, 1.1, 1]);
    expect(many?.sameToSame.ratios).toEqual([1, 1, 0.9]);
  });

  it('gives each side each position equally often, and measures none twice in a row', () => {
    const orders = Array.from({ length: 12 }, (_, index) => orderOf(index + 1));
    for (const position of [0, 1, 2])
      for (const side of SIDES)
        expect(orders.filter((order) => order[position] === side)).toHaveLength(4);
    const measured = orders.flat();
    expect(measured.filter((side, index) => side === measured[index - 1])).toEqual([]);
    expect(() => orderOf(0)).toThrow('rounds count from 1: 0');
  });

  it('is shown round by round and as medians', () => {
    const [first] = ROUNDS;
    expect(first && roundLine(first)).toBe(
      'round 1, held instances, 32 agents: after/before 1.100, again/after 1.000 (100, 110, 110 per s)',
    );
    const [rounds, medians] = comparisonTables(ROUNDS, compareRounds(ROUNDS));
    expect(rounds?.rows).toHaveLength(ROUNDS.length);
    expect(rounds?.rows[4]).toEqual([
      'held instances',
      '128',
      '2',
      '1,000',
      '800',
      '800',
      '0.800',
      '1.000',
    ]);
    expect(medians?.rows[0]).toEqual([
      'held instances',
      '32',
      'per s',
      '1.100',
      '1.100 to 1.200',
      '1.000',
      '1.000 to 1.100',
      '75.0 %',
    ]);
    expect(comparisonTables([], [])[0]?.rows).toEqual([]);
  });
});

describe('a build', () => {
  const dir = mkdtempSync(join(tmpdir(), 'leasehold-build-test-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it.each(['dist/cli', 'dist/src/cli'])('is found in %s', (place) => {
    const checkout = join(dir, place.replaceAll('/', '-'));
    mkdirSync(join(checkout, place), { recursive: true });
    writeFileSync(join(checkout, 'package.json'), '{"version": "1.2.3"}');
    writeFileSync(join(checkout, place, 'main.js'), '');
    writeFileSync(join(checkout, 'dist', '.leasehold-build-hash'), 'abcdef0123456789\n');
    expect(findBuild(checkout)).toEqual({
      dir: checkout,
      mainScript: join(checkout, place, 'main.js'),
      version: '1.2.3 (abcdef012345)',
    });
  });

  it('that is not there is an error that says what to do', () => {
    expect(() => findBuild(join(dir, 'nothing'))).toThrow(NoBuild);
    expect(() => findBuild(join(dir, 'nothing'))).toThrow('npm run build');
  });
});
