import { describe, expect, it } from 'vitest';

import { nextStep } from '../../../../src/execution/plan.ts';
import { retryBackoffMs } from '../../../../src/execution/retry.ts';
import type { ExecCell } from '../../../../src/runbook/runbook.ts';
import { exec, viewOf, type Line } from './fixture.ts';

type Retry = NonNullable<ExecCell['retry']>;

const failures = (count: number): Line[] =>
  Array.from({ length: count }, (_, index): Line[] => [
    ['started', 'a', index + 1],
    ['failed', 'a', index + 1, { error: 'no' }],
  ]).flat();

function waitsOf(retry: Omit<Retry, 'attempts'>, counts: number[]): number[] {
  const cell = exec('a', { retry: { attempts: 100, ...retry } });
  return counts.map((count) => {
    const step = nextStep(viewOf([cell], ...failures(count)));
    if (step.do !== 'start') throw new Error(step.do);
    return step.backoffMs;
  });
}

describe('the wait before a retry', () => {
  it('grows by the cell’s factor', () => {
    expect(waitsOf({ backoff: '1s', factor: 3 }, [1, 2, 3])).toEqual([1_000, 3_000, 9_000]);
    expect(waitsOf({ backoff: '1s', factor: 1 }, [1, 2, 9])).toEqual([1_000, 1_000, 1_000]);
    expect(waitsOf({ backoff: '1s', factor: 1.5 }, [1, 2, 3])).toEqual([1_000, 1_500, 2_250]);
  });

  it('is never longer than the cell’s maxBackoff, which may be longer than the default of a minute', () => {
    expect(waitsOf({ backoff: '1s', maxBackoff: '3s' }, [1, 2, 3, 50])).toEqual([
      1_000, 2_000, 3_000, 3_000,
    ]);
    expect(waitsOf({ backoff: '1m', maxBackoff: '1h' }, [1, 3, 99])).toEqual([
      60_000, 240_000, 3_600_000,
    ]);
  });

  it('is at least the cell’s own backoff, if that is longer than the default of a minute', () => {
    expect(waitsOf({ backoff: '5m' }, [1, 2, 9])).toEqual([300_000, 300_000, 300_000]);
    expect(waitsOf({ backoff: '2d', factor: 10 }, [1, 2])).toEqual([172_800_000, 172_800_000]);
    expect(waitsOf({ backoff: '40s' }, [1, 2, 3])).toEqual([40_000, 60_000, 60_000]);
  });

  it('is shortened by at most the share that jitter says', () => {
    for (const wait of waitsOf({ backoff: '10s', factor: 1, jitter: 0.2 }, [1, 2, 3, 4, 5, 6])) {
      expect(wait).toBeGreaterThanOrEqual(8_000);
      expect(wait).toBeLessThanOrEqual(10_000);
    }
  });

  it('differs with jitter between attempts, cells and instances, and never between two looks', () => {
    const { state } = viewOf([exec('a')], ...failures(1));
    const record = state.cells.get('a')!;
    const wait = (id: string, instanceId: string, attempts = 1): number => {
      const cell = exec(id, { retry: { attempts: 9, backoff: '1h', maxBackoff: '1h', jitter: 1 } });
      return retryBackoffMs(cell, { ...record, attempts }, instanceId);
    };
    expect(wait('a', 'i')).toBe(wait('a', 'i'));
    const waits = [wait('a', 'i'), wait('b', 'i'), wait('a', 'j'), wait('a', 'i', 2)];
    expect(new Set(waits).size).toBe(4);
  });

  it('has the same growth before an interrupted attempt is run again', () => {
    const retry = { attempts: 1, backoff: '1s', factor: 10, maxBackoff: '30s' };
    const cell = exec('a', { onInterrupt: 'rerun', retry });
    const cut = (attempt: number): Line[] => [
      ['started', 'a', attempt],
      ['interrupted', 'a', attempt, { reason: 'crash' }],
      ['decided', 'a', attempt, { as: 'rerun', by: '@policy' }],
    ];
    const waits = [1, 2, 3].map((count) => {
      const lines = Array.from({ length: count }, (_, index) => cut(index + 1)).flat();
      const step = nextStep(viewOf([cell], ...lines));
      return step.do === 'start' ? step.backoffMs : undefined;
    });
    expect(waits).toEqual([1_000, 10_000, 30_000]);
  });
});
