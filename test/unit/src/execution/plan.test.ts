import { describe, expect, it } from 'vitest';

import { judgeAwait } from '../../../../src/execution/await.ts';
import { nextCell, nextStep } from '../../../../src/execution/plan.ts';
import { MAX_RETRY_AFTER_MS } from '../../../../src/execution/retry.ts';
import type { AssertCell } from '../../../../src/runbook/cells.ts';
import type { AwaitCell, Cell } from '../../../../src/runbook/runbook.ts';
import { viewOf, exec, type Line } from './fixture.ts';

const GATE: AwaitCell = {
  id: 'gate',
  await: { claim: 'refund-${inputs.order}', statuses: ['open', '${inputs.order}'] },
};
const CHECK: AssertCell = { id: 'check', assert: [{ cell: 'a', pointer: '/count', equals: 1 }] };
const PROSE: Cell = { id: 'text', prose: 'Words.' };

const ran = (cellId: string, output: number = 1): Line[] => [
  ['started', cellId, 1],
  ['completed', cellId, 1, { output: { count: output } }],
];

describe('the next cell', () => {
  it('is the first that is not through, in the order of the document, prose left out', () => {
    const cells = [PROSE, exec('a'), exec('b')];
    expect(nextStep(viewOf(cells))).toMatchObject({
      do: 'start',
      cell: { id: 'a' },
      attempt: 1,
      backoffMs: 0,
    });
    expect(nextStep(viewOf(cells, ...ran('a')))).toMatchObject({ do: 'start', cell: { id: 'b' } });
    expect(nextStep(viewOf(cells, ...ran('a'), ...ran('b')))).toEqual({ do: 'complete' });
  });

  it('is never one behind a cell that is not satisfied', () => {
    const after = viewOf(
      [exec('a'), exec('b')],
      ['started', 'a', 1],
      ['failed', 'a', 1, { error: 'no' }],
    );
    expect(nextCell(after.runbook, after.state)?.id).toBe('a');
    expect(nextStep(after).do).toBe('halt');
  });

  it('comes after a skipped one', () => {
    const cells = [exec('a'), exec('b')];
    const skipped = viewOf(
      cells,
      ['started', 'a', 1],
      ['interrupted', 'a', 1, { reason: 'crash' }],
      ['decided', 'a', 1, { as: 'skipped', by: 'person' }],
    );
    expect(nextStep(skipped)).toMatchObject({ do: 'start', cell: { id: 'b' } });
  });

  it('there is none in a runbook of prose alone: it is complete', () => {
    expect(nextStep(viewOf([PROSE]))).toEqual({ do: 'complete' });
  });

  it('is a bug to ask for where the log names a cell that the runbook does not have', () => {
    expect(() => nextStep(viewOf([exec('a')], ['started', 'z', 1]))).toThrow('the log names z');
  });
});

describe('an open attempt', () => {
  it('is closed before anything else happens', () => {
    const open = viewOf([exec('a'), exec('b')], ...ran('a'), ['started', 'b', 1]);
    expect(nextStep(open)).toMatchObject({
      do: 'close',
      cell: { id: 'b' },
      open: {
        cellId: 'b',
        attempt: 1,
        requestId: 'q1',
        replicaId: 'a-00000001',
        idempotencyKey: 'i/b/1',
      },
    });
  });
});

describe('an interrupted attempt', () => {
  it('is settled before anything else happens', () => {
    const doubt = viewOf(
      [exec('a')],
      ['started', 'a', 1],
      ['interrupted', 'a', 1, { reason: 'timeout' }],
    );
    expect(nextStep(doubt)).toMatchObject({
      do: 'settle',
      doubt: { cellId: 'a', attempt: 1, reason: 'timeout', idempotencyKey: 'i/a/1' },
    });
  });

  it.each([
    ['rerun', { do: 'start', attempt: 2, backoffMs: 0 }],
    ['failed', { do: 'halt' }],
    ['succeeded', { do: 'complete' }],
    ['skipped', { do: 'complete' }],
  ])('decided as %s', (as, expected) => {
    const decided = viewOf(
      [exec('a')],
      ['started', 'a', 1],
      ['interrupted', 'a', 1, { reason: 'crash' }],
      ['decided', 'a', 1, { as, by: 'person' }],
    );
    expect(nextStep(decided)).toMatchObject(expected);
  });

  it('decided as failed is retried where the cell has retries left', () => {
    const decided = viewOf(
      [exec('a', { retry: { attempts: 2 } })],
      ['started', 'a', 1],
      ['interrupted', 'a', 1, { reason: 'crash' }],
      ['decided', 'a', 1, { as: 'failed', by: 'person', reason: 'it did not work' }],
    );
    expect(nextStep(decided)).toMatchObject({ do: 'start', attempt: 2, backoffMs: 200 });
  });
});

describe('a definite failure', () => {
  const failures = (count: number): Line[] =>
    Array.from({ length: count }, (_, index) => [
      ['started', 'a', index + 1] as Line,
      ['failed', 'a', index + 1, { error: { message: 'no' } }] as Line,
    ]).flat();

  it('halts where the cell has no retry, and says why', () => {
    expect(nextStep(viewOf([exec('a')], ...failures(1)))).toEqual({
      do: 'halt',
      cell: exec('a'),
      attempt: 1,
      why: 'failed once: no',
    });
  });

  it('is retried after a backoff that doubles, up to a minute', () => {
    const cell = exec('a', { retry: { attempts: 100, backoff: '10s' } });
    const backoffs = [1, 2, 3, 4, 40].map((count) => nextStep(viewOf([cell], ...failures(count))));
    expect(backoffs.map((step) => step.do === 'start' && [step.attempt, step.backoffMs])).toEqual([
      [2, 10_000],
      [3, 20_000],
      [4, 40_000],
      [5, 60_000],
      [41, 60_000],
    ]);
  });

  it('is not retried if the effect happened, however many attempts are left', () => {
    const cell = exec('a', { retry: { attempts: 9 } });
    const unexpected = viewOf(
      [cell],
      ['started', 'a', 1],
      ['failed', 'a', 1, { error: { message: 'no' }, happened: true }],
    );
    expect(nextStep(unexpected)).toEqual({
      do: 'halt',
      cell,
      attempt: 1,
      why: 'happened, but not as expected: no',
    });
  });

  it('waits as long as the receiver asked, up to five minutes', () => {
    const cell = exec('a', { retry: { attempts: 9, backoff: '1s' }, onInterrupt: 'rerun' });
    const backoffs = [100, 30_000, 999_999].flatMap((retryAfterMs) => [
      viewOf([cell], ['started', 'a', 1], ['failed', 'a', 1, { notBegun: true, retryAfterMs }]),
      viewOf(
        [cell],
        ['started', 'a', 1],
        ['interrupted', 'a', 1, { reason: 'crash', retryAfterMs }],
        ['decided', 'a', 1, { as: 'rerun', by: '@policy' }],
      ),
    ]);
    expect(backoffs.map((view) => (nextStep(view) as { backoffMs: number }).backoffMs)).toEqual([
      1_000,
      1_000,
      30_000,
      30_000,
      MAX_RETRY_AFTER_MS,
      MAX_RETRY_AFTER_MS,
    ]);
  });

  it('is retried at once, whatever the receiver asked, if a person says so', () => {
    const view = viewOf(
      [exec('a')],
      ['started', 'a', 1],
      ['interrupted', 'a', 1, { reason: 'crash', retryAfterMs: 30_000 }],
      ['decided', 'a', 1, { as: 'rerun', by: 'person' }],
    );
    expect(nextStep(view)).toMatchObject({ do: 'start', backoffMs: 0 });
  });

  it('halts once its attempts are used up, which counts failures and not interruptions', () => {
    const cell = exec('a', { retry: { attempts: 2 }, onInterrupt: 'rerun' });
    expect(nextStep(viewOf([cell], ...failures(2)))).toMatchObject({ do: 'halt' });
    const mixed = viewOf(
      [cell],
      ['started', 'a', 1],
      ['interrupted', 'a', 1, { reason: 'crash' }],
      ['decided', 'a', 1, { as: 'rerun', by: '@policy' }],
      ['started', 'a', 2],
      ['failed', 'a', 2, { error: 'no' }],
    );
    expect(nextStep(mixed)).toMatchObject({ do: 'start', attempt: 3 });
  });

  it('counts from the last decision by an agent', () => {
    const cell = exec('a', { retry: { attempts: 2 } });
    const decided = (as: string, by: string) =>
      viewOf(
        [cell],
        ...failures(1),
        ['started', 'a', 2],
        ['interrupted', 'a', 2, { reason: 'crash' }],
        ['decided', 'a', 2, { as, by, reason: 'x' }],
      );
    expect(nextStep(decided('failed', 'person'))).toMatchObject({ do: 'start', attempt: 3 });
    expect(nextStep(decided('failed', '@late-outcome'))).toMatchObject({ do: 'halt' });
  });
});

describe('an await', () => {
  it('names its claim and statuses with their placeholders filled', () => {
    expect(nextStep(viewOf([GATE]))).toMatchObject({
      do: 'await',
      claimId: 'refund-o1',
      statuses: ['open', 'o1'],
    });
  });

  it('whose claim cannot be named refutes', () => {
    const missing: Cell = { id: 'gate', await: { claim: '${inputs.nothing}', statuses: ['open'] } };
    expect(nextStep(viewOf([missing]))).toMatchObject({ do: 'refute', cell: { id: 'gate' } });
    const noId: Cell = { id: 'gate', await: { claim: 'a b', statuses: ['open'] } };
    expect(nextStep(viewOf([noId]))).toMatchObject({
      do: 'refute',
      body: { error: '"a b" is not a claim id' },
    });
  });

  const step = nextStep(viewOf([GATE]));
  if (step.do !== 'await') throw new Error(step.do);

  it('goes on once the claim is in a wanted status, and records what it saw', () => {
    const claim = { revision: 3, status: 'o1', agentId: 'bob', evidence: { why: 'paid' } };
    expect(judgeAwait(step, claim, false)).toEqual({
      do: 'satisfy',
      body: { claimId: 'refund-o1', ...claim },
    });
    expect(judgeAwait(step, { revision: 1, status: 'open', agentId: 'bob' }, false)).toMatchObject({
      body: { evidence: null },
    });
  });

  it('parks at any other status, and at a claim that was never made', () => {
    const awaiting = { cellId: 'gate', claimId: 'refund-o1', statuses: ['open', 'o1'] };
    expect(judgeAwait(step, undefined, false)).toEqual({
      do: 'park',
      awaiting: { ...awaiting, currentStatus: null },
    });
    expect(judgeAwait(step, { revision: 1, status: 'Open', agentId: 'bob' }, false)).toEqual({
      do: 'park',
      awaiting: { ...awaiting, currentStatus: 'Open' },
    });
  });
});

describe('an assert', () => {
  it('that holds satisfies, and records what it saw', () => {
    expect(nextStep(viewOf([exec('a'), CHECK], ...ran('a')))).toEqual({
      do: 'satisfy',
      cell: CHECK,
      attempt: 1,
      body: { checks: [{ cell: 'a', pointer: '/count', equals: 1, actual: 1, held: true }] },
    });
  });

  it('that is false refutes, and a refuted one halts for good', () => {
    const cells = [exec('a'), CHECK, exec('b')];
    expect(nextStep(viewOf(cells, ...ran('a', 2)))).toMatchObject({
      do: 'refute',
      cell: { id: 'check' },
    });
    const refuted = viewOf(cells, ...ran('a', 2), ['refuted', 'check', 1, { checks: [] }]);
    expect(nextStep(refuted)).toMatchObject({ do: 'halt', cell: { id: 'check' } });
  });
});
