import { count, short, span } from '../../page/figures.ts';
import type { Markup } from '../../page/markup.ts';
import { clipped, markup } from '../../page/markup.ts';
import type { ChaosRecord, Failover } from '../record.ts';
import type { FailoverGroup } from './failover-figures.ts';
import { failoverGroups, isMissed } from './failover-figures.ts';
import type { Scale, Tick } from './scale.ts';
import { logScale } from './scale.ts';
import { thinned } from './thinned.ts';
import { timeLink } from './time-link.ts';
import { counted, words } from './wording.ts';

const DOTS_PER_GROUP = 200;

/** Failover times by kind of fault: a row of figures each, with a dot for every measured time. */
export function failoversSection(record: ChaosRecord): Markup {
  const groups = failoverGroups(record.failovers);
  return markup`<section id="failovers" aria-labelledby="failovers-h">
<h2 id="failovers-h">Failover times</h2>
${
  groups.length === 0
    ? markup`<p class="none">No failover followed an isolated fault, so nothing was measured.</p>`
    : measured(record, groups)
}</section>`;
}

function measured(record: ChaosRecord, groups: readonly FailoverGroup[]): Markup {
  const bounds = groups.flatMap(({ boundsMs }) => boundsMs);
  const scale = logScale([...record.failovers.map(({ ms }) => ms), ...bounds]);
  const missed = groups.reduce((sum, group) => sum + group.missed, 0);
  const bounded = record.failovers.filter(({ boundMs }) => boundMs !== null).length;
  const faultFromMs = new Map(record.faults.map(({ id, fromMs }) => [id, fromMs]));
  return markup`<p>From an isolated fault to the first receipt or row under a later term.
${counted(record.failovers.length, 'failover')}${keeping(bounded, missed)}.</p>
<div class="scroll" tabindex="0" role="region" aria-labelledby="failovers-h"><table class="failovers">
<thead><tr><th scope="col">Fault</th><th scope="col" class="n">Count</th><th scope="col" class="n">Median</th>
<th scope="col" class="n">p99</th><th scope="col" class="n">Worst</th><th scope="col" class="n">Bound</th>
<th scope="col" class="n">Missed</th><th scope="col" class="plot">${axis(scale, scale.ticks)}</th></tr></thead>
<tbody>
${groups.map((group) => row(group, scale, scale.ticks, faultFromMs))}</tbody></table></div>
<p class="key"><svg width="12" height="12" aria-hidden="true"><circle class="dot" cx="6" cy="6" r="3"/></svg> one failover
<svg width="12" height="12" aria-hidden="true"><path class="dot-missed" d="M2 2l8 8M10 2l-8 8"/></svg> past its bound
<svg width="12" height="12" aria-hidden="true"><line class="median" x1="6" x2="6" y1="1" y2="11"/></svg> median
<svg width="12" height="12" aria-hidden="true"><line class="bound" x1="6" x2="6" y1="0" y2="12"/></svg> bound; time on a
logarithmic scale</p>
`;
}

function keeping(bounded: number, missed: number): Markup {
  if (bounded === 0) return markup`, none with a promised bound`;
  return markup`, ${count(bounded)} with a promised bound: ${
    missed === 0
      ? markup`<strong>none missed it</strong>`
      : markup`<strong class="bad">${count(missed)} missed it</strong>`
  }`;
}

function row(
  group: FailoverGroup,
  scale: Scale,
  ticks: readonly Tick[],
  faultFromMs: ReadonlyMap<number, number>,
): Markup {
  const worst = group.failovers.at(-1);
  const startMs = worst === undefined ? undefined : faultFromMs.get(worst.faultId);
  const missed =
    group.missed === 0 ? markup`0` : markup`<strong class="bad">✕ ${count(group.missed)}</strong>`;
  return markup`<tr><th scope="row">${words(group.kind)} <small>${
    group.attemptOpen ? 'attempt open' : 'idle'
  }</small></th><td class="n">${count(group.count)}</td><td class="n">${span(group.medianMs)}</td><td class="n">${span(
    group.p99Ms,
  )}</td><td class="n">${
    startMs === undefined
      ? span(group.worstMs)
      : timeLink(startMs, startMs + group.worstMs, span(group.worstMs))
  }</td><td class="n">${
    group.boundsMs.length === 0 ? markup`<small>none</small>` : group.boundsMs.map(span).join(' / ')
  }</td><td class="n">${group.boundsMs.length === 0 ? '–' : missed}</td><td class="plot">${plot(group, scale, ticks)}</td></tr>
`;
}

function plot(group: FailoverGroup, scale: Scale, ticks: readonly Tick[]): Markup {
  const drawn = chosen(group.failovers);
  const label =
    `${counted(group.count, 'failover')} from ${span(group.failovers[0]?.ms ?? 0)} to ${span(group.worstMs)}` +
    (group.boundsMs.length === 0 ? '' : `, ${count(group.missed)} past the bound`) +
    (drawn.length < group.count ? `; ${count(drawn.length)} of them drawn` : '');
  return markup`<svg class="dots" role="img" aria-label="${label}" width="100%" height="30">${ticks.map(
    ({ value }) =>
      markup`<line class="rule" x1="${scale.at(value)}" x2="${scale.at(value)}" y1="0" y2="30"/>`,
  )}${drawn.map((failover, index) => dot(failover, index, scale))}<line class="median" x1="${scale.at(
    group.medianMs,
  )}" x2="${scale.at(group.medianMs)}" y1="6" y2="24"><title>median ${span(group.medianMs)}</title></line>${group.boundsMs.map(
    (boundMs) =>
      markup`<line class="bound" x1="${scale.at(boundMs)}" x2="${scale.at(boundMs)}" y1="1" y2="29"><title>bound ${span(boundMs)}</title></line>`,
  )}</svg>`;
}

function dot(failover: Failover, index: number, scale: Scale): Markup {
  const title = `${span(failover.ms)} · fault ${failover.faultId} · ${clipped(failover.instanceId, 60)}`;
  const x = scale.at(failover.ms);
  // Equal times would hide one another on one line. The golden ratio spreads neighbours evenly, and
  // always in the same way.
  const y = short(7 + ((index * 0.618034) % 1) * 16);
  return isMissed(failover)
    ? markup`<use class="dot-missed" href="#g-cross" x="${x}" y="${y}"><title>${title}</title></use>`
    : markup`<circle class="dot" cx="${x}" cy="${y}" r="2.5"><title>${title}</title></circle>`;
}

/** Every failover that missed its bound, and an even selection of the others with the slowest. */
function chosen(ascending: readonly Failover[]): Failover[] {
  const missed = thinned(ascending.filter(isMissed), DOTS_PER_GROUP);
  const others = ascending.filter((failover) => !isMissed(failover));
  return [...thinned(others, DOTS_PER_GROUP - missed.length), ...missed];
}

function axis(scale: Scale, ticks: readonly Tick[]): Markup {
  return markup`<svg class="dots" role="img" aria-label="Distribution, logarithmic" width="100%" height="18">${ticks.map(
    ({ value, label }) =>
      markup`<text class="tick" x="${scale.at(value)}" y="13" text-anchor="${anchor(scale.percent(value))}">${label}</text>`,
  )}</svg>`;
}

/** Labels at the ends of an axis extend inwards, so that none is cut off. */
function anchor(percent: number): string {
  if (percent < 8) return 'start';
  return percent > 92 ? 'end' : 'middle';
}
