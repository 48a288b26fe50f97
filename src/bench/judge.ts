import type { Figure, JudgedFigure, JudgedGoal } from './figure.ts';
import { FLOOR, isAt } from './figure.ts';
import { GOALS } from './goals.ts';

/** Subjects that figures of the same circumstances are compared with, and what the ratio is called. */
const RIVALS: Readonly<Record<string, string>> = {
  floor: 'floor',
  advisory_lock: 'advisoryLock',
  reservation: 'reservation',
  empty_log: 'emptyLog',
  one_replica: 'oneReplica',
};

/** Sets every figure against the floor of the same run, against its rivals, and against its goals. */
export function judged(figures: readonly Figure[]): JudgedFigure[] {
  return figures.map((figure) => {
    const ratios = ratiosOf(figure, figures);
    return { ...figure, ratios, goals: goalsOf(figure, ratios) };
  });
}

/** The floor's best throughput over all numbers of agents, in operations a second; undefined where it was not measured. */
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

function ratiosOf(figure: Figure, figures: readonly Figure[]): Record<string, Record<string, number>> {
  const ratios: Record<string, Record<string, number>> = {};
  const put = (value: string, to: string, base: number | undefined): void => {
    const own = figure.values[value];
    if (own === undefined || base === undefined || !(base > 0)) return;
    (ratios[value] ??= {})[to] = own / base;
  };
  for (const name of Object.keys(figure.values)) {
    if (name === 'perS') put(name, 'bestFloor', bestFloorPerS(figures));
    if (figure.part !== 'load' && name.endsWith('Ms')) put(name, 'floorMedian', floorMedianMs(figures));
  }
  for (const rival of figures) {
    const to = RIVALS[rival.subject];
    if (to === undefined || rival === figure || rival.part !== figure.part) continue;
    const same = rival.part === 'load' || rival.part === 'rows' ? isAt(rival, figure.at) : true;
    // A filled log is compared with an empty one, whatever it is filled with.
    if (!same && to !== 'emptyLog') continue;
    const latencies = to === 'advisoryLock' || to === 'reservation' ? [] : ['p50Ms', 'p99Ms'];
    for (const name of ['perS', ...latencies]) put(name, to, rival.values[name]);
  }
  return ratios;
}

function goalsOf(
  figure: Figure,
  ratios: Readonly<Record<string, Readonly<Record<string, number>>>>,
): JudgedGoal[] {
  return GOALS.flatMap((goal): JudgedGoal[] => {
    if (goal.part !== figure.part || goal.subject !== figure.subject || !goal.when(figure.at)) return [];
    const own = goal.ratio === undefined ? figure.values[goal.value] : ratios[goal.value]?.[goal.ratio];
    if (own === undefined) return [];
    const of = goal.ratio === undefined ? goal.value : `${goal.value}/${goal.ratio}`;
    const met = goal.atLeast === undefined ? own <= goal.atMost : own >= goal.atLeast;
    return [{ of, text: goal.text, met }];
  });
}
