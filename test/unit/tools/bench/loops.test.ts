import { describe, expect, it } from 'vitest';

import { closedLoop, DONE, EXHAUSTED } from '../../../../tools/bench/closed-loop.ts';
import type { StepResult } from '../../../../tools/bench/closed-loop.ts';
import { openLoop } from '../../../../tools/bench/open-loop.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const LONG_MS = 60_000;

describe('a closed loop', () => {
  it('ends early when the prepared instances run out, and says how long it measured', async () => {
    let left = 20;
    const result = await closedLoop(
      { agents: 4, durationMs: LONG_MS },
      async (): Promise<StepResult> => {
        await pause(1);
        return left-- > 0 ? DONE : EXHAUSTED;
      },
    );
    expect(result.operations).toBeLessThanOrEqual(20);
    expect(result.operations).toBeGreaterThan(10);
    expect(result.elapsedMs).toBeLessThan(LONG_MS / 2);
    expect(result.unexpected).toBe(0);
  });

  it('counts an operation that ends within the measured time but began before', async () => {
    const result = await closedLoop(
      { agents: 3, durationMs: 300, leadInMs: 100 },
      async (): Promise<StepResult> => {
        await pause(200);
        return DONE;
      },
    );
    // Each agent ends an operation at 200 and at 400 ms; the first is surely within 100 to 400 ms.
    expect(result.operations).toBeGreaterThanOrEqual(3);
    expect(result.operations).toBeLessThanOrEqual(6);
    expect(result.elapsedMs).toBeCloseTo(300);
  });

  it('counts unexpected ends, keeps the first reason, and gives up when nothing works', async () => {
    let asked = 0;
    const result = await closedLoop(
      { agents: 2, durationMs: LONG_MS },
      async (): Promise<StepResult> => {
        await Promise.resolve();
        asked += 1;
        return { kind: 'unexpected', why: `reason ${asked}` };
      },
    );
    expect(result).toMatchObject({ operations: 0, firstUnexpected: 'reason 1' });
    expect(result.unexpected).toBeGreaterThan(100);
  });
});

describe('an open loop', () => {
  it('counts the delay of operations that fell due while every agent was waiting', async () => {
    let first = true;
    const result = await openLoop({ agents: 1, perS: 100, durationMs: 300 }, async () => {
      // One slow answer, then only fast ones: a closed loop would have one slow sample.
      if (first) await pause(150);
      first = false;
      return DONE;
    });
    const late = result.latencies.buckets.reduce((sum, [, count]) => sum + count, 0);
    expect(late).toBe(30);
    expect(result.latencies.sumMs).toBeGreaterThan(500);
  });

  it('reports the operations that it could not send in time', async () => {
    const result = await openLoop({ agents: 1, perS: 1_000, durationMs: 100 }, async () => {
      await pause(50);
      return DONE;
    });
    expect(result.notSent).toBeGreaterThan(50);
    expect(result.operations + result.notSent).toBe(100);
  });
});
