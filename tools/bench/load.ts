import type { BenchStack } from './bench-stack.ts';
import type { BaselineName } from './baselines/baseline.ts';
import type { LoopResult } from './closed-loop.ts';
import { throwIfStopped, UnexpectedOutcome } from './events.ts';
import type { Progress } from './events.ts';
import type { Figure, LoadValues } from './figure.ts';
import { FLOOR } from './figure.ts';
import { Histogram } from './histogram.ts';
import type { LoadPoint } from './load-jobs.ts';
import type { BenchOptions, Scenario } from './options.ts';

/** What is measured at each number of agents. */
export type Subject = 'held' | 'fresh' | 'routed_floor' | BaselineName;

const MAX_WARM_UP_MS = 1_000;
/** The number of agents with which new processes are warmed up. */
export const WARM_UP_AGENTS = 32;
/** No replica uses it. */
const ROUTED_NAMESPACE = 'bench-routed';
/** Longer than any operation takes with the most agents, on a machine worth measuring. */
export const LEAD_IN_MS = 500;

/** How long a measurement runs in all its parts. */
export type Durations = Pick<LoadPoint, 'warmUpMs' | 'leadInMs' | 'durationMs'>;

/** The warm-up and the lead-in that belong to a measured time. */
export function durationsOf(durationMs: number): Durations {
  return {
    warmUpMs: Math.min(MAX_WARM_UP_MS, durationMs),
    leadInMs: Math.min(LEAD_IN_MS, durationMs / 2),
    durationMs,
  };
}

/** The subjects of the given scenarios, in the order in which they are measured. */
export function subjectsOf(scenarios: readonly Scenario[]): Subject[] {
  const more: [Scenario, Subject[]][] = [
    ['throughput', ['held']],
    ['fresh', ['fresh']],
    ['baselines', ['advisory_lock', 'reservation', 'routed_floor']],
  ];
  return [
    // Always: every other figure is given as a ratio to it.
    FLOOR,
    ...more.flatMap(([scenario, subjects]) => (scenarios.includes(scenario) ? subjects : [])),
  ];
}

interface Point {
  subject: Subject;
  agents: number;
}

/**
 * The order of measurements: through all points, then back again, half of the time each way. So
 * whatever the machine does meanwhile, the floor and the subjects compared with it are measured
 * within seconds of each other, in both orders.
 */
export function forthAndBack(subjects: readonly Subject[], agents: readonly number[]): Point[] {
  const forth = agents.flatMap((count) =>
    subjects.map((subject): Point => ({ subject, agents: count })),
  );
  return [...forth, ...forth.toReversed()];
}

/** Throughput and latency of the product and the baselines at each number of agents. */
export async function measureLoad(
  stack: BenchStack,
  options: BenchOptions,
  progress: Progress,
): Promise<void> {
  const subjects = subjectsOf(options.scenarios);
  const needsReplicas = subjects.some((subject) => subject === 'held' || subject === 'fresh');
  const pool = needsReplicas ? await stack.createPool('bench') : undefined;
  if (pool !== undefined) {
    const { replicas } = options;
    progress.note(`starting ${replicas} ${replicas === 1 ? 'replica' : 'replicas'}`);
    await pool.start(replicas);
    await stack.directLoadAt(pool);
  }
  await measureAll(stack, options, progress, subjects);
  await pool?.stop();
}

async function measureAll(
  stack: BenchStack,
  { agents, durationMs }: BenchOptions,
  progress: Progress,
  subjects: readonly Subject[],
): Promise<void> {
  const measure = async (point: Point, suffix: string, measuredMs: number): Promise<LoopResult> => {
    throwIfStopped(progress.stop);
    const { subject } = point;
    const result = await runLoad(stack, subject, {
      agents: point.agents,
      prefix: `${subject.replaceAll('_', '-')}-${point.agents}-${suffix}`,
      ...durationsOf(measuredMs),
    });
    return requireExpected(`${NAMES[subject]} at ${point.agents} agents`, result);
  };
  // New processes run code that is not compiled yet; these results are thrown away.
  for (const subject of subjects) {
    progress.note(`warming up: ${NAMES[subject]}`);
    await measure({ subject, agents: WARM_UP_AGENTS }, 'in', durationMs);
  }
  const points = forthAndBack(subjects, agents);
  const firstHalves = new Map<string, LoopResult>();
  for (const [index, point] of points.entries()) {
    const at = `${point.agents} ${point.agents === 1 ? 'agent' : 'agents'}`;
    progress.note(`${NAMES[point.subject]}, ${at} (${index + 1} of ${points.length})`);
    const result = await measure(point, String(index), durationMs / 2);
    const key = `${point.subject}/${point.agents}`;
    const firstHalf = firstHalves.get(key);
    if (firstHalf === undefined) firstHalves.set(key, result);
    else {
      const of = { part: 'load', subject: point.subject, at: { agents: point.agents } } as const;
      progress.figure(loadFigure(of, [firstHalf, result]));
    }
  }
}

function runLoad(stack: BenchStack, subject: Subject, point: LoadPoint): Promise<LoopResult> {
  if (subject === 'held' || subject === 'fresh') return stack.load.run(subject, point);
  if (subject === 'routed_floor') return runRouted(stack, point);
  return stack.baselines.run('measure', { ...point, url: stack.baselinesUrl, baseline: subject });
}

/** The load generator sends requests, and the baselines' process answers them. */
async function runRouted(stack: BenchStack, point: LoadPoint): Promise<LoopResult> {
  const { agents, prefix } = point;
  const target = {
    natsUrls: [stack.servers.nats.url],
    namespace: ROUTED_NAMESPACE,
    broadcastOnly: true,
  };
  await stack.baselines.run('answer', { url: stack.baselinesUrl, target, agents, prefix });
  try {
    return await stack.load.run('routed', { ...point, target });
  } finally {
    await stack.baselines.run('stopAnswering', null);
  }
}

/** @throws UnexpectedOutcome if an operation ended otherwise than it should, or none ended */
export function requireExpected<Result extends LoopResult>(what: string, result: Result): Result {
  const { unexpected, firstUnexpected, operations } = result;
  if (unexpected > 0) {
    throw new UnexpectedOutcome(
      `${what}: ${unexpected} operations ended unexpectedly; the first: ${firstUnexpected}`,
    );
  }
  if (operations === 0) throw new UnexpectedOutcome(`${what}: no operation ended in time`);
  return result;
}

/** One figure of several measurements of the same subject. */
export function loadFigure(
  of: Pick<Figure, 'part' | 'subject' | 'at'>,
  results: readonly LoopResult[],
): Figure & { values: LoadValues } {
  const latencies = Histogram.of(results.map((result) => result.latencies));
  const operations = results.reduce((sum, result) => sum + result.operations, 0);
  const measuredS = results.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0) / 1_000;
  const values: LoadValues = {
    perS: operations / measuredS,
    p50Ms: latencies.quantileMs(0.5),
    p99Ms: latencies.quantileMs(0.99),
    maxMs: latencies.maxMs,
    operations,
    measuredS,
  };
  return { ...of, values };
}

/** How progress lines and messages name the subjects. */
const NAMES: Readonly<Record<Subject, string>> = {
  held: 'held instances',
  fresh: 'a fresh instance each',
  floor: 'the floor',
  advisory_lock: 'an advisory lock per step',
  reservation: 'a reservation row per step',
  routed_floor: 'the floor over NATS',
};
