import { describe, expect, it } from 'vitest';

import { watchedRow } from '../../../cli/render/watched-row.ts';
import { doubtLines, receiptText } from '../../../cli/render/receipt.ts';
import { rowText } from '../../../cli/render/row.ts';
import { statusText } from '../../../cli/render/status.ts';
import { clean, table } from '../../../cli/render/table.ts';
import { ago, elapsed, span } from '../../../cli/render/time.ts';
import type { WireRow } from '../../../src/execution/row.ts';
import type { DoubtEvidence } from '../../../src/execution/views.ts';
import { RECORDED_OUTCOMES, REFUSED_OUTCOMES } from '../../../src/request/receipt.ts';
import type { Receipt } from '../../../src/request/receipt.ts';
import type { StatusReply } from '../../../src/request/status-reply.ts';

const NOW = Date.parse('2030-01-01T00:01:00Z');
const plain = { color: false };

const receipt = (more: Partial<Receipt>): Receipt => ({
  requestId: 'q-1',
  instanceId: 'refund-7',
  outcome: 'completed',
  steps: [],
  nextCellId: null,
  holder: { replicaId: 'r-1', fencingToken: 17 },
  ...more,
});

const row = (more: Partial<WireRow>): WireRow => ({
  instance_id: 'refund-7',
  seq: 1,
  fencing_token: 17,
  replica_id: 'r-1',
  kind: 'started',
  cell_id: 'charge',
  attempt: 1,
  request_id: 'q-1',
  agent_id: 'a',
  body: {},
  recorded_at: '2030-01-01T00:00:00Z',
  ...more,
});

it('a watched row on the screen says where the rest of a row is that was too large for it', () => {
  const rows = [row({}), row({ seq: 2, kind: 'completed', body_truncated: true })];
  const lines = rows.flatMap(watchedRow);
  expect(lines).toHaveLength(3);
  expect(lines[1]).toContain('#2  completed charge');
  expect(lines[2]).toContain('see: leasehold status refund-7 --cell charge');
});

describe('a receipt on the screen', () => {
  it('names the command that resolves a doubt', () => {
    const inDoubt = {
      cellId: 'charge',
      attempt: 2,
      reason: 'crash',
      since: '2030-01-01T00:00:00Z',
    };
    const text = receiptText(receipt({ outcome: 'in_doubt', inDoubt }), plain, NOW);
    expect(text).toContain(
      'leasehold decide refund-7 --cell charge --attempt 2 --as succeeded --reason',
    );
    expect(text).toContain('interrupted 60 s ago (crash)');
  });

  it('says what is known of a doubt: that the effect happened, and what its replica reported later', () => {
    const inDoubt = {
      cellId: 'charge',
      attempt: 1,
      reason: 'crash',
      since: '2030-01-01T00:00:00Z',
    };
    const shown = (more: DoubtEvidence): string =>
      doubtLines('i', { ...inDoubt, ...more }, NOW).join('\n');
    expect(shown({})).toContain('and whether its effect happened is unknown.');
    const lateOutcome = { kind: 'unverified', replicaId: 'r-1', message: 'no output' } as const;
    const happened = shown({ happened: true, lateOutcome });
    expect(happened).toContain('its effect happened, but whether it did what it should have is');
    expect(happened).toContain('r-1, which ran it, reported this later: no output');
    expect(shown({ lateOutcome })).toContain('its effect ended, but its output was lost');
    const settled = shown({ lateOutcome: { kind: 'failed', replicaId: 'r-1' } });
    expect(settled).toContain('r-1 reported failed later; the next advance settles the doubt');
    expect(doubtLines('i', { ...inDoubt, reason: 'unverified' }, NOW).join('\n')).toContain(
      'its output was lost',
    );
  });

  it('says that only the newest steps are shown, and where all of them are', () => {
    const steps = [{ seq: 9, cellId: 'charge', kind: 'completed', attempt: 1 }] as const;
    const cut = receipt({ outcome: 'completed', steps: [...steps], stepsTruncated: true });
    expect(receiptText(cut, plain, NOW)).toContain(
      'only the newest steps; all of them: leasehold status refund-7 --log',
    );
  });

  it('says for how long the attempt of another request has been running', () => {
    const inFlight = {
      cellId: 'charge',
      attempt: 1,
      requestId: 'q-2',
      since: '2030-01-01T00:00:58Z',
    };
    const text = receiptText(receipt({ outcome: 'in_flight', inFlight }), plain, NOW);
    expect(text).toContain(
      'nothing ran: attempt 1 of charge has been running for 2 s, request q-2 on r-1.',
    );
  });

  it('names the cell that was expected', () => {
    const text = receiptText(
      receipt({ outcome: 'out_of_order', nextCellId: 'approved' }),
      plain,
      NOW,
    );
    expect(text).toContain('the next cell of refund-7 is approved');
    expect(text).toContain('--cell approved');
  });

  it('says what to look at when there is no outcome', () => {
    const error = { code: 'unavailable', message: 'no replica is listening' };
    const text = receiptText(receipt({ outcome: 'unavailable', holder: null, error }), plain, NOW);
    expect(text).toContain('no replica is listening');
    expect(text).toContain('leasehold replicas');
    expect(text).toContain('--request-id q-1');
  });

  it('says which claim it waits for', () => {
    const awaiting = {
      cellId: 'ok',
      claimId: 'refund-A',
      statuses: ['approved', 'waived'],
      currentStatus: null,
    };
    const text = receiptText(receipt({ outcome: 'parked', awaiting }), plain, NOW);
    expect(text).toContain('claim refund-A to be approved or waived (now: not set)');
    expect(text).toContain('leasehold claim refund-A approved');
  });

  it('has text for every outcome, also where the details are missing', () => {
    for (const outcome of [...RECORDED_OUTCOMES, ...REFUSED_OUTCOMES]) {
      const text = receiptText(receipt({ outcome, holder: null, requestId: null }), plain, NOW);
      expect(text).not.toMatch(/undefined|null/);
      expect(text.length).toBeGreaterThan(10);
    }
  });

  it('does not let text from elsewhere control the terminal', () => {
    const error = { code: 'invalid', message: 'a\u001b[2Jb\u0007' };
    const text = receiptText(receipt({ outcome: 'invalid', error }), plain, NOW);
    // oxlint-disable-next-line no-control-regex -- what is looked for
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });
});

describe('a status on the screen', () => {
  it('shows the cells, who holds it, and the log when there is one', () => {
    const reply: StatusReply = {
      instanceId: 'refund-7',
      runbookId: 'refund',
      version: 1,
      status: 'ready',
      nextCellId: 'notify',
      holder: { replicaId: 'r-1', fencingToken: 17 },
      lastSeq: 2,
      cells: [
        { cellId: 'charge', type: 'exec', state: 'satisfied', attempt: 1, output: { count: 1 } },
        { cellId: 'notify', type: 'exec', state: 'pending' },
      ],
      log: [row({}), row({ seq: 2, kind: 'completed', body: { output: { count: 1 } } })],
    };
    const lines = statusText(reply, plain, NOW).split('\n');
    expect(lines.slice(0, 2)).toEqual([
      'refund-7  refund v1  ready',
      'held by r-1, fencing token 17; 2 rows in the log',
    ]);
    expect(lines.find((line) => line.includes('> notify'))).toMatch(
      /^> notify\s+exec\s+pending\s+-/,
    );
    expect(lines.find((line) => line.includes('completed'))).toContain('{"count":1}');
  });
});

describe('rows and tables', () => {
  it.each([
    [row({}), 'started charge'],
    [row({ kind: 'completed', body: { output: { a: 1 } } }), 'completed charge: {"a":1}'],
    [
      row({ kind: 'failed', attempt: 2, body: { error: { message: 'exit 1' } } }),
      'failed charge (attempt 2): exit 1',
    ],
    [
      row({ kind: 'interrupted', body: { reason: 'crash' } }),
      'interrupted charge (attempt 1): crash',
    ],
    [
      row({ kind: 'decided', body: { as: 'rerun', by: '@policy', reason: 'onInterrupt' } }),
      'decided charge: rerun by @policy (onInterrupt)',
    ],
  ])('print a row in one line', (one, text) => {
    expect(rowText(one)).toBe(text);
  });

  it('are plain where no colours are wanted', () => {
    const drawn = table(
      ['A', 'B'],
      [
        ['x', 1],
        ['longer', null],
      ],
      plain,
    );
    expect(drawn).toBe('A       B\nx       1\nlonger  -');
    expect(table(['A'], [['x']], { color: true })).toContain('\u001b[');
    expect(clean('a\nb')).toBe('a b');
  });

  it('print times as people write them', () => {
    expect([850, 3_000, 119_000, 720_000, 5 * 3_600_000, 3 * 86_400_000].map(span)).toEqual([
      '850 ms',
      '3 s',
      '119 s',
      '12 min',
      '5 h',
      '3 days',
    ]);
    expect(ago('2030-01-01T00:02:00Z', NOW)).toBe('just now');
    expect(ago('no time', NOW)).toBe('no time');
    expect(elapsed('2030-01-01T00:00:57Z', NOW)).toBe('3 s');
    expect(elapsed('2030-01-01T00:02:00Z', NOW)).toBe('0 ms');
  });
});
