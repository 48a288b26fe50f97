import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  MAX_MISSED,
  MISSED_AFTER_MS,
  planTicks,
  TICKS_PER_BATCH,
} from '../../../../src/schedule/plan.ts';
import { jitterOf } from '../../../../src/schedule/tick-id.ts';
import { Taking } from './taking.ts';

const NOON = Date.parse('2026-01-31T12:00:00Z');
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The multiples of an interval after a moment and up to another one. */
function multiples(everyMs: number, afterMs: number, untilMs: number): number[] {
  const first = Math.floor(afterMs / everyMs) + 1;
  const count = Math.max(0, Math.floor(untilMs / everyMs) - first + 1);
  return Array.from({ length: count }, (_, nth) => (first + nth) * everyMs);
}

describe('ticks at an interval', () => {
  it('each multiple is taken exactly once, in order, however the clock moves', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4_000 }),
        fc.integer({ min: 0, max: DAY }),
        fc.constantFrom('last', 'all', 'none' as const),
        // Mostly steps of a poll; some are pauses, and some set the clock back.
        fc.array(
          fc.oneof(
            { weight: 5, arbitrary: fc.integer({ min: 1, max: 50_000 }) },
            { weight: 2, arbitrary: fc.integer({ min: 1, max: 20 * HOUR }) },
            { weight: 1, arbitrary: fc.integer({ min: -2 * HOUR, max: -1 }) },
          ),
          { minLength: 1, maxLength: 30 },
        ),
        (everyS, offsetMs, catchUp, steps) => {
          const everyMs = everyS * 1_000;
          const sinceMs = NOON + offsetMs;
          const taking = new Taking({ everyMs }, sinceMs, { catchUp });
          let nowMs = sinceMs;
          let latestMs = nowMs;
          for (const step of steps) {
            nowMs += step;
            latestMs = Math.max(latestMs, nowMs);
            taking.lookAt(nowMs);
          }
          const accounted = taking.taken.flatMap(({ tickMs, fromMs }) =>
            fromMs === undefined ? [tickMs] : multiples(everyMs, fromMs - 1, tickMs),
          );
          expect(accounted).toEqual(multiples(everyMs, sinceMs, latestMs));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('nothing is due before its time', () => {
    expect(
      planTicks({
        scheduleId: 's',
        timing: { everyMs: HOUR },
        catchUp: 'all',
        jitterMs: 0,
        afterMs: NOON,
        nowMs: NOON + HOUR - 1,
      }),
    ).toEqual({ ticks: [], nextAtMs: NOON + HOUR });
  });
});

describe('ticks that were missed', () => {
  const late = NOON + 5 * HOUR + 2 * MINUTE;

  it.each([
    ['last', [5]],
    ['all', [1, 2, 3, 4, 5]],
    ['none', []],
  ] as const)('catch-up %s: five hours down', (catchUp, hours) => {
    const taking = new Taking({ everyMs: HOUR }, NOON, { catchUp });
    taking.lookAt(late);
    expect(taking.started).toEqual(hours.map((hour) => NOON + hour * HOUR));
    expect(taking.taken.map(({ tickMs }) => tickMs)).toEqual(multiples(HOUR, NOON, late));
  });

  it.each(['last', 'all', 'none'] as const)(
    'catch-up %s: what is at most a minute late was not missed',
    (catchUp) => {
      const taking = new Taking({ everyMs: 10_000 }, NOON, { catchUp });
      taking.lookAt(NOON + MISSED_AFTER_MS);
      expect(taking.started).toEqual(multiples(10_000, NOON, NOON + MISSED_AFTER_MS));
    },
  );

  it.each([
    ['every second', { everyMs: 1_000 }, 366 * DAY],
    ['every minute, by cron', { cron: '* * * * *', timezone: 'Europe/Berlin' }, 366 * DAY],
  ])(
    'after a year down, %s: a bounded number is caught up, in batches',
    (_name, timing, downMs) => {
      const taking = new Taking(timing, NOON, { catchUp: 'all' });
      taking.lookAt(NOON + downMs);
      const [first, ...rest] = taking.taken;
      expect(first).toMatchObject({
        verdict: 'missed',
        fromMs: NOON + ('cron' in timing ? MINUTE : 1_000),
      });
      expect(rest.every(({ verdict, fromMs }) => verdict === 'start' && fromMs === undefined)).toBe(
        true,
      );
      const onTime = rest.filter(({ tickMs }) => tickMs >= NOON + downMs - MISSED_AFTER_MS);
      expect(rest.length - onTime.length).toBe(MAX_MISSED);
      expect(taking.batches).toBeGreaterThanOrEqual(MAX_MISSED / TICKS_PER_BATCH);
      // The one that stands for the others ends where the first of the others follows.
      const next = new Taking(timing, first!.tickMs);
      next.lookAt(first!.tickMs + MINUTE);
      expect(rest[0]!.tickMs).toBe(next.started[0]);
    },
  );

  it('a clock that is set back repeats nothing, and goes on where it was', () => {
    const taking = new Taking({ everyMs: HOUR }, NOON);
    taking.lookAt(NOON + 2 * HOUR);
    expect(taking.lookAt(NOON)).toBe(NOON + 3 * HOUR);
    taking.lookAt(NOON + 3 * HOUR);
    expect(taking.started).toEqual(multiples(HOUR, NOON, NOON + 3 * HOUR));
  });
});

describe('jitter', () => {
  it('follows from schedule and tick alone, and stays below its bound', () => {
    const delays = multiples(HOUR, NOON, NOON + 500 * HOUR).map((tick) =>
      jitterOf('s', tick, 10_000),
    );
    expect(delays).toEqual(
      multiples(HOUR, NOON, NOON + 500 * HOUR).map((tick) => jitterOf('s', tick, 10_000)),
    );
    expect(Math.min(...delays)).toBeLessThan(200);
    expect(Math.max(...delays)).toBeLessThan(10_000);
    expect(Math.max(...delays)).toBeGreaterThan(9_800);
    expect(jitterOf('other', NOON, 10_000)).not.toBe(jitterOf('s', NOON, 10_000));
    expect(jitterOf('s', NOON, 0)).toBe(0);
  });

  it('delays a tick, which keeps its name and its place', () => {
    const jitterMs = 30 * MINUTE;
    const taking = new Taking({ everyMs: HOUR }, NOON, { jitterMs });
    for (let tick = NOON + HOUR; tick <= NOON + 50 * HOUR; tick += HOUR) {
      const dueMs = tick + jitterOf('s', tick, jitterMs);
      expect(taking.lookAt(dueMs - 1)).toBe(dueMs);
      expect(taking.started).not.toContain(tick);
      taking.lookAt(dueMs);
      expect(taking.started.at(-1)).toBe(tick);
    }
  });
});
