import { count, span } from '../../page/figures.ts';
import type { Markup } from '../../page/markup.ts';
import { clipped, markup } from '../../page/markup.ts';
import { page } from '../../page/page.ts';
import type { BenchRecord } from '../record.ts';
import { figureTables } from '../table.ts';
import type { FigureTable } from '../table.ts';
import { failoverChart } from './failover-chart.ts';
import { loadCharts } from './load-charts.ts';
import { BENCH_STYLE } from './style.ts';

/**
 * A run as one self-contained HTML file. It loads nothing and runs no script, works offline, in
 * dark mode and in print, and is the same for the same record.
 */
export function renderBench(record: BenchRecord): string {
  const tables = figureTables(record.figures);
  return page(
    'Leasehold bench',
    markup`${header(record)}
${tables.map((table) => section(table, record))}
<footer><p>Written by <code>leasehold bench</code>. Ratios compare figures of the same run. The
floor is two single-row commits by prepared statements on the same Postgres. On a busy or slow
machine, trust the ratios more than rates and latencies.</p></footer>`,
    { style: BENCH_STYLE },
  );
}

function header(record: BenchRecord): Markup {
  const { machine, versions, postgresSettings, failures, ended } = record;
  const goals = record.figures.flatMap((figure) => figure.goals);
  const met = goals.filter((goal) => goal.met).length;
  return markup`<header>
<p class="product">Leasehold · bench</p>
<h1>${goals.length === 0 ? 'Measured' : `${met} of ${count(goals.length)} goals met`}</h1>
${
  ended === 'broken_off' &&
  markup`<p class="note">Broken off: the run was interrupted before everything was measured.</p>`
}
${failures.map(
  ({ scenario, why }) => markup`<p class="note">
<strong>${scenario}</strong> could not be measured: ${clipped(why, 600)}</p>`,
)}
<dl class="facts">
<div><dt>Started</dt><dd>${clipped(record.startedAt, 40)}</dd></div>
<div><dt>Duration</dt><dd>${span(record.durationMs)}</dd></div>
<div><dt>Machine</dt>
<dd>${machine.cpus} × ${clipped(machine.cpu, 80)}, ${machine.platform}</dd></div>
<div><dt>Versions</dt><dd>${pairs(versions, ' ')}</dd></div>
<div><dt>Postgres</dt><dd>${pairs(postgresSettings, '=')}</dd></div>
<div class="command"><dt>Measure again</dt>
<dd><code>${clipped(record.command, 1_000)}</code></dd></div>
</dl>
</header>
`;
}

function pairs(values: Readonly<Record<string, string>>, separator: string): string[] {
  return Object.entries(values).map(([name, value]) => `${name}${separator}${clipped(value, 40)} `);
}

function section(table: FigureTable, { figures }: BenchRecord): Markup {
  const chart =
    table.part === 'load'
      ? loadCharts(figures)
      : table.part === 'failover'
        ? failoverChart(figures)
        : undefined;
  return markup`<section aria-labelledby="${table.part}">
<h2 id="${table.part}">${table.title}</h2>
${chart}<div class="scroll" tabindex="0" role="region" aria-labelledby="${table.part}">
<table class="figures">
<thead><tr>${table.head.map(
    (name, column) => markup`<th scope="col" class="${headClass(table, column)}">${name}</th>`,
  )}</tr></thead>
<tbody>
${table.rows.map((row, index) => {
  const group = startsGroup(table, index) && markup` class="group"`;
  return markup`<tr${group}>${row.map((cell, column) => cellOf(table, cell, column))}</tr>
`;
})}</tbody></table></div>
</section>
`;
}

/** Whether a line separates a row from the one above: where the first column changes. */
function startsGroup({ part, rows }: FigureTable, index: number): boolean {
  return part === 'load' && index > 0 && rows[index]?.[0] !== rows[index - 1]?.[0];
}

function cellOf(table: FigureTable, cell: string | null, column: number): Markup {
  const name = table.head[column];
  if (name === 'goal') {
    const goals = cell?.split('; ') ?? [];
    return markup`<td class="goal-cell">${goals.map((goal) =>
      goal.startsWith('met: ')
        ? markup`<span class="ok">✓ ${goal.slice(5)}</span>`
        : markup`<span class="bad">✕ ${goal.slice(8)}</span>`,
    )}</td>`;
  }
  if (name === 'compared') return markup`<td class="compared">${cell}</td>`;
  return numeric(table, column)
    ? markup`<td class="n">${cell ?? '–'}</td>`
    : markup`<td>${cell}</td>`;
}

function headClass(table: FigureTable, column: number): string {
  const name = table.head[column];
  if (name === 'goal') return 'goal-cell';
  if (name === 'compared') return 'compared';
  return numeric(table, column) ? 'n' : '';
}

/** Whether a column holds numbers. */
function numeric({ head, rows }: FigureTable, column: number): boolean {
  if (['what', 'with', 'measured', 'compared', 'goal'].includes(head[column] ?? '')) return false;
  return rows.some((row) => /^[\d.,]+$/.test(row[column] ?? ''));
}
