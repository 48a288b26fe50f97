import { describe, expect, test } from 'vitest';

import type { RequestStream } from '../../src/bus/request-stream.ts';
import { runEnqueueSeed, type EnqueueOptions, type EnqueueResult } from './enqueue-run.ts';

/** Few, next to the simulation at large: `LEASEHOLD_SIM_SEEDS=40000` runs 2,000 of these. */
const SEEDS = Math.ceil(Number(process.env['LEASEHOLD_SIM_SEEDS'] ?? 800) / 20);
const FIRST = Number(process.env['LEASEHOLD_SIM_FIRST_SEED'] ?? 1);

/** The first seed, of this many, whose run breaks a guarantee. */
async function firstBreach(seeds: number, options: EnqueueOptions): Promise<EnqueueResult> {
  for (let seed = 1; seed <= seeds; seed += 1) {
    const result = await runEnqueueSeed(seed, options);
    if (result.breaches.length > 0) {
      process.stderr.write(`seed ${seed}: ${result.breaches.map(({ what }) => what).join('; ')}\n`);
      return result;
    }
  }
  throw new Error(`nothing was breached in ${seeds} seeds`);
}

describe('enqueued requests in a simulated world', () => {
  test(`are each receipted once over ${SEEDS} schedules of faults, at the stream too`, async () => {
    const outcomes = new Map<string, number>();
    let [acknowledged, redelivered] = [0, 0];
    for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
      const result = await runEnqueueSeed(seed);
      if (result.breaches.length > 0) {
        const repeat = `LEASEHOLD_SIM_FIRST_SEED=${seed} LEASEHOLD_SIM_SEEDS=1`;
        throw new Error(
          [
            `seed ${seed} (repeat with ${repeat})`,
            ...result.breaches.map(({ guarantee, what }) => `guarantee ${guarantee}: ${what}`),
            ...result.trace.slice(-80),
          ].join('\n'),
        );
      }
      acknowledged += result.acknowledged;
      redelivered += result.redelivered;
      for (const [outcome, times] of result.outcomes)
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + times);
    }
    process.stderr.write(
      `${acknowledged} enqueued requests, ${redelivered} deliveries again: ` +
        `${JSON.stringify(Object.fromEntries(outcomes))}\n`,
    );
    expect(acknowledged).toBe(SEEDS * 16);
    if (SEEDS < 40) return;
    const wanted = ['completed', 'advanced', 'parked', 'out_of_order', 'not_found', 'expired'];
    expect([...wanted, 'invalid', 'in_doubt'].filter((one) => !outcomes.has(one))).toEqual([]);
    expect(redelivered).toBeGreaterThan(SEEDS);
  }, 1_800_000);

  test('the same seed gives the same run', async () => {
    const [first, second] = [await runEnqueueSeed(3), await runEnqueueSeed(3)];
    expect(second.trace).toEqual(first.trace);
  });
});

describe('negative controls: with a rule switched off, the checks see it', () => {
  test('when a message is acknowledged before its receipt is recorded, a request is lost', async () => {
    const stream = (own: RequestStream): RequestStream => ({
      ...own,
      pull: (max, waitMs, receive) =>
        own.pull(max, waitMs, (message) => {
          message.ack();
          receive({ ...message, retryIn: () => undefined });
        }),
    });
    const { breaches } = await firstBreach(60, { stream });
    expect(breaches.map(({ what }) => what).join()).toContain('was lost');
  });

  test('when the stream does not deliver again what nobody has settled, one never is', async () => {
    const prepare: EnqueueOptions['prepare'] = (stream) => {
      stream.ackWaitMs = Number.POSITIVE_INFINITY;
    };
    const { breaches } = await firstBreach(60, { prepare, settleWithinMs: 60_000 });
    expect(breaches.map(({ what }) => what).join()).toContain('not settled');
  });
});
