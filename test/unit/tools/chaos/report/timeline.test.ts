import { describe, expect, it } from 'vitest';
import type { ChaosRecord, InstanceTimeline } from '../../../../../tools/chaos/record.ts';
import { faultShape } from '../../../../../tools/chaos/report/fault-lanes.ts';
import { attemptLook } from '../../../../../tools/chaos/report/instance-lanes.ts';
import { renderReport } from '../../../../../tools/chaos/report/report.ts';
import { logScale, timeScale, timeTicks } from '../../../../../tools/chaos/report/scale.ts';
import { thinned } from '../../../../../tools/chaos/report/thinned.ts';
import { timelineSection } from '../../../../../tools/chaos/report/timeline.ts';
import { outline } from '../../page/outline.ts';
import { sampleRecord } from './sample-record.ts';

const INSTANCE: InstanceTimeline = {
  instanceId: 'refund-1',
  terms: [
    { replicaId: 'r1-00000001', fencingToken: 41, fromMs: 1000, toMs: 4000 },
    { replicaId: 'r2-00000002', fencingToken: 57, fromMs: 5000, toMs: 9000 },
  ],
  attempts: [
    {
      cellId: 'charge',
      attempt: 1,
      replicaId: 'r1-00000001',
      fencingToken: 41,
      fromMs: 2000,
      toMs: 5000,
      end: 'interrupted',
    },
    {
      cellId: 'charge',
      attempt: 2,
      replicaId: 'r2-00000002',
      fencingToken: 57,
      fromMs: 6000,
      toMs: 7000,
      end: 'completed',
    },
  ],
  marks: [
    { atMs: 5000, what: 'doubt', text: 'charge, attempt 1' },
    { atMs: 5500, what: 'decision', text: 'rerun' },
    { atMs: 5600, what: 'refused_write', text: 'stale token' },
    { atMs: 5700, what: 'late_outcome', text: 'completed' },
    { atMs: 7000, what: 'receipt', text: 'completed' },
    { atMs: 8000, what: 'parked', text: 'awaits approval' },
  ],
};

const RECORD: ChaosRecord = {
  ...sampleRecord({ durationMs: 10_000, instances: 0, faults: 0 }),
  replicas: [
    { replicaId: 'r1-00000001', name: 'r1', pid: 11, fromMs: 0, toMs: 4000, end: 'killed' },
    { replicaId: 'r1-00000003', name: 'r1', pid: 13, fromMs: 4500, toMs: 9000, end: 'crashed' },
    { replicaId: 'r2-00000002', name: 'r2', pid: 12, fromMs: 0, toMs: null, end: 'running' },
  ],
  faults: [
    { id: 1, kind: 'sigkill', target: 'r1', phase: 'isolated', fromMs: 4000, toMs: 4500 },
    {
      id: 2,
      kind: 'cut_etcd',
      target: 'r2-00000002',
      phase: 'overlapping',
      fromMs: 6000,
      toMs: 8000,
    },
    {
      id: 3,
      kind: 'nats_restarted',
      target: 'nats',
      phase: 'overlapping',
      fromMs: 6000,
      toMs: 6500,
    },
    { id: 4, kind: 'all_killed', target: 'all', phase: 'overlapping', fromMs: 8500, toMs: 9000 },
    {
      id: 5,
      kind: 'drop_etcd',
      target: 'r1',
      phase: 'isolated',
      fromMs: 0,
      toMs: 0,
      skipped: 'no root',
    },
  ],
  instances: [INSTANCE],
};

/** The lane whose id is given, as markup. */
function lane(page: string, id: string): string {
  const start = page.indexOf(`id="${id}"`);
  expect(start).toBeGreaterThan(0);
  const end = page.indexOf('<div class="lane', start);
  return page.slice(start, end === -1 ? undefined : end);
}

describe('the timeline', () => {
  const page = timelineSection(RECORD).toString();

  it('gives every instance its terms with tokens, coloured by replica', () => {
    const own = lane(page, 'i0');
    expect(own).toContain('class="term r0" x="10%" y="3" width="30%"');
    expect(own).toContain('class="term r1" x="50%" y="3" width="40%"');
    expect(own).toContain('term of r1-00000001 · token 41');
    expect(own).toContain('>r2 57</text>');
  });

  it('draws each end of an attempt and each kind of mark in its own way, with words', () => {
    const own = lane(page, 'i0');
    expect(own).toContain('class="attempt interrupted r0" x="20%"');
    expect(own).toContain('charge attempt 2 · completed, 1 s');
    for (const what of [
      'doubt',
      'decision',
      'refused_write',
      'late_outcome',
      'receipt',
      'parked',
    ]) {
      expect(own).toContain(`<use class="${what}"`);
    }
    expect(own).toContain('0:05.500 · decision · rerun');
    expect(own).toContain('2 terms on r1, r2; 2 attempts, 1 interrupted; 1 refused write; 1 doubt');
  });

  it('gives every replica name one lane with its processes and their faults', () => {
    expect(lane(page, 'r0')).toContain('r1-00000001 · pid 11 · killed');
    expect(lane(page, 'r0')).toContain('fault 1: sigkill on r1');
    expect(lane(page, 'r0')).toContain('<use class="crash"');
    expect(lane(page, 'r1')).toContain('class="fault cut" x="60%"');
    expect(lane(page, 'r0')).not.toContain('drop');
  });

  it('gives each server, and everything at once, a lane', () => {
    expect(lane(page, 's0')).toContain('everything');
    expect(lane(page, 's1')).toContain('class="fault outage"');
    expect(page).not.toContain('id="s2"');
  });

  it('stretches the axis over what came after the end of the run', () => {
    const late = { ...INSTANCE, marks: [{ atMs: 20_000, what: 'receipt' as const, text: 'late' }] };
    expect(timelineSection({ ...RECORD, instances: [late] }).toString()).toContain(
      'data-end="20000"',
    );
  });

  it('keeps every position within the plot', () => {
    const positions = [...renderReport(sampleRecord()).matchAll(/ (?:x|x1|x2|cx)="(-?[\d.]+)%"/g)];
    expect(positions.length).toBeGreaterThan(4000);
    expect(positions.filter(([, x]) => Number(x) < 0 || Number(x) > 100)).toEqual([]);
  });

  it('stays under a megabyte for sixty instances and three hundred faults', () => {
    const record = sampleRecord();
    expect([record.instances.length, record.faults.length]).toEqual([60, 303]);
    expect(Buffer.byteLength(renderReport(record))).toBeLessThan(1_000_000);
  });

  it('is bounded for a far longer run, and says what it leaves out', () => {
    const record = sampleRecord({ instances: 300, faults: 2500, durationMs: 3_600_000 });
    const large = renderReport(record);
    expect(Buffer.byteLength(large)).toBeLessThan(4_000_000);
    const { text } = outline(large);
    expect(text).toContain('120 drawn of 300 in the record');
    expect(text).toMatch(/\d+ processes · \d+ faults · \d+ not drawn/);
    expect(text).toContain('and 1,500 more; see the record next to this report.');
  });

  it('leaves receipts out before doubts and refused writes', () => {
    const receipts = Array.from({ length: 20_000 }, (_, index) => ({
      atMs: index / 2,
      what: 'receipt' as const,
      text: '',
    }));
    const crowded = { ...INSTANCE, marks: [...receipts, ...INSTANCE.marks] };
    const own = lane(timelineSection({ ...RECORD, instances: [crowded] }).toString(), 'i0');
    expect(own.match(/<use class="receipt"/g)?.length).toBeLessThan(5000);
    for (const what of ['doubt', 'decision', 'refused_write', 'late_outcome'])
      expect(own).toContain(`class="${what}"`);
    expect(own).toContain('not drawn');
  });

  it('never leaves out an instance that breached, and marks it', () => {
    const others = Array.from({ length: 300 }, (_, index) => ({
      ...INSTANCE,
      instanceId: `refund-${index}`,
    }));
    const breach = { check: 'x', guarantee: 3, instanceId: 'refund-299', seqs: [1], what: 'twice' };
    const own = lane(
      timelineSection({ ...RECORD, instances: others, breaches: [breach] }).toString(),
      'i299',
    );
    expect(own).toContain('✕ breach');
  });
});

describe('the shapes', () => {
  it.each([
    ['sigkill', 'kill'],
    ['all_killed', 'kill'],
    ['etcd_leader_killed', 'kill'],
    ['sigstop', 'freeze'],
    ['sigterm', 'drain'],
    ['rolling_restart', 'drain'],
    ['cut_nats_one_way', 'cut'],
    ['delay_postgres', 'delay'],
    ['clock_jump', 'clock'],
    ['etcd_down', 'outage'],
    ['postgres_restarted', 'outage'],
    ['something_new', 'outage'],
  ])('of %s is %s', (kind, shape) => {
    expect(faultShape(kind)).toBe(shape);
  });

  it.each([
    [10, 'completed', 'completed'],
    [10, 'failed', 'failed'],
    [10, 'interrupted: crash', 'interrupted'],
    [10, 'timeout', 'interrupted'],
    [null, 'open', 'open'],
  ] as const)('of an attempt that ended at %s as %s is %s', (toMs, end, look) => {
    expect(attemptLook({ toMs, end })).toBe(look);
  });
});

describe('the scales', () => {
  it('place the ends of the run at the ends of the axis, and nothing outside', () => {
    const scale = timeScale(600_000);
    expect([0, 300_000, 600_000, 700_000, -5, Number.NaN].map((ms) => scale.at(ms))).toEqual([
      '0%',
      '50%',
      '100%',
      '100%',
      '0%',
      '0%',
    ]);
    expect(timeScale(0).at(0)).toBe('0%');
  });

  it('tick at round moments', () => {
    expect(timeTicks(600_000, 10).map(({ label }) => label)).toEqual(
      Array.from({ length: 11 }, (_, minute) => `${minute}:00`),
    );
    expect(timeTicks(1000, 5).map(({ label }) => label)).toEqual([
      '0:00.0',
      '0:00.2',
      '0:00.4',
      '0:00.6',
      '0:00.8',
      '0:01.0',
    ]);
  });

  it('hold every value of a logarithmic plot, equal ratios apart by equal steps', () => {
    const scale = logScale([12, 3400]);
    expect(scale.percent(12)).toBeGreaterThanOrEqual(0);
    expect(scale.percent(3400)).toBeLessThanOrEqual(100);
    expect(scale.percent(1000) - scale.percent(100)).toBeCloseTo(
      scale.percent(2000) - scale.percent(200),
    );
    expect(scale.ticks.map(({ label }) => label)).toEqual(['10 ms', '100 ms', '1 s']);
    expect(logScale([]).ticks.length).toBeGreaterThan(0);
    expect(logScale([0, 0]).at(0)).toBe('0%');
  });

  it('thin evenly, and keep the last', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index);
    expect(thinned(hundred, 4)).toEqual([24, 49, 74, 99]);
    expect(thinned(hundred, 100)).toBe(hundred);
    expect(thinned(hundred, 0)).toEqual([]);
    expect(thinned(hundred, 33)).toHaveLength(33);
  });
});
