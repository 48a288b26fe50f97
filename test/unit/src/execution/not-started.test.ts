import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { mayStart, notStartedBackoffMs } from '../../../../src/execution/not-started.ts';
import { nextIdempotencyKey } from '../../../../src/execution/state.ts';
import { exec, viewOf, type Line } from './fixture.ts';

const A = 'a-00000001';
const [B, C] = ['b-00000002', 'c-00000003'];

/** An attempt that a replica could not begin. */
function unbegun(attempt: number, replicaId: string, wrongReplica = true): Line[] {
  const body = { reason: 'not_started', detail: 'EMFILE', ...(wrongReplica && { wrongReplica }) };
  return [
    ['started', 'a', attempt, {}, { replicaId }],
    ['interrupted', 'a', attempt, body, { replicaId }],
    ['decided', 'a', attempt, { as: 'rerun', by: '@policy' }, { replicaId }],
  ];
}

function recordOf(...lines: Line[]) {
  return viewOf([exec('a')], ...lines).state.cells.get('a')!;
}

describe('attempts that never began', () => {
  it('are counted, with the replicas that could not begin them', () => {
    const record = recordOf(...unbegun(1, A), ...unbegun(2, B), ...unbegun(3, B));
    expect(record.notStarted).toEqual({ count: 3, by: [A, B], why: 'EMFILE' });
  });

  it('use up no retry, count as no interruption, and keep the idempotency key', () => {
    const failed: Line[] = [
      ['started', 'a', 1],
      ['failed', 'a', 1, { error: { message: 'no' } }],
    ];
    const record = recordOf(...failed, ...unbegun(2, A));
    expect(record).toMatchObject({ failures: 1, interruptions: 0 });
    expect(nextIdempotencyKey('i', 'a', record)).toBe('i/a/2');
  });

  it('name no replica whose term ended before the effect began', () => {
    expect(recordOf(...unbegun(1, A, false)).notStarted).toMatchObject({ count: 1, by: [] });
  });

  it.each<[string, Line[]]>([
    ['failed', [['failed', 'a', 2, {}]]],
    ['completed', [['completed', 'a', 2, {}]]],
    ['was interrupted', [['interrupted', 'a', 2, { reason: 'crash' }]]],
  ])('are forgotten once one that began %s', (_, closed) => {
    expect(recordOf(...unbegun(1, A), ['started', 'a', 2], ...closed).notStarted).toBeUndefined();
  });
});

describe('the next attempt', () => {
  const tried = (by: string[], count = by.length) => ({ count, by, why: 'EMFILE' });

  it('waits 200 ms, and twice as long each time, up to a minute', () => {
    expect([1, 2, 3, 8, 9, 10, 50].map(notStartedBackoffMs)).toEqual([
      200, 400, 800, 25_600, 51_200, 60_000, 60_000,
    ]);
  });

  it('is made by a replica that has not tried, after the wait', () => {
    expect(mayStart(undefined, A, [A], 0)).toEqual({ kind: 'start', afterMs: 0 });
    expect(mayStart(tried([A]), B, [A, B], 150)).toEqual({ kind: 'start', afterMs: 50 });
    expect(mayStart(tried([A]), A, [A, B], 150)).toEqual({ kind: 'elsewhere', forMs: 50 });
  });

  it('is made by nobody once every live replica has tried, until the wait is over', () => {
    const all = tried([A, B]);
    expect(mayStart(all, A, [A, B], 0)).toEqual({ kind: 'unavailable', forMs: 400 });
    expect(mayStart(all, B, [A, B], 399)).toEqual({ kind: 'unavailable', forMs: 1 });
    expect(mayStart(all, B, [A, B], 400)).toEqual({ kind: 'start', afterMs: 0 });
  });

  it('is made by a replica that joins, although the others have tried', () => {
    expect(mayStart(tried([A, B]), A, [A, B, C], 0)).toMatchObject({ kind: 'elsewhere' });
    expect(mayStart(tried([A, B]), C, [A, B, C], 0)).toEqual({ kind: 'start', afterMs: 400 });
  });

  it('never loops: however often replicas ask, a cell that none can run writes little', () => {
    const ids = [A, B, C];
    const question = fc.record({ replica: fc.constantFrom(...ids), passMs: fc.nat(400) });
    const waits = fc.property(
      fc.subarray(ids, { minLength: 1 }),
      fc.array(question, { minLength: 200, maxLength: 400 }),
      (live, questions) => {
        let [nowMs, newestMs] = [0, 0];
        let notStarted: ReturnType<typeof tried> | undefined;
        const waitedMs: number[] = [];
        for (const { replica, passMs } of questions) {
          nowMs += passMs;
          if (!live.includes(replica)) continue;
          const may = mayStart(notStarted, replica, live, nowMs - newestMs);
          if (may.kind !== 'start') continue;
          nowMs += may.afterMs;
          waitedMs.push(nowMs - newestMs);
          newestMs = nowMs;
          const by = new Set([...(notStarted?.by ?? []), replica]);
          notStarted = tried([...by], (notStarted?.count ?? 0) + 1);
        }
        return waitedMs.every(
          (waited, count) => count === 0 || waited >= notStartedBackoffMs(count),
        );
      },
    );
    expect(() => fc.assert(waits)).not.toThrow();
  });
});
