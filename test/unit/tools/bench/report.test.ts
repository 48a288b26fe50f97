import { describe, expect, it } from 'vitest';

import { axisTicks, position, tickText } from '../../../../tools/bench/report/axis.ts';
import { renderBench } from '../../../../tools/bench/report/report.ts';
import { outline } from '../page/outline.ts';
import { sampleRecord } from './sample-record.ts';

describe('the report of a bench', () => {
  it('has a section for every part, charts of load and failover, and every figure', () => {
    const { tags, text } = outline(renderBench(sampleRecord()));
    const ids = tags.flatMap(({ attributes }) => attributes.get('id') ?? []);
    expect(ids).toEqual(['load', 'acquisition', 'memory', 'failover', 'rows', 'replicas']);
    expect(tags.filter(({ name }) => name === 'svg')).toHaveLength(4);
    for (const shown of [
      '16 of 18 goals met',
      '9,100',
      '1.42',
      'fsync=on',
      'Example &lt;CPU&gt;',
      '3,200',
    ])
      expect(text).toContain(shown);
  });

  it('is the same for the same record, loads nothing and runs no script', () => {
    const html = renderBench(sampleRecord());
    expect(renderBench(sampleRecord())).toBe(html);
    expect(html).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)|NaN|undefined|Infinity/);
    expect(html).toContain('default-src &#39;none&#39;');
  });

  it('says what was not measured, and is valid without figures', () => {
    const failures = [{ scenario: 'rows', why: 'Postgres <ended>' }];
    const { text } = outline(
      renderBench({ ...sampleRecord(), figures: [], ended: 'failed', failures }),
    );
    expect(text).toContain('rows could not be measured: Postgres &lt;ended&gt;');
    const broken = outline(renderBench({ ...sampleRecord(), figures: [], ended: 'broken_off' }));
    expect(broken.text).toContain('Broken off');
  });
});

describe('an axis', () => {
  it('encloses all values between round ends', () => {
    expect(axisTicks([120, 9_600], 'linear')).toEqual([0, 2_000, 4_000, 6_000, 8_000, 10_000]);
    expect(axisTicks([0.4, 260], 'log')).toEqual([0.1, 1, 10, 100, 1_000]);
    expect(axisTicks([], 'log')).toEqual([0, 1]);
    expect(axisTicks([0.4, 260], 'log').map(tickText)).toEqual(['0.1', '1', '10', '100', '1,000']);
  });

  it('clamps values, and puts a single one in the middle', () => {
    const axis = { kind: 'log', from: 1, to: 100 } as const;
    expect([1, 10, 100, 0, 1e9].map((value) => position(axis, value))).toEqual([0, 0.5, 1, 0, 1]);
    expect(position({ kind: 'log', from: 8, to: 8 }, 8)).toBe(0.5);
  });
});
