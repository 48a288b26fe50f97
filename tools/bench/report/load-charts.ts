import type { Markup } from '../../page/markup.ts';
import { markup } from '../../page/markup.ts';
import type { EvaluatedFigure } from '../figure.ts';
import { LOAD_SUBJECTS, subjectLabel } from '../labels.ts';
import { lineChart } from './line-chart.ts';
import type { LineChart, Series } from './line-chart.ts';

/** Throughput, median and p99 by number of agents: one line for each subject. */
export function loadCharts(figures: readonly EvaluatedFigure[]): Markup | undefined {
  const load = figures.filter(({ part }) => part === 'load');
  if (load.length === 0) return undefined;
  const subjects = LOAD_SUBJECTS.filter((subject) =>
    load.some((figure) => figure.subject === subject),
  );
  const classOf = (subject: string): string =>
    `s${LOAD_SUBJECTS.indexOf(subject)}${subject === 'floor' ? ' floor' : ''}`;
  const series = (value: string): Series[] =>
    subjects.map((subject) => ({
      name: subjectLabel({ part: 'load', subject }),
      className: classOf(subject),
      points: load
        .filter((figure) => figure.subject === subject)
        .map(({ at, values }) => ({ x: at['agents'] ?? 1, y: values[value] ?? 0 }))
        .sort((a, b) => a.x - b.x),
    }));
  const chart = (value: string, options: Omit<LineChart, 'xName' | 'series'>): Markup =>
    lineChart({ ...options, xName: 'agents', series: series(value) });
  const legend = subjects.map((subject) => {
    const label = subjectLabel({ part: 'load', subject });
    return markup`<li class="${classOf(subject)}"><i></i>${label}</li>`;
  });
  return markup`<ul class="keys">${legend}</ul>
<div class="charts">
${chart('perS', { caption: 'Steps per second', yUnit: 'per s', scale: 'linear' })}
${chart('p50Ms', { caption: 'Median latency', yUnit: 'ms', scale: 'log' })}
${chart('p99Ms', { caption: 'p99 latency', yUnit: 'ms', scale: 'log' })}
</div>
`;
}
