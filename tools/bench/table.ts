import type { JudgedFigure, Part } from './figure.ts';
import { PARTS } from './figure.ts';
import {
  LOAD_SUBJECTS,
  atWords,
  number,
  partTitle,
  ratio,
  ratioWords,
  subjectWords,
  valueWords,
} from './words.ts';

/** One part of a run as a table: what a person reads on the terminal or the page. */
export interface FigureTable {
  part: Part;
  title: string;
  head: string[];
  rows: (string | null)[][];
}

/** Not shown: they say how a figure came about, and are in bench.json. */
const UNSHOWN = ['operations', 'measuredS', 'maxMs'];

const RATIO_ORDER = [
  'bestFloor',
  'floor',
  'advisoryLock',
  'reservation',
  'routedFloor',
  'floorMedian',
  'oneReplica',
];

/** Parts whose figures have different values. */
const UNLIKE: readonly Part[] = ['memory', 'rows'];

/** A table for each part that was measured. */
export function figureTables(figures: readonly JudgedFigure[]): FigureTable[] {
  return PARTS.flatMap((part) => {
    const own = figures.filter((figure) => figure.part === part);
    if (own.length === 0) return [];
    return [
      UNLIKE.includes(part)
        ? tallTable(part, own)
        : wideTable(part, part === 'load' ? byAgents(own) : own),
    ];
  });
}

function byAgents(figures: readonly JudgedFigure[]): JudgedFigure[] {
  const place = ({ subject }: JudgedFigure): number => LOAD_SUBJECTS.indexOf(subject);
  return [...figures].sort(
    (a, b) => (a.at['agents'] ?? 0) - (b.at['agents'] ?? 0) || place(a) - place(b),
  );
}

/** Figures that have little in common: a line for each value. */
function tallTable(part: Part, figures: readonly JudgedFigure[]): FigureTable {
  const rows = figures.flatMap((figure) =>
    Object.entries(figure.values)
      .filter(([name]) => !UNSHOWN.includes(name))
      .map(([name, value]) => {
        const compared = Object.entries(figure.ratios[name] ?? {});
        return [
          subjectWords(figure),
          atWords(figure.at),
          valueWords(name),
          number(value),
          compared.map(([to, times]) => `${ratio(times)} ${ratioWords(to)}`).join(', ') || null,
          goalWords(figure.goals.filter(({ of }) => of.split('/')[0] === name)),
        ];
      }),
  );
  return {
    part,
    title: partTitle(part),
    head: ['what', 'with', 'measured', 'value', 'compared', 'goal'],
    rows,
  };
}

/** Figures of the same values: a line each. */
function wideTable(part: Part, figures: readonly JudgedFigure[]): FigureTable {
  const circumstances = keysOf(figures.map(({ at }) => at));
  const values = keysOf(figures.map((figure) => figure.values)).filter(
    (name) => !UNSHOWN.includes(name),
  );
  const columns = values.flatMap((value) => {
    const found = keysOf(figures.map(({ ratios }) => ratios[value] ?? {}));
    const compared = RATIO_ORDER.filter((to) => found.includes(to));
    return [{ value, to: undefined }, ...compared.map((to) => ({ value, to }))];
  });
  const goals = figures.some((figure) => figure.goals.length > 0);
  return {
    part,
    title: partTitle(part),
    head: [
      ...circumstances.map(valueWords),
      'what',
      ...columns.map(({ value, to }) => (to === undefined ? valueWords(value) : ratioWords(to))),
      ...(goals ? ['goal'] : []),
    ],
    rows: figures.map((figure) => [
      ...circumstances.map((name) => optional(figure.at[name])),
      subjectWords(figure),
      ...columns.map(({ value, to }) =>
        to === undefined
          ? optional(figure.values[value])
          : optionalRatio(figure.ratios[value]?.[to]),
      ),
      ...(goals ? [goalWords(figure.goals)] : []),
    ]),
  };
}

function goalWords(goals: JudgedFigure['goals']): string | null {
  return goals.map(({ text, met }) => `${met ? 'met' : 'MISSED'}: ${text}`).join('; ') || null;
}

function optional(value: number | undefined): string | null {
  return value === undefined ? null : number(value);
}

function optionalRatio(value: number | undefined): string | null {
  return value === undefined ? null : ratio(value);
}

/** Every key, in the order of its first appearance. */
function keysOf(objects: readonly Readonly<Record<string, unknown>>[]): string[] {
  return [...new Set(objects.flatMap((object) => Object.keys(object)))];
}
