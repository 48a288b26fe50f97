import type { Progress } from './events.ts';
import type { BenchOptions, Scenario } from './options.ts';
import type { BenchStack } from './bench-stack.ts';
import { measureAcquisition } from './acquisition.ts';
import { measureFailover } from './failover.ts';
import { measureRows } from './filled-log.ts';
import { measureLongInstance } from './long-instance.ts';
import { measureMemory } from './memory.ts';
import { measureReplicas } from './replicas.ts';
import { measureLoad } from './load.ts';

/** A part of a run that can fail without the others. */
export interface BenchScenario {
  name: string;
  /** What it measures, for people. */
  text: string;
  run(stack: BenchStack, options: BenchOptions, progress: Progress): Promise<void>;
}

const ALL: readonly (BenchScenario & { wanted: readonly Scenario[] | 'always' })[] = [
  // Always: the figures of all others are ratios to the floor.
  {
    name: 'load',
    text: 'throughput and latency, compared with the floor',
    wanted: 'always',
    run: measureLoad,
  },
  {
    name: 'acquisition',
    text: 'acquiring leases',
    wanted: ['acquisition'],
    run: measureAcquisition,
  },
  { name: 'memory', text: 'holding many instances', wanted: ['memory'], run: measureMemory },
  { name: 'failover', text: 'failover by fault', wanted: ['failover'], run: measureFailover },
  { name: 'rows', text: 'a log with many rows', wanted: ['rows'], run: measureRows },
  { name: 'long', text: 'an instance with many rows', wanted: ['rows'], run: measureLongInstance },
  { name: 'replicas', text: 'one replica and eight', wanted: ['replicas'], run: measureReplicas },
];

/** The requested scenarios, in the order in which they run. */
export function scenariosOf({ scenarios }: BenchOptions): readonly BenchScenario[] {
  return ALL.filter(
    ({ wanted }) => wanted === 'always' || wanted.some((name) => scenarios.includes(name)),
  );
}
