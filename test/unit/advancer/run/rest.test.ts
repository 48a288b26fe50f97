import { describe, expect, it } from 'vitest';

import { restOf, type Parked } from '../../../../advancer/run/rest.ts';
import type { InstanceView } from '../../../../src/execution/plan.ts';
import type { Row } from '../../../../src/execution/row.ts';
import { foldRows } from '../../../../src/execution/state.ts';

const recordedAt = '2030-01-31T12:00:00.000000Z';

function view(rows: Partial<Row>[]): InstanceView {
  const full = rows.map((row, index): Row => ({
    instanceId: 'i',
    seq: index + 1,
    fencingToken: 1,
    replicaId: 'r',
    kind: 'started',
    cellId: 'a',
    attempt: 1,
    requestId: null,
    agentId: null,
    body: { idempotencyKey: 'i/a/1' },
    recordedAt,
    ...row,
  }));
  const cell = { id: 'a', exec: { handler: 'any' }, retry: { attempts: 2, backoff: '10s' } };
  const runbook = { runbook: 'b', version: 1, inputs: [], cells: [cell] };
  return { runbook, inputs: {}, recordedAt, state: foldRows(full) };
}

describe('what brings an unattended instance back', () => {
  it('is the claim that it waits for, its deadline, or the end of its pause', () => {
    const awaiting = { cellId: 'a', claimId: 'c', statuses: ['open'], currentStatus: 'closed' };
    const claim = { claimId: 'c', statuses: ['open'], revision: 3 };
    const until = '2030-01-31T13:00:00.000001Z';
    const parked: [Parked, unknown][] = [
      [{ awaiting, revision: 3 }, { claim }],
      [
        { awaiting: { ...awaiting, until }, revision: 3 },
        { claim, at: { iso: until } },
      ],
      [{ waiting: { cellId: 'a', until } }, { at: { iso: until } }],
      // Their ends are noted.
      [{ children: { cellId: 'a', ended: 1, total: 2 } }, {}],
    ];
    for (const [what, rest] of parked) expect(restOf(view([]), 'parked', what)).toEqual(rest);
  });

  it('is nothing but time when it can go on, and the backoff counts', () => {
    expect(restOf(view([]), 'ready', undefined)).toEqual({ at: { afterMs: 0 } });
    const failed = view([{}, { kind: 'failed', body: { error: { message: 'no' } } }]);
    const rest = restOf(failed, 'ready', undefined);
    expect(rest).toMatchObject({ at: { afterMs: expect.any(Number) } });
    expect((rest as { at: { afterMs: number } }).at.afterMs).toBeGreaterThan(1_000);
  });

  it('is the sweep or a person while it is open, in doubt or halted, and nothing once it has ended', () => {
    for (const status of ['running', 'in_doubt', 'halted'] as const)
      expect(restOf(view([{}]), status, undefined)).toEqual({});
    for (const status of ['completed', 'cancelled'] as const)
      expect(restOf(view([]), status, undefined)).toBe('ended');
  });
});
