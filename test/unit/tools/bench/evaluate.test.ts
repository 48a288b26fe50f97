import { describe, expect, it } from 'vitest';

import type { EvaluatedFigure } from '../../../../tools/bench/figure.ts';
import { bestFloorPerS, evaluateFigures } from '../../../../tools/bench/evaluate.ts';
import { figureTables } from '../../../../tools/bench/table.ts';
import {
  figureLine,
  formatNumber,
  formatRatio,
  valueLabel,
} from '../../../../tools/bench/labels.ts';
import { sampleFigures } from './sample-record.ts';

const figures = evaluateFigures(sampleFigures());

function figure(subject: string, at: Record<string, number> = {}): EvaluatedFigure {
  const found = figures.find(
    (one) =>
      one.subject === subject &&
      Object.entries(at).every(([name, value]) => one.at[name] === value),
  );
  if (found === undefined) throw new Error(`no figure of ${subject}`);
  return found;
}

describe('a figure', () => {
  it('is compared with the floor at the same number of agents, and with its best', () => {
    expect(bestFloorPerS(figures)).toBe(6_400);
    const { ratios } = figure('held', { agents: 512 });
    expect(ratios['perS']).toMatchObject({
      floor: 9_600 / 5_800,
      bestFloor: 1.5,
      advisoryLock: 3.2,
      reservation: 9_600 / 3_600,
      routedFloor: 9_600 / 3_700,
    });
    expect(figure('floor', { agents: 128 }).ratios['perS']).toEqual({ bestFloor: 1 });
  });

  it('is compared with an empty log, one replica, and the floor’s median with one agent', () => {
    expect(figure('filled_log').ratios['perS']?.['emptyLog']).toBeCloseTo(0.9);
    expect(figure('eight_replicas').ratios['p99Ms']?.['oneReplica']).toBeCloseTo(15 / 9);
    expect(figure('sigterm').ratios['worstMs']?.['floorMedian']).toBeCloseTo(99 / 0.4);
    expect(figure('list').ratios['p50Ms']?.['emptyLog']).toBeUndefined();
  });

  it('says for each of its goals whether it was met', () => {
    const goals = (one: EvaluatedFigure): [string, boolean][] =>
      one.goals.map(({ of, met }) => [of, met]);
    expect(goals(figure('held', { agents: 128 }))).toEqual([
      ['perS/bestFloor', true],
      ['perS/advisoryLock', true],
      ['perS/reservation', true],
    ]);
    expect(goals(figure('held', { agents: 1 }))).toEqual([['p50Ms/floor', true]]);
    expect(goals(figure('sigstop_hold'))).toEqual([['worstMs', false]]);
    expect(goals(figure('list'))).toEqual([['worstMs', false]]);
    expect(goals(figure('acquire', { atOnce: 1 }))).toEqual([]);
  });

  it('has no ratio to a floor that was not measured', () => {
    const alone = evaluateFigures(sampleFigures().filter(({ subject }) => subject === 'sigterm'));
    expect(alone[0]?.ratios).toEqual({});
  });
});

describe('the tables', () => {
  it('have every figure, ratios next to their values, and goals as text', () => {
    const tables = figureTables(figures);
    expect(tables.map(({ part }) => part)).toEqual([
      'load',
      'acquisition',
      'memory',
      'failover',
      'rows',
      'replicas',
    ]);
    const [load] = tables;
    expect(load?.head.slice(0, 5)).toEqual(['agents', 'what', 'per s', '× best floor', '× floor']);
    expect(load?.rows).toHaveLength(30);
    expect(load?.rows[19]).toEqual(
      expect.arrayContaining(['128', 'held instances', '9,100', '1.42']),
    );
    expect(load?.rows[19]?.at(-1)).toContain('met: 1.3 to 1.9 × the best floor');
    const failover = tables.find(({ part }) => part === 'failover');
    expect(failover?.rows.at(-1)?.at(-1)).toBe('MISSED: < 3 s (TTL + 1 s)');
    for (const { head, rows } of tables)
      for (const row of rows) expect(row).toHaveLength(head.length);
  });

  it('have numbers that can be read', () => {
    expect([0.1234, 1.234, 12.34, 123.4, 12_345.6, 5].map(formatNumber)).toEqual([
      '0.123',
      '1.23',
      '12.3',
      '123',
      '12,346',
      '5',
    ]);
    expect([
      formatNumber(Number.NaN),
      formatNumber(undefined),
      formatRatio(2),
      formatRatio(1_234.5),
    ]).toEqual(['-', '-', '2.00', '1,235']);
    expect(
      ['perS', 'p50Ms', 'perHoldingBytes', 'growth', 'deliveredPerRequest'].map(valueLabel),
    ).toEqual(['per s', 'p50 ms', 'per holding bytes', 'growth', 'delivered per request']);
    expect(figureLine(figure('held', { agents: 1 }))).toBe(
      'held instances, 1 agent: per s 1,500 · p50 ms 0.667 · p99 ms 2 · max ms 3.33',
    );
  });
});
