import { describe, expect, it } from 'vitest';

import { ScheduleAudit, type ScheduleBreach } from '../../../../src/audit/schedule-audit.ts';
import {
  SCHEDULE_CHECKS,
  type RevisionEvidence,
  type ScheduleEvidence,
  type TickEvidence,
} from '../../../../src/audit/schedule-checks.ts';
import { tickInstanceId } from '../../../../src/schedule/tick-id.ts';

const NOON = Date.parse('2026-03-28T12:00:00Z');
const HOUR = 3_600_000;

type Writable = {
  -readonly [K in keyof ScheduleEvidence]: ScheduleEvidence[K] extends readonly (infer T)[]
    ? T[]
    : ScheduleEvidence[K];
};

function revision(number: number, sinceMs: number, over: Partial<RevisionEvidence> = {}) {
  const own = { revision: number, sinceMs, paused: false, deleted: false, agentId: 'ann' };
  const rules = { overlap: 'skip', catchUp: 'last', unattended: true } as const;
  return { ...own, ...rules, runbookId: 'report', every: '1h', inputs: {}, ...over };
}

/**
 * Hourly from noon; one tick found the one before running, and many were missed. Paused from 20:30
 * to 22:30, then every half hour, of which the newest could start nothing.
 */
function sample(): Writable {
  const ticks: TickEvidence[] = [];
  const add = (
    hour: number,
    number: number,
    afterHour: number,
    over: Partial<TickEvidence> = {},
  ) => {
    const tickMs = NOON + hour * HOUR;
    const instanceId = tickInstanceId('s', tickMs);
    const origin = { scheduleId: 's', tickMs, runbookId: 'report', version: 3, agentId: 'ann' };
    const own = { tickMs, revision: number, afterMs: NOON + afterHour * HOUR, fromMs: undefined };
    const started = { outcome: 'started' as const, instanceId, instance: origin };
    ticks.push({ ...own, ...started, recordedMs: tickMs + 500, ...over });
  };
  const none = { instanceId: undefined, instance: undefined };
  add(1, 1, 0);
  add(2, 1, 1, { outcome: 'skipped', ...none });
  add(7, 1, 2, { outcome: 'skipped', fromMs: NOON + 3 * HOUR, ...none });
  add(8, 1, 7);
  add(11, 3, 10.5);
  add(11.5, 3, 11, { outcome: 'invalid', ...none });
  return {
    scheduleId: 's',
    revisions: [
      revision(1, NOON),
      revision(2, NOON + 8.5 * HOUR, { paused: true }),
      revision(3, NOON + 10.5 * HOUR, { every: '30m' }),
    ],
    ticks,
    before: undefined,
    isLast: true,
    settledMs: NOON + 11.9 * HOUR,
  };
}

function found(evidence: ScheduleEvidence): ScheduleBreach[] {
  return new ScheduleAudit().look(evidence);
}

type Control = [check: string, what: string, breakIt: (evidence: Writable) => void];

const change = (evidence: Writable, nth: number, over: Partial<TickEvidence>): void => {
  evidence.ticks[nth] = { ...evidence.ticks[nth]!, ...over };
};

const CONTROLS: Control[] = [
  ['ticks-in-order', 'one was recorded before it came', (e) => change(e, 0, { recordedMs: NOON })],
  ['ticks-in-order', 'one is of a later revision', (e) => change(e, 3, { revision: 3 })],
  ['ticks-in-order', 'one is of an earlier revision', (e) => change(e, 4, { revision: 1 })],
  ['ticks-in-order', 'one is of a revision that is paused', (e) => change(e, 4, { revision: 2 })],
  ['ticks-in-order', 'one is of no revision', (e) => change(e, 5, { revision: 4 })],
  ['ticks-in-order', 'one rests on another tick', (e) => change(e, 1, { afterMs: NOON })],
  [
    'ticks-in-order',
    'one that started stands for others',
    (e) => change(e, 2, { outcome: 'started' }),
  ],
  [
    'ticks-in-order',
    'one stands for what came before',
    (e) => change(e, 2, { fromMs: NOON + 2 * HOUR }),
  ],
  ['ticks-in-order', 'two came in the other order', (e) => void (e.ticks = e.ticks.toReversed())],
  ['ticks-in-order', 'a revision is missing', (e) => void e.revisions.splice(1, 1)],
  [
    'tick-of-its-schedule',
    'there is none at that time',
    (e) => change(e, 5, { tickMs: NOON + 11.4 * HOUR }),
  ],
  [
    'tick-of-its-schedule',
    'the schedule says otherwise',
    (e) => void (e.revisions[0]!.every = '7h'),
  ],
  ['no-tick-left-out', 'one in the middle is missing', (e) => void e.ticks.splice(1, 1)],
  ['no-tick-left-out', 'the first is missing', (e) => void e.ticks.shift()],
  ['no-tick-left-out', 'the newest is missing', (e) => void e.ticks.pop()],
  ['no-tick-left-out', 'the last of a revision is missing', (e) => void e.ticks.splice(3, 1)],
  ['no-tick-left-out', 'one stands for fewer', (e) => change(e, 2, { fromMs: NOON + 4 * HOUR })],
  ['tick-has-its-instance', 'it is gone', (e) => change(e, 0, { instance: undefined })],
  ['tick-has-its-instance', 'it is not named', (e) => change(e, 0, { instanceId: undefined })],
  [
    'tick-has-its-instance',
    'another tick names it too',
    (e) => change(e, 3, { instanceId: e.ticks[0]!.instanceId, instance: e.ticks[0]!.instance }),
  ],
  [
    'tick-has-its-instance',
    'it has no origin',
    (e) => change(e, 0, { instance: { ...e.ticks[0]!.instance!, scheduleId: undefined } }),
  ],
  [
    'tick-has-its-instance',
    'it follows another runbook',
    (e) => change(e, 0, { instance: { ...e.ticks[0]!.instance!, runbookId: 'other' } }),
  ],
  ['tick-has-its-instance', 'a skipped one names one', (e) => change(e, 1, { instanceId: 's-x' })],
];

describe('the checks of schedules', () => {
  it('find nothing in a schedule that overlapped, was missed, paused and revised', () => {
    expect(found(sample())).toEqual([]);
    const audit = new ScheduleAudit();
    audit.look(sample());
    expect(audit.counts.filter(({ checked, seen }) => checked !== 1 || seen === 0)).toEqual([]);
  });

  it('find the same in pages of ticks', () => {
    for (let size = 1; size <= 6; size += 1) {
      const { ticks, ...rest } = sample();
      for (const lacking of [false, true]) {
        const kept = lacking ? ticks.filter((_, nth) => nth !== 3) : ticks;
        const pages = Math.ceil(kept.length / size);
        const breaches = Array.from({ length: pages }, (_, page) =>
          found({
            ...rest,
            ticks: kept.slice(page * size, (page + 1) * size),
            before: kept[page * size - 1],
            isLast: page === pages - 1,
          }),
        ).flat();
        expect(breaches.map(({ check }) => check)).toEqual(lacking ? ['no-tick-left-out'] : []);
      }
    }
  });

  it('do not ask for the newest ticks of a log whose replicas may have been down', () => {
    const evidence = sample();
    evidence.ticks.pop();
    expect(found({ ...evidence, settledMs: undefined })).toEqual([]);
  });

  it('each have a negative control', () => {
    const names = SCHEDULE_CHECKS.map(({ name }) => name);
    expect(new Set(CONTROLS.map(([check]) => check))).toEqual(new Set(names));
  });

  it.each(CONTROLS)('%s: caught when %s', (check, _what, breakIt) => {
    const evidence = sample();
    breakIt(evidence);
    expect(found(evidence).map((breach) => breach.check)).toContain(check);
  });

  it('a schedule that is damaged beyond reading is a finding', () => {
    const evidence = sample();
    evidence.revisions[0] = { ...evidence.revisions[0]!, every: undefined, cron: 'not at all' };
    expect(found(evidence).map(({ check }) => check)).toContain('tick-of-its-schedule');
  });
});
