import { describe, expect, it } from 'vitest';

import {
  changedText,
  revisedText,
  schedulesTable,
  scheduleText,
  tickLines,
} from '../../../cli/render/schedule.ts';
import type { ScheduleDetails } from '../../../src/request/schedule-reply.ts';

const PLAIN = { color: false };
const NOW = Date.parse('2026-03-28T12:00:00Z');

const DETAILS: ScheduleDetails = {
  scheduleId: 'nightly',
  revision: 3,
  next: ['2026-03-29T01:00:00Z', '2026-03-30T01:00:00Z'],
  runbookId: 'report',
  cron: '0 3 * * *',
  timezone: 'Europe/Berlin',
  inputs: { shop: 'eu' },
  overlap: 'skip',
  catchUp: 'last',
  jitter: '5m',
  unattended: true,
  paused: false,
  agentId: 'ann',
  recordedAt: '2026-03-28T11:59:00Z',
  ticks: [
    {
      tick: '2026-03-28T02:00:00Z',
      revision: 3,
      outcome: 'invalid',
      reason: 'report version 2: inputs.day: is required',
      recordedAt: '2026-03-28T02:00:01Z',
    },
    {
      tick: '2026-03-27T02:00:00Z',
      revision: 3,
      outcome: 'skipped',
      from: '2026-01-01T02:00:00Z',
      reason: 'missed: too many',
      recordedAt: '2026-03-27T02:00:01Z',
    },
    {
      tick: '2025-12-31T02:00:00Z',
      revision: 2,
      outcome: 'started',
      instanceId: 'nightly-20251231T020000Z',
      recordedAt: '2025-12-31T02:00:01Z',
    },
  ],
};

describe('a schedule on the screen', () => {
  it('says what it starts and when, what comes next, and what became of its ticks', () => {
    const text = scheduleText(DETAILS, PLAIN, NOW);
    expect(text.split('\n').slice(0, 9)).toEqual([
      'nightly  revision 3  active',
      'starts report at 0 3 * * * (Europe/Berlin)',
      'skips a tick while the instance before runs; starts the last missed tick late; delays ticks by up to 5m; instances advance by themselves',
      'put by ann 60 s ago',
      'inputs: {"shop":"eu"}',
      '',
      'next:',
      '  2026-03-29T01:00:00Z  29 Mar 2026, 03:00:00 CEST',
      '  2026-03-30T01:00:00Z  30 Mar 2026, 03:00:00 CEST',
    ]);
    expect(text).toMatch(/2026-01-01T02:00:00Z to 2026-03-27T02:00:00Z +skipped/);
    expect(text).toMatch(/2025-12-31T02:00:00Z +started +nightly-20251231T020000Z/);
    expect(text.split('\n').at(-1)).toBe(
      'the tick 2026-03-28T02:00:00Z could start nothing: report version 2: inputs.day: is required',
    );
  });

  it('that is paused says how it goes on', () => {
    const text = scheduleText({ ...DETAILS, paused: true, next: [], ticks: [] }, PLAIN, NOW);
    expect(text).toContain('revision 3  paused');
    expect(text).toContain('paused; go on with: leasehold schedule resume nightly');
  });

  it('is one line of the list', () => {
    const listed = { ...DETAILS, newest: DETAILS.ticks[0] };
    const when = 'at 0 3 * * * (Europe/Berlin)';
    const table = schedulesTable([listed, { ...listed, scheduleId: 'other', paused: true }], PLAIN);
    expect(table.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['SCHEDULE', 'RUNBOOK', 'WHEN', 'NEXT', 'NEWEST TICK', 'OUTCOME'],
      ['nightly', 'report', when, '2026-03-29T01:00:00Z', '2026-03-28T02:00:00Z', 'invalid'],
      ['other', 'report', when, 'paused', '2026-03-28T02:00:00Z', 'invalid'],
    ]);
  });

  it('names the revision that a change made', () => {
    const reply = { scheduleId: 's', revision: 2, next: ['2026-03-29T01:00:00Z'] };
    expect(revisedText(reply)).toBe(
      'schedule s is at revision 2; its next tick is 2026-03-29T01:00:00Z\nsee: leasehold schedule show s',
    );
    expect(changedText('pause', { ...reply, next: [] })).toBe('schedule s is paused (revision 2)');
    expect(changedText('delete', { ...reply, next: [] })).toBe(
      'schedule s is deleted (revision 2)',
    );
    expect(changedText('resume', reply)).toBe(
      'schedule s goes on (revision 2); its next tick is 2026-03-29T01:00:00Z',
    );
    expect(tickLines(['2026-03-29T01:00:00Z'], undefined)).toEqual(['2026-03-29T01:00:00Z']);
  });
});
