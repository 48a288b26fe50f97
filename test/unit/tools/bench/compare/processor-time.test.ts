import { describe, expect, it } from 'vitest';

import { cpuPerRequestUs, sumOf } from '../../../../../tools/bench/compare/processor-time.ts';

const METRICS = `# HELP leasehold_receipts_total Advance requests answered by this replica, by outcome
# TYPE leasehold_receipts_total counter
leasehold_receipts_total{outcome="advanced"} 40
leasehold_receipts_total{outcome="in_flight"} 2
leasehold_process_cpu_seconds_total 1.5e-1
`;

describe('the processor time of a request', () => {
  it('is read from a replica’s metrics, summed over labels', () => {
    expect(sumOf('leasehold_receipts_total', METRICS)).toBe(42);
    expect(sumOf('leasehold_process_cpu_seconds_total', METRICS)).toBe(0.15);
  });

  it('fails for a metric that the replica does not have', () => {
    expect(() => sumOf('leasehold_receipts', METRICS)).toThrow('no metric leasehold_receipts');
  });

  it('counts what two readings differ by', () => {
    const before = { cpuS: 1, requests: 1_000 };
    expect(cpuPerRequestUs(before, { cpuS: 1.5, requests: 6_000 })).toBeCloseTo(100);
  });
});
