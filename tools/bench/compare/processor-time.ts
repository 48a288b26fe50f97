import type { ReplicaPool } from '../replica-pool.ts';

/** What a pool's replicas have used and done since they started. */
export interface Usage {
  /** Processor time, user and system, of all replicas together. */
  cpuS: number;
  /** Advance requests that they answered. */
  requests: number;
}

/**
 * Reads the usage from the replicas' metrics.
 *
 * @throws Error if a replica does not answer, or lacks a metric
 */
export async function readUsage(pool: ReplicaPool): Promise<Usage> {
  const texts = await Promise.all(
    pool.replicas.map(async ({ httpUrl }) => {
      const response = await fetch(new URL('/metrics', httpUrl));
      return response.text();
    }),
  );
  const total = (name: string): number => texts.reduce((sum, text) => sum + sumOf(name, text), 0);
  return {
    cpuS: total('leasehold_process_cpu_seconds_total'),
    requests: total('leasehold_receipts_total'),
  };
}

/** Processor time for each request between two readings, in µs. */
export function cpuPerRequestUs(before: Usage, after: Usage): number {
  return ((after.cpuS - before.cpuS) / (after.requests - before.requests)) * 1e6;
}

/** The sum of a metric over its labels, in Prometheus' text format. */
export function sumOf(name: string, text: string): number {
  const samples = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))];
  if (samples.length === 0) throw new Error(`the replica has no metric ${name}`);
  return samples.reduce((sum, [, value]) => sum + Number(value), 0);
}
