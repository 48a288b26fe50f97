import { count, span } from '../../page/figures.ts';
import type { Markup } from '../../page/markup.ts';
import { clipped, markup } from '../../page/markup.ts';
import type { ChaosRecord, FaultRecord } from '../record.ts';
import { timeLink } from './time-link.ts';
import { counted, moment, words } from './wording.ts';

const FAULTS_LISTED = 1000;
const REASONS_SHOWN = 5;

/** The faults: first those that were skipped and why, then counts by kind, then every fault. */
export function faultsSection(record: ChaosRecord): Markup {
  const made = record.faults.filter(({ skipped }) => skipped === undefined);
  const skipped = record.faults.filter((fault) => fault.skipped !== undefined);
  return markup`<section id="faults" aria-labelledby="faults-h">
<h2 id="faults-h">Faults</h2>
<p>${counted(made.length, 'fault')} made, ${count(skipped.length)} skipped.</p>
${skippedFaults(skipped)}${kinds(made)}${list(made)}</section>`;
}

function skippedFaults(faults: readonly FaultRecord[]): Markup {
  if (faults.length === 0) return markup``;
  const byKind = grouped(faults);
  return markup`<div class="note"><h3>– Skipped: these faults could not be made here, so they are not counted</h3>
<ul>
${[...byKind].map(([kind, members]) => {
  const reasons = [...new Set(members.map(({ skipped }) => skipped ?? ''))];
  return markup`<li><b>${words(kind)}</b> ${members.length > 1 && `(${count(members.length)} times) `}<span>${reasons
    .slice(0, REASONS_SHOWN)
    .map((reason) => clipped(reason, 300))
    .join(
      '; ',
    )}${reasons.length > REASONS_SHOWN && ` and ${count(reasons.length - REASONS_SHOWN)} other reasons`}</span></li>\n`;
})}</ul></div>
`;
}

function kinds(faults: readonly FaultRecord[]): Markup {
  if (faults.length === 0) return markup`<p class="none">No fault was made.</p>`;
  const rows = [...grouped(faults)].sort(
    ([a, x], [b, y]) => y.length - x.length || (a < b ? -1 : 1),
  );
  return markup`<ul class="kinds">${rows.map(
    ([kind, members]) =>
      markup`<li><span>${words(kind)}</span> <b>${count(members.length)}</b></li>`,
  )}</ul>
`;
}

function list(faults: readonly FaultRecord[]): Markup {
  if (faults.length === 0) return markup``;
  const left = faults.length - FAULTS_LISTED;
  return markup`<details><summary>Every fault, in order</summary>
<div class="scroll" tabindex="0" role="region" aria-label="Every fault"><table>
<thead><tr><th scope="col" class="n">No.</th><th scope="col">At</th><th scope="col">Fault</th><th scope="col">Target</th><th scope="col" class="n">Lasted</th><th scope="col">Phase</th></tr></thead>
<tbody>
${[...faults]
  .sort((a, b) => a.fromMs - b.fromMs || a.id - b.id)
  .slice(0, FAULTS_LISTED)
  .map(
    ({ id, kind, target, phase, fromMs, toMs }) =>
      markup`<tr><td class="n">${id}</td><td>${timeLink(fromMs, toMs, moment(fromMs))}</td><td>${words(kind)}</td><td>${clipped(
        target,
        80,
      )}</td><td class="n">${span(toMs - fromMs)}</td><td>${words(phase)}</td></tr>\n`,
  )}</tbody></table></div>
${left > 0 && markup`<p>and ${count(left)} more; see the record next to this report.</p>`}</details>
`;
}

function grouped(faults: readonly FaultRecord[]): Map<string, FaultRecord[]> {
  const byKind = new Map<string, FaultRecord[]>();
  for (const fault of faults) byKind.set(fault.kind, [...(byKind.get(fault.kind) ?? []), fault]);
  return byKind;
}
