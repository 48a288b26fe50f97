import { describe, expect, it } from 'vitest';

import { ProjectionLag } from '../../../../advancer/run/projection-lag.ts';
import type { InstanceStatus } from '../../../../src/execution/status.ts';

/** Commits an append that takes no time; says whether its line waits. */
function commit(lag: ProjectionLag, status: InstanceStatus, nowMs: number): boolean {
  const waits = lag.mayWait(status, nowMs);
  lag.committed(status, waits, nowMs, nowMs);
  return waits;
}

describe('the line of an instance', () => {
  it('may be older than a log that was just read, whatever it says', () => {
    expect(new ProjectionLag().lags).toBe(true);
  });

  it('is written with the first intent, and waits while others follow within 250 ms', () => {
    const lag = new ProjectionLag();
    expect(commit(lag, 'running', 1_000)).toBe(false);
    expect(lag.lags).toBe(false);
    expect(commit(lag, 'running', 1_249)).toBe(true);
    expect(lag.lags).toBe(true);
    // Counted from the write, not from the last append.
    expect(commit(lag, 'running', 1_250)).toBe(false);
  });

  it('waits where the instance becomes ready again within 250 ms, counted from the last time', () => {
    const lag = new ProjectionLag();
    expect(commit(lag, 'ready', 1_000)).toBe(false);
    expect(commit(lag, 'ready', 1_200)).toBe(true);
    expect(commit(lag, 'ready', 1_400)).toBe(true);
    expect(commit(lag, 'ready', 1_650)).toBe(false);
  });

  it.each(['parked', 'in_doubt', 'halted', 'completed'] as const)(
    'never waits when it is %s',
    (status) => {
      const lag = new ProjectionLag();
      commit(lag, 'running', 1_000);
      commit(lag, 'ready', 1_001);
      expect(commit(lag, status, 1_002)).toBe(false);
      expect(lag.lags).toBe(false);
    },
  );

  it('that is written as something else no longer says running: the next intent is written', () => {
    const lag = new ProjectionLag();
    commit(lag, 'running', 1_000);
    commit(lag, 'parked', 1_010);
    expect(commit(lag, 'running', 1_020)).toBe(false);
  });

  it('that was written late may say ready: the next intent is written', () => {
    const lag = new ProjectionLag();
    commit(lag, 'running', 1_000);
    lag.written();
    expect(lag.lags).toBe(false);
    expect(commit(lag, 'running', 1_010)).toBe(false);
  });

  it('is still due when its append was refused: only a commit counts as running or ready', () => {
    const lag = new ProjectionLag();
    expect(lag.mayWait('running', 1_000)).toBe(false);
    expect(lag.mayWait('running', 1_010)).toBe(false);
    expect(lag.mayWait('ready', 1_020)).toBe(false);
  });

  it('is written 100 ms after the instance became ready, at once if it never did', () => {
    const lag = new ProjectionLag();
    expect(lag.atRest(0)).toBe(true);
    commit(lag, 'ready', 1_000);
    expect(lag.atRest(1_099)).toBe(false);
    expect(lag.atRest(1_100)).toBe(true);
    expect(lag.atRest(Number.POSITIVE_INFINITY)).toBe(true);
  });
});
