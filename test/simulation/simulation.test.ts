import { describe, expect, test } from 'vitest';

import { withoutAskingEtcd, withoutIntent, withoutLookingForAttempts, withoutReceipts } from './controls.ts';
import { runSeed, type Schedule, type SeedResult } from './run.ts';

const SEEDS = Number(process.env['LEASEHOLD_SIM_SEEDS'] ?? 400);
const FIRST = Number(process.env['LEASEHOLD_SIM_FIRST_SEED'] ?? 1);

/** Runs seeds until one breaks a guarantee, and says which. */
async function firstBreach(seeds: number, schedule: Schedule): Promise<SeedResult | undefined> {
  for (let seed = FIRST; seed < FIRST + seeds; seed += 1) {
    const result = await runSeed(seed, schedule);
    if (result.breaches.length > 0) return result;
  }
  return undefined;
}

function told(result: SeedResult): string {
  const breaches = result.breaches.map(({ guarantee, what }) => `guarantee ${guarantee}: ${what}`).join('\n');
  const again = `LEASEHOLD_SIM_FIRST_SEED=${result.seed} LEASEHOLD_SIM_SEEDS=1 npx vitest run --project simulation`;
  return `seed ${result.seed}\n${breaches}\nrepeat: ${again}\n${result.trace.slice(-60).join('\n')}`;
}

describe('the shipped replica in a simulated world', () => {
  test(`keeps every guarantee over ${SEEDS} schedules of crashes, freezes, cuts and lost answers`, async () => {
    let effects = 0;
    let lateOutcomes = 0;
    let refusals = 0;
    for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
      const result = await runSeed(seed);
      if (result.breaches.length > 0) throw new Error(told(result));
      effects += result.effects;
      lateOutcomes += result.lateOutcomes;
      refusals += result.refusals;
    }
    // A world in which nothing goes wrong would prove nothing.
    expect(effects).toBeGreaterThan(SEEDS * 3);
    // A single seed, repeated by hand, need not meet a fence.
    const enough = SEEDS >= 100 ? 0 : -1;
    expect(lateOutcomes).toBeGreaterThan(enough);
    expect(refusals).toBeGreaterThan(enough);
  });

  test('the same seed gives the same run, event for event', async () => {
    const [first, second] = [await runSeed(11), await runSeed(11)];
    expect(first.trace.length).toBeGreaterThan(20);
    expect(second.trace).toEqual(first.trace);
  });
});

describe('negative controls: with a rule switched off, the checker sees it', () => {
  test('without the intent, an effect runs twice', async () => {
    const result = await firstBreach(60, { log: withoutIntent });
    expect(result?.breaches.some(({ what }) => what.includes('was run twice'))).toBe(true);
  });

  test('without one receipt for a request, agents are told two things', async () => {
    const result = await firstBreach(200, {
      log: withoutReceipts,
      prepare: (cluster) => {
        cluster.postgres.rules.oneReceipt = false;
      },
    });
    expect(result?.breaches.some(({ guarantee }) => guarantee === 5)).toBe(true);
  });

  test('when a take-over ignores an open attempt, it is closed while it runs', async () => {
    const result = await firstBreach(400, { leases: withoutAskingEtcd, log: withoutLookingForAttempts });
    expect(result?.breaches.some(({ what }) => what.includes('closed while its process ran it'))).toBe(true);
  });
});
