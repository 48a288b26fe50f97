import { count } from '../../page/figures.ts';
import type { Markup } from '../../page/markup.ts';
import { clipped, markup } from '../../page/markup.ts';
import type { ChaosRecord, Phase } from '../record.ts';
import { replicaLanes, serverLanes } from './fault-lanes.ts';
import { glyphDefinitions, legend } from './glyphs.ts';
import { instanceLanes } from './instance-lanes.ts';
import { bar, barText, laneRow } from './lane.ts';
import { replicaPalette } from './replica-palette.ts';
import type { Scale, Tick } from './scale.ts';
import { timeScale, timeTicks } from './scale.ts';
import { thinned } from './thinned.ts';
import { counted, moment, words } from './wording.ts';

const PHASES_SHOWN = 200;
const FAULT_LINES_SHOWN = 2000;
const TICKS = 10;

/**
 * Replicas, links, servers and instances on one time axis. Every lane is drawn in an inner `<svg
 * class="w">` that spans the whole run. The page's script zooms and pans by changing the width and
 * offset of all of them. Without scripts, and on paper, the whole run is shown.
 */
export function timelineSection(record: ChaosRecord): Markup {
  const endMs = runEndMs(record);
  const scale = timeScale(endMs);
  const ticks = timeTicks(endMs, TICKS);
  const palette = replicaPalette(record);
  const replicas = replicaLanes(record, scale, palette);
  const servers = serverLanes(record, scale);
  const instances = instanceLanes(record, scale, palette);
  const swatches = palette.names.slice(0, 16).map((name) => ({
    name: clipped(name, 60),
    swatch: markup`<i class="swatch ${palette.classOf(name)}"></i>`,
  }));
  return markup`<section id="timeline" aria-labelledby="timeline-h" data-end="${Math.ceil(endMs)}">
<h2 id="timeline-h">Timeline</h2>
${glyphDefinitions()}${legend(swatches)}<div class="bar-top"><div class="tools">
<label class="find">Instances <input id="filter" type="search" placeholder="id, cell, token, “doubt”…" autocomplete="off" spellcheck="false"></label>
<span class="buttons" role="group" aria-label="View"><button type="button" data-do="out" aria-label="Zoom out" title="Zoom out (−)">−</button><button type="button" data-do="in" aria-label="Zoom in" title="Zoom in (+)">+</button><button type="button" data-do="left" aria-label="Earlier" title="Earlier (←)">◀</button><button type="button" data-do="right" aria-label="Later" title="Later (→)">▶</button><button type="button" data-do="all" title="The whole run (0)">Whole run</button></span>
<label class="only"><input id="active" type="checkbox" checked> only instances in view</label>
<output id="view" aria-live="polite">${moment(0)} – ${moment(endMs)}</output></div>
<p id="detail" class="detail"><span class="hint mouse">Drag or Shift+wheel to pan; Ctrl+wheel, ⌘+wheel or pinch to zoom; keys while the chart has focus: ← → + − 0. Click a time to zoom to it.</span><span class="hint touch">Drag to pan, pinch to zoom, tap a mark for details.</span></p>
<div class="axis-row"><div class="name"></div><svg class="axis" width="100%" height="36" aria-hidden="true"><svg class="w" width="100%" height="16">${phaseBars(
    record.phases,
    scale,
  )}</svg><g id="ticks">${ticks.map((tick) => tickText(tick, scale))}</g></svg></div></div>
<div id="lanes" class="lanes" tabindex="0" role="group" aria-label="Timeline: arrow keys pan, plus and minus zoom, 0 shows the whole run">
<svg class="backdrop" width="100%" height="100%" aria-hidden="true"><svg class="w" width="100%" height="100%">${record.phases
    .slice(0, PHASES_SHOWN)
    .map((phase) =>
      backdropPhase(phase, scale),
    )}${faultLines(record, scale)}</svg><g id="grid">${ticks.map(
    ({ value }) =>
      markup`<line class="rule" x1="${scale.at(value)}" x2="${scale.at(value)}" y1="0" y2="100%"/>`,
  )}</g></svg>
<h3>Replicas</h3>
${replicas.length === 0 ? markup`<p class="none">The record has no replicas.</p>` : replicas.map((lane) => laneRow(lane, 'fixed'))}${
    servers.length > 0 &&
    markup`<h3>Links, servers and the whole stack</h3>\n${servers.map((lane) => laneRow(lane, 'fixed'))}`
  }<h3>Instances <small id="shown">${shownOf(instances.length, record)}</small></h3>
${
  instances.length === 0
    ? markup`<p class="none">The record has no instances.</p>`
    : instances.map((lane) => laneRow(lane, 'instance'))
}<p id="nothing" class="none" hidden>No instance matches the filter in this view.</p>
</div></section>`;
}

function shownOf(lanes: number, record: ChaosRecord): string {
  const kept = record.instances.length;
  const drawn =
    lanes < kept
      ? `${count(lanes)} drawn of ${count(kept)} in the record`
      : counted(lanes, 'instance');
  return `${drawn}, ${count(record.counts.instances)} in the run`;
}

/** Where the axis ends: at the end of the run, or at the last event in the record if later. */
function runEndMs(record: ChaosRecord): number {
  const times = [
    record.durationMs,
    ...record.phases.map(({ toMs }) => toMs),
    ...record.faults.map(({ toMs }) => toMs),
    ...record.replicas.map(({ toMs }) => toMs ?? 0),
    ...record.instances.flatMap(({ terms, attempts, marks }) => [
      ...terms.map(({ toMs }) => toMs),
      ...attempts.map(({ toMs }) => toMs ?? 0),
      ...marks.map(({ atMs }) => atMs),
    ]),
  ].filter(Number.isFinite);
  return times.reduce((most, ms) => Math.max(most, ms), 1);
}

function tickText({ value, label }: Tick, scale: Scale): Markup {
  const percent = scale.percent(value);
  const anchor = percent < 3 ? 'start' : percent > 97 ? 'end' : 'middle';
  return markup`<text class="tick" x="${scale.at(value)}" y="31" text-anchor="${anchor}">${label}</text>`;
}

function phaseBars(phases: readonly Phase[], scale: Scale): Markup {
  return markup`${phases.slice(0, PHASES_SHOWN).map(({ kind, fromMs, toMs }) => {
    const title = `${words(kind)}: ${moment(fromMs)} to ${moment(toMs)}`;
    return markup`${bar(scale, { fromMs, toMs, y: 1, height: 14, className: phaseClass(kind), title })}${barText(
      scale,
      {
        fromMs,
        toMs,
        y: 12,
        text: words(kind),
      },
    )}`;
  })}`;
}

/** Warming up and settling look the same: no faults are made in either. */
function phaseClass(kind: Phase['kind']): string {
  return kind === 'isolated' || kind === 'overlapping' ? `phase ${kind}` : 'phase settling';
}

function backdropPhase({ kind, fromMs, toMs }: Phase, scale: Scale): Markup {
  const width = Math.max(0, scale.percent(toMs) - scale.percent(fromMs));
  return markup`<rect class="${phaseClass(kind)}" x="${scale.at(fromMs)}" y="0" width="${width.toFixed(4)}%" height="100%"/>`;
}

/** A vertical line through all lanes at each fault, shown while few enough are in view. */
function faultLines(record: ChaosRecord, scale: Scale): Markup {
  const made = record.faults.filter(({ skipped }) => skipped === undefined);
  const faults = thinned(made, FAULT_LINES_SHOWN);
  return markup`<g id="fault-lines">${faults.map(
    ({ fromMs }) =>
      markup`<line class="fault-line" x1="${scale.at(fromMs)}" x2="${scale.at(fromMs)}" y1="0" y2="100%"/>`,
  )}</g>`;
}
