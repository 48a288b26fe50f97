import { Adversary, type AdversaryOptions } from './adversary.ts';
import { breaches, type Breach } from './checker.ts';
import { lostWork } from './due-checker.ts';
import { Cluster, type ClusterOptions } from './cluster.ts';
import type { Coverage } from './coverage.ts';
import { HANDLERS } from './sim-effects.ts';
import { planSchedule, shrink, type Planned } from './schedule.ts';
import { Workload } from './workload.ts';

/** How one seed went. */
export interface SeedResult {
  seed: number;
  schedule: Planned[];
  breaches: Breach[];
  coverage: Coverage;
  effects: number;
  trace: string[];
}

/** How a run is set up, apart from its seed. */
export interface RunOptions extends ClusterOptions {
  /** Default: planned from the seed, with 20 requests, 4 faults and 3 traps. */
  schedule?: Planned[];
  /** Changes the cluster before it starts: a negative control switches a rule off. */
  prepare?: (cluster: Cluster) => void;
  adversary?: AdversaryOptions;
  /** How long all instances may take to reach their ends once nothing is broken any more. */
  endWithinMs?: number;
  /** Called when the run is over, before it is checked: the checks use rules of the product. */
  beforeChecks?: () => void;
}

/** How much a schedule contains by default. */
export const SIZE = { requests: 26, faults: 4, traps: 3, instances: 4, overMs: 16_000 };

/**
 * Every third seed is a rolling deploy: every other replica of the first three lacks a handler and
 * cannot probe, or none of them can run the new cell; those that start later have everything.
 */
function deployOf(seed: number): ClusterOptions['handlers'] {
  if (seed % 3 !== 0) return undefined;
  const old = seed % 9 === 0 ? [1, 2, 3] : [1, 3];
  return (nth) => (old.includes(nth) ? ['any'] : HANDLERS);
}

/**
 * Runs one seeded schedule to its end and checks the guarantees. The same seed gives the same run.
 */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<SeedResult> {
  const cluster = new Cluster(seed, { handlers: deployOf(seed), ...options });
  // In every fourth seed, watches are late: no rule may depend on their events.
  if (seed % 4 === 0) cluster.etcd.watchDelayMs = 250 * (1 + ((seed / 4) % 8));
  options.prepare?.(cluster);
  void new Adversary(cluster, seed, options.adversary);
  for (let count = 0; count < 3; count += 1) cluster.startReplica();
  const workload = new Workload(cluster, SIZE.instances);
  const schedule = options.schedule ?? planSchedule(seed, SIZE);
  workload.layOut(schedule);
  await cluster.world.run(20_000);
  const ended = await workload.finish(options.endWithinMs ?? 240_000);
  // Late outcomes are still on their way: leave time for them, and for the sweep.
  await cluster.world.run(cluster.world.nowMs + 10_000);
  options.beforeChecks?.();
  const found = breaches(cluster, workload);
  if (!ended) found.push({ guarantee: 4, what: 'an instance did not reach its end' });
  found.push(...lostWork(cluster));
  const { coverage, world, witness } = cluster;
  return {
    seed,
    schedule,
    breaches: found,
    coverage,
    effects: witness.seen.length,
    trace: world.trace,
  };
}

/** The smallest part of a failing seed's schedule that still breaks a guarantee. */
export function shrinkSeed(failing: SeedResult, options: RunOptions = {}): Promise<Planned[]> {
  return shrink(failing.schedule, async (schedule) => {
    const { breaches: still } = await runSeed(failing.seed, { ...options, schedule });
    return still.length > 0;
  });
}
