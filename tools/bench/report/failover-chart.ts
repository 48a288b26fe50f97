import type { Markup } from '../../page/markup.ts';
import { markup } from '../../page/markup.ts';
import { short } from '../../page/figures.ts';
import type { EvaluatedFigure } from '../figure.ts';
import { GOALS } from '../goals.ts';
import { formatNumber, subjectLabel } from '../labels.ts';
import { axisTicks, position, tickText } from './axis.ts';
import type { Axis } from './axis.ts';

const BOX = { width: 900, left: 90, right: 40, row: 36, top: 8, bottom: 34 };

/**
 * One line for each fault, from the median to the worst time, with the bound for the worst.
 */
export function failoverChart(figures: readonly EvaluatedFigure[]): Markup | undefined {
  const own = figures.filter(({ part }) => part === 'failover');
  if (own.length === 0) return undefined;
  const bounds = own.map(({ subject }) => boundMs(subject));
  const values = own.flatMap(({ values: { medianMs = 0, worstMs = 0 } }) => [medianMs, worstMs]);
  const ticks = axisTicks([...values, ...bounds.flatMap((bound) => bound ?? [])], 'log');
  const axis: Axis = { kind: 'log', from: ticks[0] ?? 1, to: ticks.at(-1) ?? 10 };
  const x = (ms: number): string =>
    short(BOX.left + position(axis, ms) * (BOX.width - BOX.left - BOX.right));
  const bottom = BOX.top + own.length * BOX.row;
  return markup`<div class="charts"><figure class="single">
<svg class="chart" viewBox="0 0 ${BOX.width} ${bottom + BOX.bottom}" role="img"
  aria-label="Failover times by fault; the table below has the figures">
${ticks.map(
  (tick) => markup`<line class="rule" x1="${x(tick)}" x2="${x(tick)}"
  y1="${BOX.top}" y2="${bottom}"/>
<text x="${x(tick)}" y="${bottom + 16}" text-anchor="middle">${tickText(tick)} ms</text>`,
)}
${own.map((figure, index) => {
  const y = BOX.top + (index + 0.5) * BOX.row;
  const { medianMs = 0, worstMs = 0 } = figure.values;
  const bound = bounds[index];
  const title = (name: string, ms: number): Markup =>
    markup`<title>${name} ${formatNumber(ms)} ms</title>`;
  const [median, worst] = [x(medianMs), x(worstMs)];
  return markup`<text x="${BOX.left - 12}" y="${y + 4}"
  text-anchor="end">${subjectLabel(figure)}</text>
<g class="series s1"><line class="range" x1="${median}" x2="${worst}" y1="${y}" y2="${y}"/>
<circle cx="${median}" cy="${y}" r="5">${title('median', medianMs)}</circle>
<rect x="${worst}" y="${y - 8}" width="3" height="16">${title('worst', worstMs)}</rect></g>
${
  bound !== undefined &&
  markup`<line class="goal" x1="${x(bound)}" x2="${x(bound)}"
  y1="${y - 15}" y2="${y + 15}">${title('bound', bound)}</line>`
}`;
})}</svg></figure></div>
<p class="key">Dot: the median. Bar: the worst. Dashed line: the bound for the worst.
The time scale is logarithmic.</p>
`;
}

function boundMs(subject: string): number | undefined {
  return GOALS.find((goal) => goal.part === 'failover' && goal.subject === subject)?.atMost;
}
