import { describe, expect, test } from 'vitest';

import { withoutAskingEtcd, withoutIntent, withoutLookingForAttempts, withoutReceipts } from './controls.ts';
import { EXPECTED } from './coverage.ts';
import { runSeed, shrinkSeed, type RunOptions, type SeedResult } from './run.ts';

const SEEDS = Number(process.env['LEASEHOLD_SIM_SEEDS'] ?? 1_000);
const FIRST = Number(process.env['LEASEHOLD_SIM_FIRST_SEED'] ?? 1);
/** A single seed, repeated by hand, need not reach every state. */
const ENOUGH_FOR_COVERAGE = 1_000;

/** Runs seeds until one breaks a guarantee. */
async function firstBreach(seeds: number, options: RunOptions): Promise<SeedResult | undefined> {
  for (let seed = 1; seed <= seeds; seed += 1) {
    const result = await runSeed(seed, options);
    if (result.breaches.length > 0) return result;
  }
  return undefined;
}

function guarantees(result: SeedResult | undefined): number[] {
  return (result?.breaches ?? []).map(({ guarantee }) => guarantee);
}

/** What somebody needs who looks into a failing seed: the smallest schedule that still fails, and how to repeat it. */
async function explain(failing: SeedResult): Promise<string> {
  const schedule = await shrinkSeed(failing);
  const smallest = await runSeed(failing.seed, { schedule });
  return [
    `seed ${failing.seed}`,
    ...failing.breaches.map(({ guarantee, what }) => `guarantee ${guarantee}: ${what}`),
    `repeat: LEASEHOLD_SIM_FIRST_SEED=${failing.seed} LEASEHOLD_SIM_SEEDS=1 npx vitest run --project simulation`,
    `smallest schedule that still fails: ${JSON.stringify(schedule)}`,
    ...smallest.trace.slice(-80),
  ].join('\n');
}

describe('the shipped replica in a simulated world', () => {
  test(`keeps every guarantee over ${SEEDS} schedules of crashes, freezes, cuts and lost answers`, async () => {
    const unreached = new Set<string>(EXPECTED);
    const totals = new Map<string, number>();
    let effects = 0;
    for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
      const result = await runSeed(seed);
      if (result.breaches.length > 0) throw new Error(await explain(result));
      effects += result.effects;
      for (const [state, times] of result.coverage.table) {
        unreached.delete(state);
        totals.set(state, (totals.get(state) ?? 0) + times);
      }
    }
    const table = [...totals].sort(([, a], [, b]) => b - a).map(([state, times]) => `${times}  ${state}`);
    process.stderr.write(`states reached in ${SEEDS} schedules (${effects} effects):\n${table.join('\n')}\n`);
    if (unreached.size > 0) process.stderr.write(`not reached: ${[...unreached].join('; ')}\n`);
    // A world in which nothing goes wrong would prove nothing.
    expect(SEEDS >= ENOUGH_FOR_COVERAGE ? [...unreached] : []).toEqual([]);
  });

  test('the same seed gives the same run, event for event', async () => {
    const [first, second] = [await runSeed(11), await runSeed(11)];
    expect(first.trace.length).toBeGreaterThan(20);
    expect(second.trace).toEqual(first.trace);
  });
});

describe('negative controls: with a rule switched off, the checks see it', () => {
  test('without the intent, an effect runs twice, and the failing schedule shrinks', async () => {
    const failing = await firstBreach(60, { log: withoutIntent });
    expect(guarantees(failing)).toContain(1);
    expect(failing).toBeDefined();
    if (failing === undefined) return;
    const smallest = await shrinkSeed(failing, { log: withoutIntent });
    expect(smallest.length).toBeLessThan(failing.schedule.length / 2);
  });

  test('without one receipt for a request, agents are told two things', async () => {
    const failing = await firstBreach(200, {
      log: withoutReceipts,
      prepare: (cluster) => {
        cluster.postgres.rules.oneReceipt = false;
      },
    });
    expect(guarantees(failing)).toContain(5);
  });

  test('when a take-over ignores an open attempt, it is closed while it runs', async () => {
    const failing = await firstBreach(400, { leases: withoutAskingEtcd, log: withoutLookingForAttempts });
    expect(failing?.breaches.some(({ what }) => what.includes('closed while its process ran it'))).toBe(true);
  });
});
