import { describe, expect, it } from 'vitest';

import {
  awaitOf,
  dueIso,
  judgeAwait,
  judgeWait,
  type AwaitStep,
  type WaitStep,
} from '../../../../src/execution/await.ts';
import type { AwaitCell } from '../../../../src/runbook/runbook.ts';

const SINCE = '2030-01-31T12:00:00.123456Z';
const SCOPE = {
  inputs: { order: 'o1', wait: '2h', at: '2030-02-01T10:30:00+01:00', n: 7 },
  outputs: {},
};

function stepOf(wanted: AwaitCell['await']): AwaitStep | WaitStep | { error: string } {
  return awaitOf({ id: 'gate', await: wanted }, 3, SCOPE, SINCE);
}

function awaitStep(more: {
  within?: string;
  until?: string;
  otherwise?: 'halt' | 'skip';
}): AwaitStep {
  const step = stepOf({ claim: 'go-${inputs.order}', statuses: ['yes'], ...more });
  if ('error' in step || step.do !== 'await') throw new Error(JSON.stringify(step));
  return step;
}

describe('a claim', () => {
  it('without a deadline is waited for as long as it takes', () => {
    expect(awaitStep({})).toMatchObject({ attempt: 3, claimId: 'go-o1', deadline: undefined });
    expect(judgeAwait(awaitStep({}), undefined, true)).toEqual({
      do: 'park',
      awaiting: { cellId: 'gate', claimId: 'go-o1', statuses: ['yes'], currentStatus: null },
    });
  });

  it('with a deadline says when it is', () => {
    expect(awaitStep({ within: '${inputs.wait}' }).deadline).toEqual({
      sinceIso: SINCE,
      afterMs: 7_200_000,
    });
    expect(judgeAwait(awaitStep({ within: '2h' }), undefined, false)).toMatchObject({
      awaiting: { until: '2030-01-31T14:00:00.123456Z' },
    });
    expect(awaitStep({ until: '${inputs.at}' }).deadline).toEqual({
      atIso: '2030-02-01T09:30:00.000000Z',
    });
  });

  it('wins over its deadline if it is there', () => {
    const made = { revision: 2, status: 'yes', agentId: 'bob' };
    for (const isDue of [true, false]) {
      expect(judgeAwait(awaitStep({ within: '2h', otherwise: 'skip' }), made, isDue)).toEqual({
        do: 'satisfy',
        body: { claimId: 'go-o1', ...made, evidence: null },
      });
    }
  });

  it.each([
    ['halt', 'refute'],
    ['skip', 'skip'],
  ] as const)('that misses its deadline follows otherwise: %s', (otherwise, verdict) => {
    const claim = { revision: 1, status: 'no', agentId: 'bob' };
    expect(judgeAwait(awaitStep({ within: '2h', otherwise }), claim, true)).toEqual({
      do: verdict,
      body: { deadline: '2030-01-31T14:00:00.123456Z', claimId: 'go-o1', currentStatus: 'no' },
    });
  });

  it('halts past its deadline unless the cell says otherwise', () => {
    expect(awaitStep({ within: '2h' }).otherwise).toBe('halt');
  });
});

describe('a pause', () => {
  it('ends a while after it began, or at a moment', () => {
    expect(stepOf({ for: '10m' })).toMatchObject({
      do: 'wait',
      attempt: 3,
      until: { sinceIso: SINCE, afterMs: 600_000 },
    });
    expect(stepOf({ until: '2030-02-01T09:30Z' })).toMatchObject({
      do: 'wait',
      until: { atIso: '2030-02-01T09:30:00.000000Z' },
    });
  });

  it('parks until it is due, and then is satisfied', () => {
    const step = stepOf({ for: '10m' }) as WaitStep;
    const until = '2030-01-31T12:10:00.123456Z';
    expect(judgeWait(step, false)).toEqual({ do: 'park', waiting: { cellId: 'gate', until } });
    expect(judgeWait(step, true)).toEqual({ do: 'satisfy', body: { until } });
  });

  it('may be longer than a timer could be', () => {
    const step = stepOf({ for: '400d' }) as WaitStep;
    expect(dueIso(step.until)).toBe('2031-03-07T12:00:00.123456Z');
  });
});

it.each([
  [{ for: '${inputs.order}' }, '"o1" is not a duration'],
  [{ for: '${inputs.n}' }, '7 is not a duration'],
  [{ until: '${inputs.order}' }, '"o1" is not a time with its zone'],
  [{ until: '${inputs.missing}' }, 'inputs has no missing'],
  [{ claim: 'c', statuses: ['yes'], within: '${inputs.at}' }, 'is not a duration'],
  [{ claim: 'a b', statuses: ['yes'] }, '"a b" is not a claim id'],
])('a value that cannot be read is named: %j', (wanted, message) => {
  expect(stepOf(wanted)).toEqual({ error: expect.stringContaining(message) as string });
});

it('a moment keeps its microseconds, or none where it has none', () => {
  expect(dueIso({ sinceIso: '2030-01-31T23:59:59.999999Z', afterMs: 1 })).toBe(
    '2030-02-01T00:00:00.000999Z',
  );
  expect(dueIso({ sinceIso: '2030-01-31T12:00:00.5Z', afterMs: 500 })).toBe(
    '2030-01-31T12:00:01.000Z',
  );
});
