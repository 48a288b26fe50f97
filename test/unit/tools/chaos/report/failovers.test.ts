import { describe, expect, it } from 'vitest';
import type { ChaosRecord, Failover } from '../../../../../tools/chaos/record.ts';
import {
  failoverGroups,
  isMissed,
  percentile,
} from '../../../../../tools/chaos/report/failover-figures.ts';
import { failoversSection } from '../../../../../tools/chaos/report/failovers.ts';
import { outline } from '../../page/outline.ts';
import { sampleRecord } from './sample-record.ts';

function failover(ms: number, rest: Partial<Failover> = {}): Failover {
  return {
    faultId: 1,
    kind: 'sigkill',
    instanceId: 'a',
    attemptOpen: false,
    ms,
    boundMs: 500,
    ...rest,
  };
}

function section(failovers: Failover[]): { page: string; text: string } {
  const record: ChaosRecord = {
    ...sampleRecord({ durationMs: 1000, instances: 0, faults: 0 }),
    failovers,
  };
  const page = failoversSection(record).toString();
  return { page, text: outline(page).text.replace(/\s+/g, ' ') };
}

describe('the failover figures', () => {
  it('are nearest-rank percentiles: always a time that was measured', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
    expect([50, 99, 100].map((percent) => percentile(hundred, percent))).toEqual([50, 99, 100]);
    expect([50, 99].map((percent) => percentile([7], percent))).toEqual([7, 7]);
    expect(percentile([10, 20], 50)).toBe(10);
    expect(percentile([], 50)).toBeNaN();
  });

  it('are apart by kind of fault and by whether an attempt was open', () => {
    const groups = failoverGroups([
      failover(300),
      failover(2500, { attemptOpen: true, boundMs: 3000 }),
      failover(100),
      failover(40, { kind: 'cut_nats' }),
      failover(700),
    ]);
    expect(groups.map(({ kind, attemptOpen, count }) => [kind, attemptOpen, count])).toEqual([
      ['cut_nats', false, 1],
      ['sigkill', false, 3],
      ['sigkill', true, 1],
    ]);
    expect(groups[1]).toMatchObject({
      medianMs: 300,
      p99Ms: 700,
      worstMs: 700,
      boundsMs: [500],
      missed: 1,
    });
  });

  it('count as missed only what took longer than its own bound', () => {
    expect(isMissed(failover(500))).toBe(false);
    expect(isMissed(failover(501))).toBe(true);
    expect(isMissed(failover(1e9, { boundMs: null }))).toBe(false);
    const groups = failoverGroups([
      failover(600),
      failover(600, { boundMs: 1000 }),
      failover(1, { boundMs: null }),
    ]);
    expect(groups).toMatchObject([{ missed: 1, boundsMs: [500, 1000], count: 3 }]);
  });

  it('do not depend on the order of the record', () => {
    const failovers = sampleRecord().failovers;
    expect(failovers.length).toBeGreaterThan(50);
    expect(failoverGroups(failovers.toReversed())).toEqual(failoverGroups(failovers));
  });
});

describe('the failover table', () => {
  it('shows count, median, p99, worst, bound and missed of a kind', () => {
    const { page } = section([120, 130, 140, 150, 612].map((ms) => failover(ms)));
    const cells = [...page.matchAll(/<td class="n">(.*?)<\/td>/gs)].map(([, cell = '']) =>
      cell.replace(/<[^>]*>/g, ''),
    );
    expect(cells).toEqual(['5', '140 ms', '612 ms', '612 ms', '500 ms', '✕ 1']);
  });

  it('draws a dot for every failover, those past the bound with another shape', () => {
    const { page } = section([120, 130, 140, 150, 612].map((ms) => failover(ms)));
    expect(page.match(/<circle class="dot" cx="[\d.]+%"/g)).toHaveLength(4);
    expect(page.match(/<use class="dot-missed"/g)).toHaveLength(1);
    expect(page).toContain('5 failovers from 120 ms to 612 ms, 1 past the bound');
  });

  it('says that none was missed, and where no bound is promised', () => {
    expect(section([failover(10)]).text).toContain('none missed it');
    const { text } = section([failover(10, { boundMs: null })]);
    expect(text).toContain('1 failover, none with a promised bound.');
    expect(text).not.toContain('missed it');
  });

  it('bounds the dots, keeping every missed one and the slowest', () => {
    const many = Array.from({ length: 5000 }, (_, index) =>
      failover(10 + index / 100, { faultId: index }),
    );
    const { page } = section([...many, failover(900), failover(901)]);
    expect(page.match(/<circle class="dot" cx/g)?.length).toBeLessThanOrEqual(200);
    expect(page.match(/<use class="dot-missed"/g)).toHaveLength(2);
    expect(page).toContain('60 ms · fault 4999');
    expect(page).toContain('200 of them drawn');
  });
});
