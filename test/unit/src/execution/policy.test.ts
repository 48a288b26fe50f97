import { describe, expect, it } from 'vitest';

import { MAX_RERUNS, nextStep, policyFor } from '../../../../src/execution/plan.ts';
import { exec, viewOf, type Line } from './fixture.ts';

describe('the policy of a doubt', () => {
  const doubtOf = (
    reason: string,
    interruptions: number,
    onInterrupt?: 'hold' | 'rerun' | 'probe',
  ) => {
    const cell = exec('a', onInterrupt === undefined ? {} : { onInterrupt });
    const lines: Line[] = [];
    for (let attempt = 1; attempt <= interruptions; attempt += 1) {
      if (attempt > 1) lines.push(['decided', 'a', attempt - 1, { as: 'rerun', by: '@policy' }]);
      lines.push(['started', 'a', attempt], ['interrupted', 'a', attempt, { reason }]);
    }
    const { state } = viewOf([cell], ...lines);
    if (state.doubt === undefined) throw new Error('no doubt');
    return policyFor(cell, state.doubt, state.cells.get('a'));
  };

  it('is hold unless the cell says otherwise', () => {
    expect(doubtOf('crash', 1)).toBe('hold');
    expect(doubtOf('timeout', 1, 'hold')).toBe('hold');
    expect(doubtOf('crash', 1, 'rerun')).toBe('rerun');
    expect(doubtOf('aborted', 1, 'probe')).toBe('probe');
  });

  it.each(['hold', 'rerun', 'probe'] as const)(
    'is rerun for what never began, also for a %s cell',
    (policy) => {
      expect(doubtOf('not_started', 1, policy)).toBe('rerun');
      expect(doubtOf('not_started', MAX_RERUNS + 5, policy)).toBe('rerun');
    },
  );

  it('is hold for a rerun cell that was interrupted too often in a row: it may be what kills replicas', () => {
    expect(doubtOf('crash', MAX_RERUNS - 1, 'rerun')).toBe('rerun');
    expect(doubtOf('crash', MAX_RERUNS, 'rerun')).toBe('hold');
  });

  it('is hold if its expect could not be evaluated, whatever the cell says', () => {
    for (const policy of ['hold', 'rerun', 'probe'] as const)
      expect(doubtOf('unverified', 1, policy)).toBe('hold');
  });

  it('a rerun honours the backoff of the cell’s retry', () => {
    const cell = exec('a', { onInterrupt: 'rerun', retry: { attempts: 1, backoff: '3s' } });
    const lines = (attempt: number): Line[] => [
      ['started', 'a', attempt],
      ['interrupted', 'a', attempt, { reason: 'crash' }],
      ['decided', 'a', attempt, { as: 'rerun', by: '@policy' }],
    ];
    expect(nextStep(viewOf([cell], ...lines(1)))).toMatchObject({ backoffMs: 3_000 });
    expect(nextStep(viewOf([cell], ...lines(1), ...lines(2)))).toMatchObject({ backoffMs: 6_000 });
  });

  it('a rerun after several interruptions waits ever longer, up to 5 s', () => {
    const backoffs = [1, 2, 3, 4, 9].map((interruptions) => {
      const lines: Line[] = [];
      for (let attempt = 1; attempt <= interruptions; attempt += 1) {
        lines.push(
          ['started', 'a', attempt],
          ['interrupted', 'a', attempt, { reason: 'crash' }],
          ['decided', 'a', attempt, { as: 'rerun', by: '@policy' }],
        );
      }
      const step = nextStep(viewOf([exec('a', { onInterrupt: 'rerun' })], ...lines));
      return step.do === 'start' ? step.backoffMs : undefined;
    });
    expect(backoffs).toEqual([0, 200, 400, 800, 5_000]);
  });
});
