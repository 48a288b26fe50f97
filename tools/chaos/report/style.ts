import { PAGE_STYLE } from '../../page/style.ts';

/**
 * The chaos report's style sheet: the shared one, and rules for the verdict, the tiles, the checks,
 * the failover plots and the timeline. Only replicas are told apart by hue; faults are drawn in ink
 * with hatchings.
 */
export const CHAOS_STYLE = `${PAGE_STYLE}
:root {
  --fault: #39414d; --phase-b: rgba(80, 92, 110, .10); --phase-c: rgba(80, 92, 110, .04);
  --on-glyph: #fff; --tint: 24%; --name: 200px;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --fault: #c3cbd6; --phase-b: rgba(170, 185, 210, .13); --phase-c: rgba(170, 185, 210, .05);
    --on-glyph: #12161c; --tint: 34%;
  }
}

.verdict { display: flex; gap: 16px; align-items: center; padding: 14px 18px; border: 1px solid; border-left-width: 6px; border-radius: 6px; }
.verdict p { margin: 3px 0 0; color: var(--ink); } .verdict .but { font-size: 13.5px; color: var(--soft); }
.verdict .sign { font-size: 30px; line-height: 1; font-weight: 700; width: 1.1em; text-align: center; }
.verdict.good { color: var(--ok); background: var(--ok-bg); }
.verdict.bad { color: var(--bad); background: var(--bad-bg); }
.verdict.warn { color: var(--warn); background: var(--warn-bg); }
.alarm { margin-top: 18px; padding: 14px 18px; border: 2px solid var(--bad); border-radius: 6px; background: var(--bad-bg); }
.alarm h2 { color: var(--bad); font-size: 22px; }
.breaches { margin: 0; padding-left: 1.6em; } .breaches li { margin: 8px 0; }
.breaches .what { font-weight: 600; margin: 0; overflow-wrap: anywhere; } .breaches .where { margin: 0; font-size: 14px; overflow-wrap: anywhere; }

.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(124px, 1fr)); gap: 8px; margin: 0; }
.tiles div { display: flex; flex-direction: column-reverse; justify-content: flex-end; padding: 8px 12px 9px; background: var(--panel); border-radius: 6px; border: 1px solid transparent; }
.tiles dd { margin: 0; font-size: 22px; font-weight: 600; line-height: 1.15; font-variant-numeric: tabular-nums; }
.tiles dt { font-size: 13px; } .tiles dd small { display: block; margin-top: 19px; line-height: 1.25; }
.tiles div { position: relative; } .tiles dt { position: absolute; top: 34px; }
.tiles .bad { background: var(--bad-bg); border-color: var(--bad); } .tiles .bad dd { color: var(--bad); }
.tiles .good dd { color: var(--ok); } .tiles dd small { color: var(--soft); }
.outcomes { display: grid; grid-template-columns: repeat(auto-fit, minmax(124px, 1fr)); gap: 6px 20px; margin: 12px 0 0; font-size: 13px; }
.outcomes dt { color: var(--soft); } .outcomes dd { margin: 0; display: flex; gap: 8px; align-items: center; font-variant-numeric: tabular-nums; }
.outcomes svg { flex: 1; min-width: 40px; border-radius: 2px; background: var(--rule); } .share { fill: var(--soft); }

.columns { display: grid; gap: 0 40px; grid-template-columns: minmax(0, 1fr); }
@media (min-width: 1180px) { .columns { grid-template-columns: minmax(0, 5fr) minmax(0, 8fr); } }
.checks { font-size: 13.5px; }
.checks td:last-child { white-space: nowrap; }
.checks .group th { padding-top: 9px; font-weight: 650; border-bottom-color: var(--line); }
.checks .number { display: inline-block; min-width: 1.3em; color: var(--soft); font-weight: normal; }
.checks tbody th[scope=row] { padding-left: 1.4em; font-weight: normal; overflow-wrap: anywhere; } .checks td.none { padding-left: 1.4em; }
.why { display: block; }
.failovers th small { display: block; }
.failovers th[scope=row], .failovers td { vertical-align: middle; padding-top: 2px; padding-bottom: 2px; }
.failovers th[scope=row] { white-space: nowrap; }
.failovers .plot { width: 44%; min-width: 210px; padding: 0 8px 0 14px; }
.dots { display: block; overflow: visible; }
.dot { fill: var(--c0); fill-opacity: .7; } .dot:hover { fill: var(--ink); fill-opacity: 1; }
.dot-missed { stroke: var(--bad); stroke-width: 2; fill: none; } .median { stroke: var(--ink); stroke-width: 2; }
.bound { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 4 2; }
.key svg { vertical-align: -2px; margin-left: 8px; } .key svg:first-child { margin-left: 0; }
.rule { stroke: var(--rule); stroke-width: 1; } .tick { fill: var(--soft); font-size: 11px; font-variant-numeric: tabular-nums; }

.legend { margin: 0 0 8px; font-size: 12px; color: var(--soft); display: grid; gap: 1px; }
.legend div { display: flex; flex-wrap: wrap; gap: 1px 14px; } .legend dt { width: 60px; color: var(--ink); } .legend dd { margin: 0; }
.legend svg { vertical-align: -2px; }
.swatch { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 5px; background: var(--c); }
.bar-top { position: sticky; top: 0; z-index: 2; background: var(--bg); border-bottom: 1px solid var(--line); padding-top: 6px; }
.tools { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; font-size: 13px; }
.tools input[type=search] { font: inherit; width: 17em; max-width: 100%; padding: 4px 8px; color: inherit; background: var(--bg); border: 1px solid var(--soft); border-radius: 4px; }
.tools .only { display: inline-flex; gap: 5px; align-items: center; }
.buttons { display: inline-flex; gap: 3px; }
button { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: 4px; padding: 3px 9px; min-height: 28px; cursor: pointer; }
button:hover { border-color: var(--soft); }
output { font-variant-numeric: tabular-nums; color: var(--soft); margin-left: auto; }
.detail { font-size: 12px; margin: 5px 0 2px; height: 1.5em; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; } .hint { color: var(--soft); } .touch { display: none; }
@media (pointer: coarse) { .mouse { display: none; } .touch { display: inline; } }
.axis-row, .lane { display: grid; grid-template-columns: var(--name) minmax(0, 1fr); }
.axis { display: block; overflow: hidden; }
.lanes { position: relative; touch-action: pan-y; cursor: grab; padding-bottom: 4px; }
.lanes.dragging { cursor: grabbing; user-select: none; }
.lanes h3 { position: relative; padding: 10px 0 3px; }
.backdrop { position: absolute; top: 0; right: 0; width: calc(100% - var(--name)); height: 100%; left: var(--name); pointer-events: none; }
.lane { position: relative; border-top: 1px solid var(--rule); scroll-margin-top: 120px; }
.lane[hidden] { display: none; }
.lane .name { min-width: 0; padding: 3px 8px 2px 0; font-size: 12.5px; line-height: 1.3; display: grid; grid-template-columns: minmax(0, 1fr) auto; align-content: start; }
.lane .name small { font-size: 11px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; grid-column: 1 / -1; }
.lane.fixed .name small { white-space: normal; }
.lane b { font-weight: 600; overflow-wrap: anywhere; }
.lane button { border: 0; background: none; padding: 0; min-height: 0; text-align: left; }
.lane .zoom { font: 12px/1.3 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.lane .zoom:hover { text-decoration: underline; } .lane .list { padding: 0 4px; color: var(--soft); font-size: 12px; line-height: 1.2; }
.lane-plot { display: block; overflow: hidden; }
.events { grid-column: 1 / -1; margin: 2px 0 8px; padding: 6px 10px 6px 2.6em; max-height: 15em; overflow: auto; font-size: 12.5px; background: var(--panel); border-radius: 4px; cursor: auto; overflow-wrap: anywhere; }

.r0 { --c: var(--c0); } .r1 { --c: var(--c1); } .r2 { --c: var(--c2); } .r3 { --c: var(--c3); }
.r4 { --c: var(--c4); } .r5 { --c: var(--c5); } .r6 { --c: var(--c6); } .r7 { --c: var(--c7); } .r-other, .r-any { --c: var(--soft); }
.process, .term { fill: var(--bg); fill: color-mix(in srgb, var(--c) var(--tint), var(--bg)); stroke: var(--c); stroke-width: 1; }
.attempt { fill: var(--c); stroke: var(--c); stroke-width: 1; }
.attempt.failed { fill: var(--bg); stroke-width: 1.6; }
.attempt.interrupted { fill: var(--bg); stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 3 2; }
.attempt.open { fill-opacity: .35; stroke-dasharray: 2 2; }
.fit { font-size: 11px; fill: var(--ink); pointer-events: none; } .fit.off { display: none; }
.refused_write { stroke: var(--bad); } .doubt { fill: var(--warn); } .decision { fill: var(--ok); } .cancel { fill: var(--warn); } .late_outcome { fill: var(--bg); stroke: var(--warn); stroke-width: 1.6; }
.lane .late_outcome { transform: translateX(9px); } /* it comes with a refused write, whose mark it would hide */
.parked { stroke: var(--soft); } .receipt { stroke: var(--soft); } .crash { fill: var(--bad); }
.on-glyph { stroke: var(--on-glyph); } .hatch { stroke: var(--fault); } .hatch-dot { fill: var(--fault); }
.fault { stroke: var(--fault); stroke-width: 1; } .fault.freeze { fill: url(#p-freeze); } .fault.cut { fill: url(#p-cut); } .fault.delay { fill: url(#p-delay); }
.fault.outage { fill: var(--fault); } .fault.after { fill: var(--fault); stroke: none; } .fault-mark { stroke: var(--fault); } .fault-mark.solid { fill: var(--fault); stroke: none; }
.phase { fill: none; } .phase.overlapping { fill: var(--phase-b); } .phase.isolated { fill: var(--phase-c); }
.axis .phase, .legend .phase { stroke: var(--line); stroke-width: 1; }
.fault-line { stroke: var(--fault); stroke-width: 1; stroke-dasharray: 1 3; opacity: .6; } .dense .fault-line { display: none; }
.defs { position: absolute; }

.note ul { margin: 4px 0 0; padding-left: 1.2em; } .note span { overflow-wrap: anywhere; }
.kinds { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 2px 28px; padding: 0; margin: 0 0 10px; font-size: 14px; }
.kinds li { display: flex; justify-content: space-between; border-bottom: 1px solid var(--rule); padding: 3px 0; overflow-wrap: anywhere; } .kinds b { font-variant-numeric: tabular-nums; font-weight: 500; }
details { margin: 6px 0; } summary { cursor: pointer; padding: 3px 0; } details td { white-space: nowrap; } details td:last-child { white-space: normal; min-width: 10em; }

@media (max-width: 700px) {
  :root { --name: 0px; }
  .axis-row, .lane { grid-template-columns: minmax(0, 1fr); } .axis-row .name { display: none; }
  .lane .name { grid-template-columns: minmax(0, auto) auto 1fr; gap: 0 8px; padding-bottom: 0; } .lane .name small { grid-column: auto; align-self: center; }
  .lane .list { min-width: 28px; min-height: 24px; }
  .tools input[type=search] { width: 100%; } .tools .find { flex: 1 1 100%; display: flex; gap: 8px; align-items: center; }
  .bar-top { display: contents; } .axis-row { position: sticky; top: 0; z-index: 2; background: var(--bg); border-bottom: 1px solid var(--line); }
  .detail { height: 3em; white-space: normal; }
  .failovers thead tr, .failovers tbody tr { display: grid; grid-template-columns: .7fr 1fr 1fr 1fr 1fr .8fr; gap: 0 6px; font-size: 13px; padding: 4px 0; border-bottom: 1px solid var(--rule); }
  .failovers th, .failovers td { border: 0; padding: 0; } .failovers th:first-child, .failovers .plot { grid-column: 1 / -1; } .failovers th small { display: inline; }
  .failovers .plot { width: auto; padding: 2px 12px; }
  .verdict { padding: 12px; gap: 10px; } .tiles { grid-template-columns: repeat(auto-fit, minmax(100px, 1fr)); }
  .legend dt { flex-basis: 100%; }
  button { min-height: 32px; }
}
@media print {
  .tools, .detail, .lane .list { display: none; } .bar-top { position: static; }
  .lane { break-inside: avoid; } .tiles div { break-inside: avoid; }
  .process, .term, .attempt, .phase, .swatch, .tiles div, .verdict, .alarm { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
