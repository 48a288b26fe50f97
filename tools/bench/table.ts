import type { EvaluatedFigure, Part } from './figure.ts';
import { PARTS } from './figure.ts';
import {
  LOAD_SUBJECTS,
  parametersLabel,
  formatNumber,
  formatRatio,
  partTitle,
  ratioLabel,
  subjectLabel,
  valueLabel,
} from './labels.ts';

/** One part of a run as a table, for the terminal and the HTML report. */
export interface FigureTable {
  part: Part;
  title: string;
  head: string[];
  rows: (string | null)[][];
}

/** Not shown: they say how a figure was measured, and are in bench.json. */
const HIDDEN_VALUES = ['operations', 'measuredS', 'maxMs'];

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
const MIXED_PARTS: readonly Part[] = ['memory', 'rows'];

/** A table for each part that was measured. */
export function figureTables(figures: readonly EvaluatedFigure[]): FigureTable[] {
  return PARTS.flatMap((part) => {
    const own = figures.filter((figure) => figure.part === part);
    if (own.length === 0) return [];
    return [
      MIXED_PARTS.includes(part)
        ? tallTable(part, own)
        : wideTable(part, part === 'load' ? byAgents(own) : own),
    ];
  });
}

function byAgents(figures: readonly EvaluatedFigure[]): EvaluatedFigure[] {
  const position = ({ subject }: EvaluatedFigure): number => LOAD_SUBJECTS.indexOf(subject);
  return [...figures].sort(
    (a, b) => (a.at['agents'] ?? 0) - (b.at['agents'] ?? 0) || position(a) - position(b),
  );
}

/** Figures with different values: one row for each value. */
function tallTable(part: Part, figures: readonly EvaluatedFigure[]): FigureTable {
  const rows = figures.flatMap((figure) =>
    Object.entries(figure.values)
      .filter(([name]) => !HIDDEN_VALUES.includes(name))
      .map(([name, value]) => {
        const compared = Object.entries(figure.ratios[name] ?? {});
        return [
          subjectLabel(figure),
          parametersLabel(figure.at),
          valueLabel(name),
          formatNumber(value),
          compared.map(([to, times]) => `${formatRatio(times)} ${ratioLabel(to)}`).join(', ') ||
            null,
          goalsText(figure.goals.filter(({ of }) => of.split('/')[0] === name)),
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

/** Figures with the same values: one row for each figure. */
function wideTable(part: Part, figures: readonly EvaluatedFigure[]): FigureTable {
  const parameters = keysOf(figures.map(({ at }) => at));
  const values = keysOf(figures.map((figure) => figure.values)).filter(
    (name) => !HIDDEN_VALUES.includes(name),
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
      ...parameters.map(valueLabel),
      'what',
      ...columns.map(({ value, to }) => (to === undefined ? valueLabel(value) : ratioLabel(to))),
      ...(goals ? ['goal'] : []),
    ],
    rows: figures.map((figure) => [
      ...parameters.map((name) => optional(figure.at[name])),
      subjectLabel(figure),
      ...columns.map(({ value, to }) =>
        to === undefined
          ? optional(figure.values[value])
          : optionalRatio(figure.ratios[value]?.[to]),
      ),
      ...(goals ? [goalsText(figure.goals)] : []),
    ]),
  };
}

function goalsText(goals: EvaluatedFigure['goals']): string | null {
  return goals.map(({ text, met }) => `${met ? 'met' : 'MISSED'}: ${text}`).join('; ') || null;
}

function optional(value: number | undefined): string | null {
  return value === undefined ? null : formatNumber(value);
}

function optionalRatio(value: number | undefined): string | null {
  return value === undefined ? null : formatRatio(value);
}

/** All keys, in the order in which they first appear. */
function keysOf(objects: readonly Readonly<Record<string, unknown>>[]): string[] {
  return [...new Set(objects.flatMap((object) => Object.keys(object)))];
}
