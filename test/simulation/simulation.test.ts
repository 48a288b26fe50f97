import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

import { describe, expect, test } from 'vitest';

import { EXPECTED } from './coverage.ts';
import { planSchedule } from './schedule.ts';
import { runSeed, SIZE } from './run.ts';
import type { Share } from './share.ts';

/** The long mode is any larger number: LEASEHOLD_SIM_SEEDS=100000. */
const SEEDS = Number(process.env['LEASEHOLD_SIM_SEEDS'] ?? 2_000);
const FIRST = Number(process.env['LEASEHOLD_SIM_FIRST_SEED'] ?? 1);
/** A few seeds, repeated by hand, need not reach every state. */
const ENOUGH_FOR_COVERAGE = 2_000;
const PROCESSES = Math.min(SEEDS, availableParallelism());
const SHARE = fileURLToPath(new URL('share.ts', import.meta.url));

/** One process's share. A schedule never waits, so the shares are equal. */
async function runShare(first: number, count: number): Promise<Share> {
  const argv = ['--import', 'tsx', SHARE, String(first), String(count)];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const printed = await text(child.stdout);
  if (printed === '')
    throw new Error(`the share from seed ${first} ended early; its output is above`);
  return JSON.parse(printed) as Share;
}

describe('the shipped replica in a simulated world', () => {
  test(`keeps every guarantee over ${SEEDS} schedules of crashes, freezes, cuts and calls cut off`, async () => {
    const startedAt = performance.now();
    const shares = await Promise.all(
      Array.from({ length: PROCESSES }, (_, index) => {
        const from = Math.floor((SEEDS * index) / PROCESSES);
        return runShare(FIRST + from, Math.floor((SEEDS * (index + 1)) / PROCESSES) - from);
      }),
    );
    const seconds = (performance.now() - startedAt) / 1_000;
    const schedules = shares.reduce((sum, share) => sum + share.schedules, 0);
    const effects = shares.reduce((sum, share) => sum + share.effects, 0);
    const totals = new Map<string, number>();
    for (const [state, times] of shares.flatMap(({ reached }) => reached))
      totals.set(state, (totals.get(state) ?? 0) + times);
    const unreached = EXPECTED.filter((state) => !totals.has(state));
    const table = [...totals]
      .sort(([, a], [, b]) => b - a)
      .map(([state, times]) => `${times}  ${state}`);
    process.stderr.write(
      [
        `${schedules} schedules (seeds from ${FIRST}, ${effects} effects) in ${seconds.toFixed(1)} s on ${PROCESSES} processes`,
        'states reached:',
        ...table,
        ...(unreached.length > 0 ? [`not reached: ${unreached.join('; ')}`] : []),
        '',
      ].join('\n'),
    );
    for (const { failing } of shares) if (failing !== undefined) throw new Error(failing);
    // A world in which nothing goes wrong would prove nothing.
    expect(SEEDS >= ENOUGH_FOR_COVERAGE ? unreached : []).toEqual([]);
  }, 7_200_000);

  test('the same seed gives the same run, event for event', async () => {
    const [first, second] = [await runSeed(11), await runSeed(11)];
    expect(first.trace.length).toBeGreaterThan(20);
    expect(second.trace).toEqual(first.trace);
  });

  test('every schedule has three replicas, twenty requests and more than three faults', async () => {
    for (let seed = 1; seed <= 100; seed += 1) {
      const planned = planSchedule(seed, SIZE);
      expect(planned.filter((one) => one.do === 'request').length).toBeGreaterThanOrEqual(20);
      expect(planned.filter((one) => one.do === 'break').length).toBeGreaterThanOrEqual(3);
    }
    const { trace } = await runSeed(1);
    expect(trace.filter((line) => line.includes('agent receives')).length).toBeGreaterThanOrEqual(
      20,
    );
    expect(trace.filter((line) => line.includes('FAULT')).length).toBeGreaterThanOrEqual(3);
  });
});
