import { describe, expect, it } from 'vitest';

import { receiptText } from '../../../cli/render/receipt.ts';
import { rowText } from '../../../cli/render/row.ts';
import { statusText } from '../../../cli/render/status.ts';
import type { WireRow } from '../../../src/execution/row.ts';
import type { Receipt } from '../../../src/request/receipt.ts';
import type { StatusReply } from '../../../src/request/status-reply.ts';

const NOW = Date.parse('2030-01-01T00:00:00Z');
const plain = { color: false };
const UNWINDING = { by: 'judge', reason: 'wrong order' };

const receipt = (more: Partial<Receipt>): string =>
  receiptText(
    {
      requestId: 'q-1',
      instanceId: 'refund-7',
      outcome: 'parked',
      steps: [],
      nextCellId: null,
      holder: null,
      ...more,
    },
    plain,
    NOW,
  );

const status = (more: Partial<StatusReply>): string =>
  statusText(
    {
      instanceId: 'refund-7',
      runbookId: 'refund',
      version: 1,
      status: 'cancelled',
      nextCellId: null,
      holder: null,
      lastSeq: 3,
      cells: [{ cellId: 'charge', type: 'exec', state: 'satisfied', attempt: 1 }],
      ...more,
    },
    plain,
    NOW,
  );

describe('a wait on the screen', () => {
  const until = '2030-01-01T00:10:00.000000Z';

  it('says until when, and what to do then', () => {
    const text = receipt({ waiting: { cellId: 'soak', until } });
    expect(text).toContain(`parked at soak: it waits until ${until} (in 10 min)`);
    expect(text).toContain('next, when the time has come: leasehold advance refund-7');
    expect(status({ status: 'parked', waiting: { cellId: 'soak', until } })).toContain(until);
  });

  it('for a claim names its deadline', () => {
    const awaiting = { cellId: 'ok', claimId: 'go', statuses: ['yes'], currentStatus: null, until };
    expect(receipt({ awaiting })).toContain(`(now: not set), until ${until} (in 10 min)`);
  });
});

describe('an instance on the screen that is', () => {
  it('being undone says for whom and why', () => {
    const undone = 'being undone, by judge: wrong order';
    expect(receipt({ outcome: 'advanced', unwinding: UNWINDING })).toContain(undone);
    expect(status({ status: 'ready', unwinding: UNWINDING })).toContain(undone);
    expect(receipt({ outcome: 'cancelled', unwinding: UNWINDING })).not.toContain(undone);
  });

  it('cancelled says by whom, why, and what nobody knows', () => {
    const lateOutcome = { kind: 'completed', replicaId: 'r-1' } as const;
    const left = [
      { cellId: 'charge', attempt: 1 },
      { cellId: 'ship', attempt: 2, happened: true, lateOutcome } as const,
    ];
    const text = status({ cancelled: { ...UNWINDING, left } });
    expect(text).toContain('cancelled by judge: wrong order');
    expect(text).toContain(
      'attempt 1 of charge was left in doubt: whether its effect happened is unknown',
    );
    expect(text).toContain(
      'attempt 2 of ship was left in doubt: its effect happened; r-1 reported completed later',
    );
  });

  it('halted shows how to go on, if the attempt is known', () => {
    const steps = [{ seq: 4, cellId: 'charge', kind: 'failed', attempt: 2 }] as const;
    const halted = receipt({ outcome: 'halted', nextCellId: 'charge', steps: [...steps] });
    expect(halted).toContain('leasehold decide refund-7 --cell charge --attempt 2 --as rerun');
    expect(halted).toContain('leasehold cancel refund-7 --reason');
    expect(receipt({ outcome: 'halted', nextCellId: 'charge' })).not.toContain('decide');
  });
});

it('a row about the instance names no cell', () => {
  const row: WireRow = {
    instance_id: 'refund-7',
    seq: 3,
    fencing_token: 17,
    replica_id: 'r-1',
    kind: 'cancelled',
    cell_id: 'charge',
    attempt: 1,
    request_id: null,
    agent_id: 'judge',
    body: { ...UNWINDING, left: [] },
    recorded_at: '2030-01-01T00:00:00Z',
  };
  expect(rowText(row)).toBe('cancelled by judge (wrong order)');
  expect(rowText({ ...row, kind: 'unwinding' })).toBe('unwinding by judge (wrong order)');
});
