import { runSeed, shrinkSeed, type SeedResult } from './run.ts';

/*
 * A share of the simulation's seeds, in a separate process: `node --import tsx share.ts FIRST
 * COUNT`. Prints one line of JSON, a {@link Share}; the first seed that breaks a guarantee ends it.
 */

/** The result of a share of the seeds. */
export interface Share {
  schedules: number;
  effects: number;
  /** How often each state of the protocol was reached. */
  reached: [state: string, times: number][];
  /** Everything that is needed to look into the failing seed. */
  failing: string | undefined;
}

async function runShare(first: number, count: number): Promise<Share> {
  const reached = new Map<string, number>();
  let effects = 0;
  let failing: string | undefined;
  let seed = first;
  for (; seed < first + count && failing === undefined; seed += 1) {
    const result = await runSeed(seed);
    if (result.breaches.length > 0) failing = await explain(result);
    effects += result.effects;
    for (const [state, times] of result.coverage.table)
      reached.set(state, (reached.get(state) ?? 0) + times);
  }
  return { schedules: seed - first, effects, reached: [...reached], failing };
}

/** The smallest schedule that still fails, its trace, and how to repeat it. */
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

const [first, count] = process.argv.slice(2).map(Number);
process.stdout.write(`${JSON.stringify(await runShare(first ?? 1, count ?? 1))}\n`);
