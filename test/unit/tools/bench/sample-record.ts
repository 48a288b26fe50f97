import type { Figure } from '../../../../tools/bench/figure.ts';
import { evaluateFigures } from '../../../../tools/bench/evaluate.ts';
import type { BenchRecord } from '../../../../tools/bench/record.ts';

const AGENTS = [1, 8, 32, 128, 512];
/** Operations per second at each number of agents. */
const RATES = {
  floor: [2_500, 4_900, 6_100, 6_400, 5_800],
  held: [1_500, 5_200, 8_000, 9_100, 9_600],
  fresh: [700, 3_900, 6_000, 7_000, 7_300],
  advisory_lock: [1_400, 3_100, 3_700, 3_600, 3_000],
  reservation: [1_600, 3_600, 4_300, 4_200, 3_600],
  routed_floor: [1_700, 3_000, 3_900, 4_000, 3_700],
};

/** Figures of every part, as measured on a fast machine. */
export function sampleFigures(): Figure[] {
  const load = Object.entries(RATES).flatMap(([subject, rates]) =>
    AGENTS.map((agents, index): Figure => {
      const perS = rates[index] ?? 0;
      const p50Ms = (agents / perS) * 1_000;
      const values = {
        perS,
        p50Ms,
        p99Ms: p50Ms * 3,
        maxMs: p50Ms * 5,
        operations: perS * 6,
        measuredS: 6,
      };
      return { part: 'load', subject, at: { agents }, values };
    }),
  );
  const acquired = [
    [1, 600],
    [512, 21_000],
  ].map(([atOnce = 0, perS = 0]): Figure => {
    const values = { perS, p50Ms: 1.4, p99Ms: 9, maxMs: 20, operations: 1, measuredS: 1 };
    return { part: 'acquisition', subject: 'acquire', at: { atOnce }, values };
  });
  const failover = [
    ['sigterm', 61, 97, 99],
    ['sigkill_idle', 130, 312, 340],
    ['sigkill_hold', 1_640, 2_400, 2_610],
    ['sigstop_hold', 2_020, 2_500, 3_200],
  ].map(([subject, medianMs, p99Ms, worstMs]): Figure => {
    const values = { medianMs: Number(medianMs), p99Ms: Number(p99Ms), worstMs: Number(worstMs) };
    return {
      part: 'failover',
      subject: String(subject),
      at: { trials: 100, instances: 400 },
      values,
    };
  });
  const rest: Figure[] = [
    {
      part: 'memory',
      subject: 'held',
      at: { held: 100_000, ttlS: 5 },
      values: { perHoldingBytes: 1_126.4 },
    },
    {
      part: 'rows',
      subject: 'empty_log',
      at: { rows: 0, agents: 32 },
      values: { perS: 8_000, p50Ms: 4 },
    },
    {
      part: 'rows',
      subject: 'filled_log',
      at: { rows: 10_000_000, agents: 32 },
      values: { perS: 7_200, p50Ms: 4.4 },
    },
    {
      part: 'rows',
      subject: 'list',
      at: { rows: 10_000_000 },
      values: { p50Ms: 0.7, worstMs: 61 },
    },
    ...['one_replica', 'eight_replicas'].map((subject, index): Figure => {
      const values = {
        perS: 1_000,
        p50Ms: 2 + index,
        p99Ms: 9 + 6 * index,
        deliveredPerRequest: 3 + 8 * index,
      };
      return { part: 'replicas', subject, at: { requestsPerS: 1_000 }, values };
    }),
  ];
  return [...load, ...acquired, ...rest, ...failover];
}

/** The record of a complete run. */
export function sampleRecord(): BenchRecord {
  return {
    format: 1,
    startedAt: '2026-11-26T10:00:00.000Z',
    durationMs: 601_000,
    command: 'leasehold bench --scenario throughput,fresh --agents 1,8',
    ended: 'complete',
    failures: [],
    machine: { cpu: 'Example <CPU>', cpus: 2, platform: 'linux x64' },
    versions: {
      leasehold: '0.1.0',
      node: 'v20.20.2',
      etcd: '3.5.30',
      nats: '2.15.1',
      postgres: '15.18',
    },
    postgresSettings: { fsync: 'on', synchronous_commit: 'on' },
    figures: evaluateFigures(sampleFigures()),
  };
}
