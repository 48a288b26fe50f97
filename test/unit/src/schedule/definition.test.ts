import { describe, expect, it } from 'vitest';

import { readMessage } from '../../../../src/request/messages.ts';
import { SchedulePutMessage } from '../../../../src/request/schedule-messages.ts';
import { hashedTickInstanceId, tickInstanceId, tickIso } from '../../../../src/schedule/tick-id.ts';

const NOON = Date.parse('2026-01-31T12:00:00Z');
const GIVEN = { scheduleId: 'nightly', runbookId: 'report', inputs: {}, agentId: 'ann' };

function read(over: object) {
  const body = new TextEncoder().encode(JSON.stringify({ ...GIVEN, ...over }));
  return readMessage(SchedulePutMessage, body);
}

describe('what a schedule can say', () => {
  it('has its defaults', () => {
    expect(read({ cron: '0 9 * * 1-5' })).toEqual({
      ok: true,
      value: { ...GIVEN, cron: '0 9 * * 1-5', overlap: 'skip', catchUp: 'last', unattended: true },
    });
  });

  it.each([
    [{ cron: '0 9 * * 1-5', timezone: 'Europe/Berlin', jitter: '30s' }],
    [{ cron: '*/5 * * * * *' }],
    [{ cron: '0 0 L * *' }],
    [{ cron: '@daily', version: 3, overlap: 'allow', catchUp: 'none', unattended: false }],
    [{ every: '15m', jitter: '15m' }],
    [{ every: '366d' }],
  ])('%j is taken', (over) => {
    expect(read(over)).toMatchObject({ ok: true, value: over });
  });

  it.each([
    [{}, 'cron', 'is missing: give cron'],
    [{ cron: '0 9 * * *', every: '1h' }, 'every', 'together with cron'],
    [{ cron: '0 9 * *' }, 'cron', 'five fields'],
    [{ cron: '61 9 * * *' }, 'cron', 'Invalid value for minute: 61'],
    [{ cron: '2026-01-01T00:00:00' }, 'cron', 'five fields'],
    [{ cron: '* * * * * * 2027' }, 'cron', 'five fields'],
    [{ cron: '0 0 30 2 *' }, 'cron', 'never comes'],
    [{ cron: '@reboot' }, 'cron', 'five fields'],
    [{ cron: '0 9 * * *', timezone: 'Europe/Berlino' }, 'timezone', 'Europe/Berlin'],
    [{ every: '1h', timezone: 'UTC' }, 'timezone', 'belongs to cron'],
    [{ every: '500ms' }, 'every', 'whole seconds'],
    [{ every: '1500ms' }, 'every', 'whole seconds'],
    [{ every: '400d' }, 'every', 'from 1s to 366d'],
    [{ every: 'often' }, 'every', 'such as 15m'],
    [{ every: '1h', jitter: '2d' }, 'jitter', 'at most 1d'],
    [{ every: '1m', jitter: '61s' }, 'jitter', 'longer than the 60 s between two ticks'],
    [{ cron: '*/5 * * * *', jitter: '6m' }, 'jitter', 'longer than the 300 s'],
    [{ every: '1h', overlap: 'queue' }, 'overlap', ''],
    [{ every: '1h', inputs: [] }, 'inputs', 'must be an object'],
    [{ every: '1h', paused: true }, 'paused', 'is not a field'],
  ])('%j is refused, and %s is named', (over, field, text) => {
    const answer = read(over);
    expect(answer).toMatchObject({ ok: false, error: { code: 'invalid', field } });
    expect(answer.ok ? '' : answer.error.message).toContain(text);
  });
});

describe('the instance of a tick', () => {
  it('is named after schedule and tick', () => {
    expect(tickInstanceId('nightly', NOON)).toBe('nightly-20260131T120000Z');
    expect(tickIso(NOON)).toBe('2026-01-31T12:00:00Z');
  });

  it('has another name if the first one is taken, and none is too long', () => {
    const long = 'x'.repeat(128);
    const ids = [
      tickInstanceId('nightly', NOON),
      hashedTickInstanceId('nightly', NOON),
      hashedTickInstanceId('nightly', NOON + 1_000),
      tickInstanceId(long, NOON),
      tickInstanceId(long, NOON + 1_000),
      hashedTickInstanceId(long, NOON),
    ];
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9_-]{1,128}$/);
    expect(hashedTickInstanceId('nightly', NOON)).toMatch(
      /^nightly-20260131T120000Z-[0-9a-f]{32}$/,
    );
  });
});
