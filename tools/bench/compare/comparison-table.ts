import { formatNumber, subjectLabel, valueLabel } from '../labels.ts';
import { SUBJECT_OF } from '../options.ts';
import type { ComparedSubject, ComparedValue, Round } from './comparison.ts';
import type { RatioSummary } from './paired-ratios.ts';

/** In the order of their tables. */
const SUBJECTS: readonly ComparedSubject[] = Object.values(SUBJECT_OF);

/** A table as a person reads it. */
export interface Table {
  title: string;
  head: string[];
  rows: string[][];
}

/** The rates and ratios of every round, and then what they come to. */
export function comparisonTables(
  rounds: readonly Round[],
  compared: readonly ComparedValue[],
): Table[] {
  return [
    {
      title: 'Steps per second by round',
      head: [
        'subject',
        'agents',
        'round',
        'before',
        'after',
        'again',
        'after/before',
        'again/after',
      ],
      rows: rounds
        .toSorted(
          (a, b) =>
            SUBJECTS.indexOf(a.subject) - SUBJECTS.indexOf(b.subject) ||
            a.agents - b.agents ||
            a.round - b.round,
        )
        .map(({ subject, agents, round, values: { before, after, again } }) => [
          subjectOf(subject),
          formatNumber(agents),
          formatNumber(round),
          ...[before, after, again].map(({ perS }) => formatNumber(perS)),
          exact(after.perS / before.perS),
          exact(again.perS / after.perS),
        ]),
    },
    {
      title: 'Median of the ratios, with its confidence interval',
      head: [
        'subject',
        'agents',
        'value',
        'after/before',
        'interval',
        'again/after',
        'interval',
        'confidence',
      ],
      rows: compared.map(({ subject, agents, value, afterToBefore, sameToSame }) => [
        subjectOf(subject),
        formatNumber(agents),
        valueLabel(value),
        exact(afterToBefore.median),
        interval(afterToBefore),
        exact(sameToSame.median),
        interval(sameToSame),
        `${(afterToBefore.confidence * 100).toFixed(1)} %`,
      ]),
    },
  ];
}

/** A round in one line, while a comparison runs. */
export function roundLine({ round, subject, agents, values }: Round): string {
  const { before, after, again } = values;
  return [
    `round ${round}, ${subjectOf(subject)}, ${agents} ${agents === 1 ? 'agent' : 'agents'}:`,
    `after/before ${exact(after.perS / before.perS)},`,
    `again/after ${exact(again.perS / after.perS)}`,
    `(${[before, after, again].map(({ perS }) => formatNumber(perS)).join(', ')} per s)`,
  ].join(' ');
}

function subjectOf(subject: ComparedSubject): string {
  return subjectLabel({ part: 'load', subject });
}

function interval({ low, high }: RatioSummary): string {
  return `${exact(low)} to ${exact(high)}`;
}

/** A ratio to a tenth of a per cent. */
function exact(value: number): string {
  return Number.isFinite(value) ? value.toFixed(3) : '-';
}
