import { breaches, type Breach } from './checker.ts';
import { Cluster, type ClusterOptions } from './cluster.ts';
import { Workload } from './workload.ts';

/** How one seed went. */
export interface SeedResult {
  seed: number;
  breaches: Breach[];
  effects: number;
  rows: number;
  lateOutcomes: number;
  refusals: number;
  trace: string[];
}

/** What a schedule holds. */
export interface Schedule extends ClusterOptions {
  requests?: number;
  faults?: number;
  /** Changes the cluster before it starts: a negative control switches a rule off. */
  prepare?: (cluster: Cluster) => void;
}

/** Runs one seeded schedule to its end and checks the guarantees. The same seed gives the same run. */
export async function runSeed(seed: number, schedule: Schedule = {}): Promise<SeedResult> {
  const cluster = new Cluster(seed, schedule);
  schedule.prepare?.(cluster);
  for (let count = 0; count < 3; count += 1) cluster.startReplica();
  const workload = new Workload(cluster, 3);
  workload.layOut(schedule.requests ?? 20, schedule.faults ?? 4, 16_000);
  await cluster.world.run(20_000);
  const ended = await workload.finish();
  // Late outcomes are still on their way: give them their time, and the sweep its own.
  await cluster.world.run(cluster.world.nowMs + 10_000);
  const found = breaches(cluster, workload);
  if (!ended) found.push({ guarantee: 4, what: 'an instance did not come to its end' });
  const { rows, lateOutcomes, refusals } = cluster.postgres;
  return {
    seed,
    breaches: found,
    effects: cluster.witness.seen.length,
    rows: [...rows.values()].flat().length,
    lateOutcomes: lateOutcomes.length,
    refusals: refusals.length,
    trace: cluster.world.trace,
  };
}
