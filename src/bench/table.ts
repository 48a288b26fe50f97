import type { JudgedFigure, Part } from './figure.ts';
import { PARTS } from './figure.ts';
import { number, partTitle, ratio, ratioWords, subjectWords, valueWords } from './words.ts';

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
  'floorMedian',
  'emptyLog',
  'oneReplica',
];

/** A table for each part that was measured. */
export function figureTables(figures: readonly JudgedFigure[]): FigureTable[] {
  return PARTS.flatMap((part) => {
    const own = figures.filter((figure) => figure.part === part);
    return own.length === 0 ? [] : [tableOf(part, part === 'load' ? byAgents(own) : own)];
  });
}

const LOAD_ORDER = ['floor', 'held', 'fresh', 'advisory_lock', 'reservation'];

function byAgents(figures: readonly JudgedFigure[]): JudgedFigure[] {
  const place = ({ subject }: JudgedFigure): number => LOAD_ORDER.indexOf(subject);
  return [...figures].sort((a, b) => (a.at['agents'] ?? 0) - (b.at['agents'] ?? 0) || place(a) - place(b));
}

function tableOf(part: Part, figures: readonly JudgedFigure[]): FigureTable {
  const circumstances = keysOf(figures.map(({ at }) => at));
  const values = keysOf(figures.map((figure) => figure.values)).filter((name) => !UNSHOWN.includes(name));
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
      ...circumstances.map((name) => name.toLowerCase()),
      'what',
      ...columns.map(({ value, to }) => (to === undefined ? valueWords(value) : ratioWords(to))),
      ...(goals ? ['goal'] : []),
    ],
    rows: figures.map((figure) => [
      ...circumstances.map((name) => optional(figure.at[name])),
      subjectWords(figure),
      ...columns.map(({ value, to }) =>
        to === undefined ? optional(figure.values[value]) : optionalRatio(figure.ratios[value]?.[to]),
      ),
      ...(goals
        ? [figure.goals.map(({ text, met }) => `${met ? 'met' : 'MISSED'}: ${text}`).join('; ') || null]
        : []),
    ]),
  };
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
