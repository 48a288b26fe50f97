import { Cron } from 'croner';
import { describe, expect, it } from 'vitest';

import { CronTimes } from '../../../../src/schedule/cron.ts';
import { Random } from '../../../../tools/chaos/random.ts';
import { Taking } from './taking.ts';

/** From noon, so that no clock changes at either end. */
const FROM_MS = Date.parse('2026-01-01T12:00:00Z');
const UNTIL_MS = Date.parse('2027-01-01T12:00:00Z');

/** What the library itself lists for the year. */
function libraryList(cron: string, timezone: string): number[] {
  const found: number[] = [];
  for (const time of new Cron(cron, { timezone, paused: true }).enumerate(new Date(FROM_MS))) {
    if (time.getTime() > UNTIL_MS) break;
    found.push(time.getTime());
  }
  return found;
}

describe('a year of ticks, across two changes of the clocks', () => {
  it.each([
    ['Europe/Berlin', '30 2 * * *', 365],
    // 02:00 to 03:00 is left out in March and comes twice in October.
    ['Europe/Berlin', '*/20 1-3 * * *', 3 * 3 * 365],
    ['America/New_York', '15,45 0-2 * * *', 6 * 365],
    // Half an hour, in the other half of the year.
    ['Australia/Lord_Howe', '*/15 1-2 * * *', 8 * 365],
    // At midnight.
    ['Asia/Beirut', '0 0 * * *', 365],
    ['Asia/Kolkata', '0 9 * * 1-5', 261],
    ['UTC', '30 59 23 L * *', 12],
  ])('in %s, %s: they are those of the library', (timezone, cron, about) => {
    const expected = libraryList(cron, timezone);
    expect(Math.abs(expected.length - about)).toBeLessThan(10);
    const taking = new Taking({ cron, timezone }, FROM_MS);
    const random = new Random(7);
    for (let nowMs = FROM_MS; nowMs < UNTIL_MS;) {
      const nextMs = taking.lookAt(nowMs);
      // A replica looks when the next tick is due, up to a poll later.
      nowMs = Math.min(UNTIL_MS, (nextMs ?? UNTIL_MS) + random.between(0, 1_000));
    }
    taking.lookAt(UNTIL_MS);
    expect(taking.started).toEqual(expected);
    expect(taking.taken).toHaveLength(expected.length);
  });

  it('what the clocks skip is run once after the gap, and what they repeat is run once', () => {
    const day = (from: string): string[] => {
      const times = new CronTimes('30 2 * * *', 'Europe/Berlin');
      const first = times.after(Date.parse(from));
      return [first, times.after(first ?? 0)].map((time) => new Date(time ?? 0).toISOString());
    };
    expect(day('2026-03-28T12:00:00Z')).toEqual([
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ]);
    expect(day('2026-10-24T12:00:00Z')).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ]);
  });

  it.each([
    ['Europe/Berlin', '*/20 1-3 * * *', '2026-03-29T12:00:00Z'],
    ['Europe/Berlin', '*/20 1-3 * * *', '2026-10-25T12:00:00Z'],
    ['America/New_York', '30 1 * * *', '2026-11-02T01:30:00Z'],
    ['Australia/Lord_Howe', '*/15 * * * *', '2026-04-05T12:00:00Z'],
  ])('in %s, %s: looking back from %s finds the same times', (timezone, cron, until) => {
    const times = new CronTimes(cron, timezone);
    const untilMs = Date.parse(until);
    const newest = times.newest(untilMs, 60);
    expect(newest).toHaveLength(60);
    const forward: number[] = [];
    for (
      let at = times.after(newest[0]! - 1);
      at !== undefined && at <= untilMs;
      at = times.after(at)
    )
      forward.push(at);
    expect(newest).toEqual(forward);
  });
});
