import { count } from '../../page/figures.ts';
import type { Markup } from '../../page/markup.ts';
import { clipped, markup } from '../../page/markup.ts';
import type { ChaosRecord, CheckResult } from '../record.ts';
import { guaranteeName, GUARANTEES } from './guarantee.ts';
import { words } from './wording.ts';

/** The checks, grouped by guarantee; a guarantee that no check covers says so. */
export function checksSection(record: ChaosRecord): Markup {
  const guarantees = [
    ...new Set([...GUARANTEES.keys(), ...record.checks.map(({ guarantee }) => guarantee)]),
  ];
  return markup`<section id="checks" aria-labelledby="checks-h">
<h2 id="checks-h">Checks</h2>
<p>${tally(record.checks)}</p>
<table class="checks">
<thead><tr><th scope="col">Guarantee and check</th><th scope="col" class="n">Checked</th><th scope="col" class="n">Breaches</th><th scope="col">Verdict</th></tr></thead>
${guarantees.map((guarantee) => group(guarantee, record.checks))}</table>
</section>`;
}

function tally(checks: readonly CheckResult[]): Markup {
  const breached = checks.filter(isBreached).length;
  const unchecked = checks.filter((check) => !isBreached(check) && check.checked === null).length;
  const held = checks.length - breached - unchecked;
  return markup`${count(held)} held${
    breached > 0 && markup`, <strong class="bad">${count(breached)} breached</strong>`
  }${unchecked > 0 && markup`, <strong class="warn">${count(unchecked)} not checked</strong>`}, of ${count(checks.length)}.`;
}

function group(guarantee: number, checks: readonly CheckResult[]): Markup {
  const members = checks.filter((check) => check.guarantee === guarantee);
  return markup`<tbody><tr class="group"><th scope="rowgroup" colspan="4"><span class="number">${guarantee}</span> ${guaranteeName(
    guarantee,
  )}</th></tr>
${members.length === 0 ? markup`<tr><td colspan="4" class="none">No check covered it in this run.</td></tr>\n` : members.map(row)}</tbody>
`;
}

function row(check: CheckResult): Markup {
  const why =
    check.why === undefined ? '' : markup`<small class="why">${clipped(check.why, 300)}</small>`;
  return markup`<tr><th scope="row">${words(check.name)}${why}</th><td class="n">${
    check.checked === null ? '–' : count(check.checked)
  }</td><td class="n">${count(check.breaches)}</td><td>${verdict(check)}</td></tr>
`;
}

function verdict(check: CheckResult): Markup {
  if (isBreached(check)) return markup`<strong class="bad">✕ breached</strong>`;
  if (check.checked === null) return markup`<strong class="warn">– not checked</strong>`;
  return markup`<span class="ok">✓ held</span>`;
}

function isBreached(check: CheckResult): boolean {
  return check.breaches > 0;
}
