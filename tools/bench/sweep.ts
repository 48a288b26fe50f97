import type { LoopResult } from './closed-loop.ts';
import { goOn, WrongOutcome } from './events.ts';
import type { Progress } from './events.ts';
import type { Figure, LoadValues } from './figure.ts';
import { FLOOR } from './figure.ts';
import { Histogram } from './histogram.ts';
import type { LoadPoint } from './load-orders.ts';
import type { BenchOptions, Scenario } from './options.ts';
import type { BaselineSubject } from './ports.ts';
import type { Stage } from './stage.ts';

/** What is measured at every number of agents. */
export type Subject = 'held' | 'fresh' | 'routed_floor' | BaselineSubject;

const MAX_WARM_UP_MS = 1_000;
export const RUN_IN_AGENTS = 32;
/** No replica serves it. */
const ROUTED_NAMESPACE = 'bench-routed';
/** Longer than an operation takes with the most agents, on any machine that is worth measuring. */
export const LEAD_IN_MS = 500;

/**
 * Which subjects a choice of scenarios asks for, in the order in which they are measured; the floor
 * always.
 */
export function subjectsOf(scenarios: readonly Scenario[]): Subject[] {
  const more: [Scenario, Subject[]][] = [
    ['throughput', ['held']],
    ['fresh', ['fresh']],
    ['baselines', ['advisory_lock', 'reservation', 'routed_floor']],
  ];
  return [
    FLOOR,
    ...more.flatMap(([scenario, subjects]) => (scenarios.includes(scenario) ? subjects : [])),
  ];
}

interface Point {
  subject: Subject;
  agents: number;
}

/**
 * The order of measuring: through all points, then back again, half of the time each way. So
 * whatever the machine does meanwhile, the floor and what is compared with it are measured within
 * the same seconds, in both orders.
 */
export function thereAndBack(subjects: readonly Subject[], agents: readonly number[]): Point[] {
  const there = agents.flatMap((count) =>
    subjects.map((subject): Point => ({ subject, agents: count })),
  );
  return [...there, ...there.toReversed()];
}

/** Throughput and latency of the product and the baselines at every number of agents. */
export async function sweep(
  stage: Stage,
  options: BenchOptions,
  progress: Progress,
): Promise<void> {
  const subjects = subjectsOf(options.scenarios);
  const ofProduct = subjects.some((subject) => subject === 'held' || subject === 'fresh');
  const crew = ofProduct ? await stage.crew('bench') : undefined;
  if (crew !== undefined) {
    progress.note(
      `starting ${options.replicas} ${options.replicas === 1 ? 'replica' : 'replicas'}`,
    );
    await crew.start(options.replicas);
    await stage.aimAt(crew);
  }
  await measureAll(stage, options, progress, subjects);
  await crew?.stop();
}

async function measureAll(
  stage: Stage,
  options: BenchOptions,
  progress: Progress,
  subjects: readonly Subject[],
): Promise<void> {
  const measure = async (
    { subject, agents }: Point,
    turn: string,
    durationMs: number,
  ): Promise<LoopResult> => {
    goOn(progress.stop);
    const point = {
      agents,
      prefix: `${subject.replaceAll('_', '-')}-${agents}-${turn}`,
      warmUpMs: Math.min(MAX_WARM_UP_MS, durationMs),
      leadInMs: Math.min(LEAD_IN_MS, durationMs / 2),
      durationMs,
    };
    return sound(`${labelOf(subject)} at ${agents} agents`, await ask(stage, subject, point));
  };
  // Processes that have just been started run code that is not compiled yet; what is measured then
  // is thrown away.
  for (const subject of subjects) {
    progress.note(`running in: ${labelOf(subject)}`);
    await measure({ subject, agents: RUN_IN_AGENTS }, 'in', options.durationMs);
  }
  const order = thereAndBack(subjects, options.agents);
  const halves = new Map<string, LoopResult>();
  for (const [turn, point] of order.entries()) {
    const { subject, agents } = point;
    progress.note(
      `${labelOf(subject)}, ${agents} ${agents === 1 ? 'agent' : 'agents'} (${turn + 1} of ${order.length})`,
    );
    const result = await measure(point, String(turn), options.durationMs / 2);
    const key = `${subject}/${agents}`;
    const before = halves.get(key);
    if (before === undefined) halves.set(key, result);
    else progress.figure(loadFigure({ part: 'load', subject, at: { agents } }, [before, result]));
  }
}

function ask(stage: Stage, subject: Subject, point: LoadPoint): Promise<LoopResult> {
  if (subject === 'held' || subject === 'fresh') return stage.load.ask(subject, point);
  if (subject === 'routed_floor') return askRouted(stage, point);
  return stage.baselines.ask('measure', { ...point, url: stage.baselinesUrl, baseline: subject });
}

/** The load asks, the baselines' process answers. */
async function askRouted(stage: Stage, point: LoadPoint): Promise<LoopResult> {
  const { agents, prefix } = point;
  const target = {
    natsUrls: [stage.servers.nats.url],
    namespace: ROUTED_NAMESPACE,
    broadcastOnly: true,
  };
  await stage.baselines.ask('answer', { url: stage.baselinesUrl, target, agents, prefix });
  try {
    return await stage.load.ask('routed', { ...point, target });
  } finally {
    await stage.baselines.ask('stopAnswering', null);
  }
}

/** @throws WrongOutcome when an operation ended otherwise than it should have, or none was done */
export function sound<Result extends LoopResult>(what: string, result: Result): Result {
  if (result.wrong > 0)
    throw new WrongOutcome(`${what}: ${result.wrong} went wrong; the first: ${result.firstWrong}`);
  if (result.operations === 0) throw new WrongOutcome(`${what}: nothing was done in time`);
  return result;
}

/** A figure of several measurings of the same. */
export function loadFigure(
  of: Pick<Figure, 'part' | 'subject' | 'at'>,
  results: readonly LoopResult[],
): Figure {
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

const LABELS: Readonly<Record<Subject, string>> = {
  held: 'held instances',
  fresh: 'a fresh instance each',
  floor: 'the floor',
  advisory_lock: 'an advisory lock per step',
  reservation: 'a reservation row per step',
  routed_floor: 'the floor, asked for over NATS',
};

/** A subject in words. */
function labelOf(subject: Subject): string {
  return LABELS[subject];
}
