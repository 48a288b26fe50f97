import { PAGE_STYLE } from '../../page/style.ts';

/** The bench report's style sheet: the shared one, and rules for its charts and tables. */
export const BENCH_STYLE = `${PAGE_STYLE}
.charts {
  display: grid; gap: 18px 32px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr));
}
.charts .single { grid-column: 1 / -1; max-width: 1000px; }
.charts figure { margin: 0; }
.charts figcaption { font-size: 14px; font-weight: 600; margin-bottom: 2px; }
.chart { display: block; width: 100%; height: auto; overflow: visible; }
.chart text { font-size: 11.5px; fill: var(--soft); font-variant-numeric: tabular-nums; }
.chart .rule { stroke: var(--rule); stroke-width: 1; }
.chart .base { stroke: var(--line); stroke-width: 1; }
.chart .goal { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 4 3; }
.series path { fill: none; stroke: var(--c); stroke-width: 2.2; stroke-linejoin: round; }
.series circle { fill: var(--c); stroke: var(--bg); stroke-width: 1; }
.series rect { fill: var(--c); }
.series .range { stroke: var(--c); stroke-width: 6; stroke-opacity: .4; stroke-linecap: round; }
.series.floor path { stroke-dasharray: 6 4; }
.s0 { --c: var(--c7); } .s1 { --c: var(--c0); } .s2 { --c: var(--c2); }
.s3 { --c: var(--c1); } .s4 { --c: var(--c3); } .s5 { --c: var(--c5); }
.keys {
  display: flex; flex-wrap: wrap; gap: 4px 18px;
  font-size: 13px; margin: 0 0 10px; padding: 0; list-style: none;
}
.keys i {
  display: inline-block; width: 18px; height: 0; margin-right: 6px;
  border-top: 3px solid var(--c); vertical-align: 4px;
}
.keys .floor i { border-top-style: dashed; }
.charts + .scroll { margin-top: 14px; }
.figures { font-size: 13.5px; }
.figures td, .figures th { white-space: nowrap; }
.figures .goal-cell { padding-left: 12px; white-space: normal; min-width: 15em; }
.figures .group th, .figures .group td { border-top: 2px solid var(--line); }
.figures .compared { padding-left: 12px; color: var(--soft); white-space: normal; min-width: 12em; }
.figures thead .goal-cell { min-width: 0; } .figures .goal-cell span { display: block; }
`;
