import type { Markup } from '../../page/markup.ts';
import { markup } from '../../page/markup.ts';
import { short } from '../../page/figures.ts';
import { formatNumber } from '../labels.ts';
import { axisTicks, position, tickText } from './axis.ts';
import type { Axis } from './axis.ts';

/** One line of a chart. */
export interface Series {
  name: string;
  /** Its color on the page, and how it is drawn. */
  className: string;
  points: readonly { x: number; y: number }[];
}

/** A line chart; its x axis is logarithmic. */
export interface LineChart {
  caption: string;
  xName: string;
  yUnit: string;
  /** The scale of the y axis. */
  scale: 'linear' | 'log';
  series: readonly Series[];
}

const BOX = { width: 520, height: 300, left: 52, right: 16, top: 10, bottom: 38 };

/**
 * The chart as a figure element. The page's legend names the lines, and a point shows its value on
 * hover.
 */
export function lineChart({ caption, xName, yUnit, scale, series }: LineChart): Markup {
  const xs = [...new Set(series.flatMap(({ points }) => points.map(({ x }) => x)))].sort(
    (a, b) => a - b,
  );
  const ys = series.flatMap(({ points }) => points.map(({ y }) => y));
  const xAxis: Axis = { kind: 'log', from: xs[0] ?? 1, to: xs.at(-1) ?? 1 };
  const ticks = axisTicks(ys, scale);
  const yAxis: Axis = { kind: scale, from: ticks[0] ?? 0, to: ticks.at(-1) ?? 1 };
  const x = (value: number): number =>
    BOX.left + position(xAxis, value) * (BOX.width - BOX.left - BOX.right);
  const y = (value: number): number =>
    BOX.height - BOX.bottom - position(yAxis, value) * (BOX.height - BOX.top - BOX.bottom);
  const bottom = BOX.height - BOX.bottom;
  return markup`<figure><figcaption>${caption} <small>${yUnit}</small></figcaption>
<svg class="chart" viewBox="0 0 ${BOX.width} ${BOX.height}" role="img"
  aria-label="${caption}; the table below has the figures">
${ticks.map(
  (tick) => markup`<line class="rule" x1="${BOX.left}" x2="${BOX.width - BOX.right}"
  y1="${short(y(tick))}" y2="${short(y(tick))}"/>
<text x="${BOX.left - 8}" y="${short(y(tick) + 4)}" text-anchor="end">${tickText(tick)}</text>`,
)}
<line class="base" x1="${BOX.left}" x2="${BOX.width - BOX.right}"
  y1="${bottom}" y2="${bottom}"/>
${xs.map(
  (value) => markup`<text x="${short(x(value))}" y="${bottom + 16}"
  text-anchor="middle">${formatNumber(value)}</text>`,
)}
<text x="${(BOX.left + BOX.width - BOX.right) / 2}" y="${BOX.height - 4}"
  text-anchor="middle">${xName}</text>
${series.map(({ name, className, points }) => {
  const path = points.map(
    (point, index) => `${index === 0 ? 'M' : 'L'}${short(x(point.x))} ${short(y(point.y))}`,
  );
  const circles = points.map((point) => {
    const title = `${name}, ${formatNumber(point.x)} ${xName}: ${formatNumber(point.y)} ${yUnit}`;
    const [cx, cy] = [short(x(point.x)), short(y(point.y))];
    return markup`<circle cx="${cx}" cy="${cy}" r="4"><title>${title}</title></circle>`;
  });
  return markup`<g class="series ${className}"><path d="${path.join('')}"/>${circles}</g>
`;
})}</svg></figure>
`;
}
