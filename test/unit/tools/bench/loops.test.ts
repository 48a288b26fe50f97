import { describe, expect, it } from 'vitest';

import { closedLoop, DONE, EXHAUSTED } from '../../../../tools/bench/closed-loop.ts';
import type { StepResult } from '../../../../tools/bench/closed-loop.ts';
import { openLoop } from '../../../../tools/bench/open-loop.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const LONG_MS = 60_000;

describe('a closed loop', () => {
  it('ends early when what it uses is used up, and says how long it measured', async () => {
    let left = 20;
    const result = await closedLoop(4, LONG_MS, async (): Promise<StepResult> => {
      await pause(1);
      return left-- > 0 ? DONE : EXHAUSTED;
    });
    expect(result.operations).toBeLessThanOrEqual(20);
    expect(result.operations).toBeGreaterThan(10);
    expect(result.elapsedMs).toBeLessThan(LONG_MS / 2);
    expect(result.wrong).toBe(0);
  });

  it('counts what ends within the measured time, though it began before', async () => {
    const result = await closedLoop(
      3,
      300,
      async (): Promise<StepResult> => {
        await pause(200);
        return DONE;
      },
      100,
    );
    // Each agent ends an operation at 200 and at 400 ms, of which the first is surely inside 100 to
    // 400 ms.
    expect(result.operations).toBeGreaterThanOrEqual(3);
    expect(result.operations).toBeLessThanOrEqual(6);
    expect(result.elapsedMs).toBeCloseTo(300);
  });

  it('counts what ended wrongly, keeps the first reason, and gives up where nothing works', async () => {
    let asked = 0;
    const result = await closedLoop(2, LONG_MS, async (): Promise<StepResult> => {
      await Promise.resolve();
      asked += 1;
      return { kind: 'wrong', why: `reason ${asked}` };
    });
    expect(result).toMatchObject({ operations: 0, firstWrong: 'reason 1' });
    expect(result.wrong).toBeGreaterThan(100);
  });
});

describe('an open loop', () => {
  it('counts the wait of what was due while every agent was waiting', async () => {
    let first = true;
    const result = await openLoop(1, 100, 300, async () => {
      // One slow answer, and then only quick ones: a closed loop would have one slow sample.
      if (first) await pause(150);
      first = false;
      return DONE;
    });
    const late = result.latencies.buckets.reduce((sum, [, count]) => sum + count, 0);
    expect(late).toBe(30);
    expect(result.latencies.sumMs).toBeGreaterThan(500);
  });

  it('tells of what it could not ask for in time', async () => {
    const result = await openLoop(1, 1_000, 100, async () => {
      await pause(50);
      return DONE;
    });
    expect(result.behind).toBeGreaterThan(50);
    expect(result.operations + result.behind).toBe(100);
  });
});
