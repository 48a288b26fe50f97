import { describe, expect, test } from 'vitest';

import type { Cluster } from './cluster.ts';
import { runSchedules, SCHEDULE_CALLS } from './schedule-run.ts';

/** The long mode is any larger number: LEASEHOLD_SIM_SCHEDULE_SEEDS=10000. */
const SEEDS = Number(process.env['LEASEHOLD_SIM_SCHEDULE_SEEDS'] ?? 100);
const FIRST = Number(process.env['LEASEHOLD_SIM_FIRST_SEED'] ?? 1);
/** A few seeds, repeated by hand, need not strike every call. */
const ENOUGH_FOR_COVERAGE = 100;

describe('schedules, with replicas that crash, freeze and are cut off at every call', () => {
  test(`each tick is there once, with its instance, in ${SEEDS} runs`, async () => {
    const struck = new Set<string>();
    const totals = { started: 0, skipped: 0, covering: 0 };
    for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
      const run = await runSchedules(seed);
      if (run.breaches.length > 0) {
        const tail = run.trace.slice(-60).join('\n');
        throw new Error(`seed ${seed}:\n${run.breaches.slice(0, 10).join('\n')}\n${tail}`);
      }
      for (const strike of run.struck) struck.add(strike);
      totals.started += run.started;
      totals.skipped += run.skipped;
      totals.covering += run.covering;
    }
    process.stderr.write(`${SEEDS} runs: ${JSON.stringify(totals)}, ${struck.size} strikes\n`);
    if (SEEDS < ENOUGH_FOR_COVERAGE) return;
    for (const total of Object.values(totals)) expect(total).toBeGreaterThan(10);
    const calls = new Set([...struck].map((strike) => strike.split(' ')[0]));
    expect(calls).toEqual(new Set(SCHEDULE_CALLS));
    for (const strike of [
      'before kill',
      'before lose',
      'applied kill',
      'applied lose',
      'applied freeze',
      'answered kill',
    ])
      expect(struck).toContain(`takeTicks ${strike}`);
  });

  test('the same seed gives the same run', async () => {
    const [first, second] = [await runSchedules(3), await runSchedules(3)];
    expect(first.trace.length).toBeGreaterThan(5);
    expect(first.started).toBeGreaterThan(20);
    expect(second).toEqual(first);
  });
});

describe('a log that lacks one of its rules', () => {
  const CONTROLS: [string, RegExp, (cluster: Cluster) => void][] = [
    [
      'a tick first, and its instance with the next statement: it is lost',
      /tick-has-its-instance: .*does not exist/,
      ({ postgres }) => void (postgres.schedules.rules.statements = 'tick first'),
    ],
    [
      'an instance first, and its tick with the next statement: it is started twice',
      /instance-of-its-tick: /,
      ({ postgres }) => void (postgres.schedules.rules.statements = 'instance first'),
    ],
    [
      'no order of ticks: two replicas take the same one',
      /ticks-in-order: /,
      ({ postgres }) => void (postgres.schedules.rules.order = false),
    ],
    [
      'no line of what is due for an instance of a tick: nothing brings it back',
      /never lost: .* could go on with wait/,
      ({ postgres }) => void (postgres.schedules.rules.lists = false),
    ],
  ];

  test.each(CONTROLS)('%s, and that is caught', async (_name, what, prepare) => {
    let found: string | undefined;
    for (let seed = 1; seed <= 300 && found === undefined; seed += 1) {
      const { breaches } = await runSchedules(seed, prepare);
      found = breaches.find((breach) => what.test(breach));
      if (found !== undefined) process.stderr.write(`caught with seed ${seed}: ${found}\n`);
    }
    expect(found).toMatch(what);
  });
});
