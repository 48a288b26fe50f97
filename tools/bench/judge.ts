import type { Figure, JudgedFigure, JudgedGoal, Part } from './figure.ts';
import { FLOOR } from './figure.ts';
import { GOALS } from './goals.ts';

/** What a figure is compared with beside the floor, in its own part. */
interface Rival {
  part: Part;
  /** Left out: every other figure of the part. */
  subjects?: readonly string[];
  rival: string;
  /** What the ratio is called. */
  to: string;
  values: readonly string[];
  /** Circumstances that both must have in common. */
  same: readonly string[];
}

const RIVALS: readonly Rival[] = [
  {
    part: 'load',
    rival: 'floor',
    to: 'floor',
    values: ['perS', 'p50Ms', 'p99Ms'],
    same: ['agents'],
  },
  ...[
    { rival: 'advisory_lock', to: 'advisoryLock' },
    { rival: 'reservation', to: 'reservation' },
    { rival: 'routed_floor', to: 'routedFloor' },
  ].map((names): Rival => ({
    ...names,
    part: 'load',
    subjects: ['held', 'fresh'],
    values: ['perS'],
    same: ['agents'],
  })),
  {
    part: 'rows',
    subjects: ['filled_log'],
    rival: 'empty_log',
    to: 'emptyLog',
    values: ['perS', 'p50Ms', 'p99Ms'],
    same: ['agents'],
  },
  {
    part: 'rows',
    subjects: ['last_rows_of_an_instance'],
    rival: 'first_rows_of_an_instance',
    to: 'firstRows',
    values: ['p50Ms', 'p99Ms'],
    same: [],
  },
  {
    part: 'replicas',
    subjects: ['eight_replicas', 'eight_replicas_by_broadcast'],
    rival: 'one_replica',
    to: 'oneReplica',
    values: ['perS', 'p50Ms', 'p99Ms', 'deliveredPerRequest'],
    same: ['agents', 'requestsPerS'],
  },
];

/**
 * Sets every figure against the floor of the same run, against its rivals, and against its goals.
 */
export function judged(figures: readonly Figure[]): JudgedFigure[] {
  return figures.map((figure) => {
    const ratios = ratiosOf(figure, figures);
    return { ...figure, ratios, goals: goalsOf(figure, ratios) };
  });
}

/**
 * The floor's best throughput over all numbers of agents, in operations a second; undefined where
 * it was not measured.
 */
export function bestFloorPerS(figures: readonly Figure[]): number | undefined {
  const rates = figures.flatMap(({ part, subject, values: { perS } }) =>
    part === 'load' && subject === FLOOR && perS !== undefined ? [perS] : [],
  );
  return rates.length === 0 ? undefined : Math.max(...rates);
}

/** The floor's median at the fewest agents: what two commits take when nobody is in the way. */
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
  for (const { part, subjects, rival, to, values, same } of RIVALS) {
    if (figure.part !== part || figure.subject === rival) continue;
    if (subjects !== undefined && !subjects.includes(figure.subject)) continue;
    const other = figures.find(
      (one) =>
        one.part === part &&
        one.subject === rival &&
        same.every((name) => one.at[name] === figure.at[name]),
    );
    for (const name of values) put(name, to, other?.values[name]);
  }
  return ratios;
}

function goalsOf(
  figure: Figure,
  ratios: Readonly<Record<string, Readonly<Record<string, number>>>>,
): JudgedGoal[] {
  return GOALS.flatMap((goal): JudgedGoal[] => {
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
