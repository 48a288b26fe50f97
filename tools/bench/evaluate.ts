import type { EvaluatedFigure, EvaluatedGoal, Figure, Part } from './figure.ts';
import { FLOOR } from './figure.ts';
import { GOALS } from './goals.ts';

/** A figure that others of its part are compared with, besides the floor. */
interface Reference {
  part: Part;
  /** The subject of the figure to compare with. */
  reference: string;
  /** Which subjects are compared with it. Default: all others of the part. */
  subjects?: readonly string[];
  /** The name of the ratio. */
  to: string;
  values: readonly string[];
  /** The parameters that must be the same in both. */
  same: readonly string[];
}

const REFERENCES: readonly Reference[] = [
  {
    part: 'load',
    reference: 'floor',
    to: 'floor',
    values: ['perS', 'p50Ms', 'p99Ms'],
    same: ['agents'],
  },
  ...[
    { reference: 'advisory_lock', to: 'advisoryLock' },
    { reference: 'reservation', to: 'reservation' },
    { reference: 'routed_floor', to: 'routedFloor' },
  ].map((names): Reference => ({
    ...names,
    part: 'load',
    subjects: ['held', 'fresh'],
    values: ['perS'],
    same: ['agents'],
  })),
  {
    part: 'rows',
    subjects: ['filled_log'],
    reference: 'empty_log',
    to: 'emptyLog',
    values: ['perS', 'p50Ms', 'p99Ms'],
    same: ['agents'],
  },
  {
    part: 'rows',
    subjects: ['last_rows_of_an_instance'],
    reference: 'first_rows_of_an_instance',
    to: 'firstRows',
    values: ['p50Ms', 'p99Ms'],
    same: [],
  },
  {
    part: 'replicas',
    subjects: ['eight_replicas', 'eight_replicas_by_broadcast'],
    reference: 'one_replica',
    to: 'oneReplica',
    values: ['perS', 'p50Ms', 'p99Ms', 'deliveredPerRequest'],
    same: ['agents', 'requestsPerS'],
  },
];

/** Adds to every figure its ratios to the run's floor and references, and its goals. */
export function evaluateFigures(figures: readonly Figure[]): EvaluatedFigure[] {
  return figures.map((figure) => {
    const ratios = ratiosOf(figure, figures);
    return { ...figure, ratios, goals: goalsOf(figure, ratios) };
  });
}

/**
 * The floor's best throughput over all numbers of agents, in operations per second; undefined if
 * the floor was not measured.
 */
export function bestFloorPerS(figures: readonly Figure[]): number | undefined {
  const rates = figures.flatMap(({ part, subject, values: { perS } }) =>
    part === 'load' && subject === FLOOR && perS !== undefined ? [perS] : [],
  );
  return rates.length === 0 ? undefined : Math.max(...rates);
}

/** The floor's median with the fewest agents: the time of two commits without contention. */
function floorMedianMs(figures: readonly Figure[]): number | undefined {
  const floors = figures.filter(({ part, subject }) => part === 'load' && subject === FLOOR);
  const fewest = Math.min(...floors.map(({ at }) => at['agents'] ?? 0));
  return floors.find(({ at }) => at['agents'] === fewest)?.values['p50Ms'];
}

function ratiosOf(
  figure: Figure,
  figures: readonly Figure[],
): Record<string, Record<string, number>> {
  const ratios: Record<string, Record<string, number>> = {};
  const put = (value: string, to: string, base: number | undefined): void => {
    const own = figure.values[value];
    if (own === undefined || base === undefined || !(base > 0)) return;
    (ratios[value] ??= {})[to] = own / base;
  };
  for (const name of Object.keys(figure.values)) {
    if (name === 'perS') put(name, 'bestFloor', bestFloorPerS(figures));
    if (figure.part !== 'load' && name.endsWith('Ms'))
      put(name, 'floorMedian', floorMedianMs(figures));
  }
  for (const { part, subjects, reference, to, values, same } of REFERENCES) {
    if (figure.part !== part || figure.subject === reference) continue;
    if (subjects !== undefined && !subjects.includes(figure.subject)) continue;
    const other = figures.find(
      (one) =>
        one.part === part &&
        one.subject === reference &&
        same.every((name) => one.at[name] === figure.at[name]),
    );
    for (const name of values) put(name, to, other?.values[name]);
  }
  return ratios;
}

function goalsOf(
  figure: Figure,
  ratios: Readonly<Record<string, Readonly<Record<string, number>>>>,
): EvaluatedGoal[] {
  return GOALS.flatMap((goal): EvaluatedGoal[] => {
    if (goal.part !== figure.part || goal.subject !== figure.subject || !goal.when(figure.at))
      return [];
    const own =
      goal.ratio === undefined ? figure.values[goal.value] : ratios[goal.value]?.[goal.ratio];
    if (own === undefined) return [];
    const of = goal.ratio === undefined ? goal.value : `${goal.value}/${goal.ratio}`;
    const met = goal.atLeast === undefined ? own <= goal.atMost : own >= goal.atLeast;
    return [{ of, text: goal.text, met }];
  });
}
