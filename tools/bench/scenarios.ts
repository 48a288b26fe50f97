import type { Progress } from './events.ts';
import type { BenchOptions, Scenario } from './options.ts';
import type { Stage } from './stage.ts';
import { measureAcquisition } from './acquisition.ts';
import { measureFailover } from './failover.ts';
import { measureRows } from './filled-log.ts';
import { measureLongInstance } from './long-instance.ts';
import { measureHolding } from './memory.ts';
import { measureReplicas } from './replicas.ts';
import { sweep } from './sweep.ts';

/** Something that is measured, for itself. */
export interface BenchScenario {
  name: string;
  /** What it is about, for people. */
  text: string;
  run(stage: Stage, options: BenchOptions, progress: Progress): Promise<void>;
}

const ALL: readonly (BenchScenario & { wanted: readonly Scenario[] | 'always' })[] = [
  // The floor is what every other figure is a ratio to.
  { name: 'load', text: 'throughput and latency, against the floor', wanted: 'always', run: sweep },
  {
    name: 'acquisition',
    text: 'acquiring leases',
    wanted: ['acquisition'],
    run: measureAcquisition,
  },
  { name: 'memory', text: 'holding many instances', wanted: ['memory'], run: measureHolding },
  { name: 'failover', text: 'failover by fault', wanted: ['failover'], run: measureFailover },
  { name: 'rows', text: 'a log with many rows', wanted: ['rows'], run: measureRows },
  { name: 'long', text: 'an instance with many rows', wanted: ['rows'], run: measureLongInstance },
  { name: 'replicas', text: 'one replica and eight', wanted: ['replicas'], run: measureReplicas },
];

/** The scenarios that were asked for, in the order in which they run. */
export function scenariosOf({ scenarios }: BenchOptions): readonly BenchScenario[] {
  return ALL.filter(
    ({ wanted }) => wanted === 'always' || wanted.some((name) => scenarios.includes(name)),
  );
}
