import { count, span } from '../../page/figures.ts';
import type { Markup } from '../../page/markup.ts';
import { clipped, markup } from '../../page/markup.ts';
import type { ChaosRecord } from '../record.ts';
import { isMissed } from './failover-figures.ts';
import { counted, words } from './wording.ts';

const OUTCOMES_SHOWN = 20;

const VERDICTS: Readonly<
  Record<ChaosRecord['verdict'], { word: string; sign: string; tone: string }>
> = {
  passed: { word: 'Passed', sign: '✓', tone: 'good' },
  breached: { word: 'Breached', sign: '✕', tone: 'bad' },
  stuck: { word: 'Stuck', sign: '!', tone: 'bad' },
  broken_off: { word: 'Broken off', sign: '…', tone: 'warn' },
};

/** The top of the page: the verdict in a word and a sentence, what was run, how to repeat it. */
export function summaryHeader(record: ChaosRecord): Markup {
  const { word, sign, tone } = VERDICTS[record.verdict] ?? {
    word: words(record.verdict),
    sign: '?',
    tone: 'warn',
  };
  return markup`<header>
<p class="product">Leasehold · chaos run</p>
<div class="verdict ${tone}"><span class="sign" aria-hidden="true">${sign}</span><div><h1>${word}</h1>
<p>${sentence(record)}</p>${reservations(record)}</div></div>
${contradiction(record)}<dl class="facts">
<div><dt>Seed</dt><dd><code>${record.seed}</code></dd></div>
<div><dt>Started</dt><dd><time datetime="${clipped(record.startedAt, 40)}">${started(record.startedAt)}</time></dd></div>
<div><dt>Duration</dt><dd>${span(record.durationMs)}</dd></div>
<div><dt>Lease TTL</dt><dd>${span(record.leaseTtlMs)}</dd></div>
<div class="wide"><dt>Versions</dt><dd>${versions(record)}</dd></div>
<div class="command"><dt>Repeat with</dt><dd><code>${clipped(record.command, 2000)}</code></dd></div>
</dl>
</header>
`;
}

/** One of the totals. */
type Tile = [label: string, value: number, note: string, tone?: string];

/** The totals, and the requests by outcome. */
export function totalsSection(record: ChaosRecord): Markup {
  const { counts } = record;
  const made = record.faults.filter(({ skipped }) => skipped === undefined).length;
  const tiles: Tile[] = [
    ['faults', made, `${count(record.faults.length - made)} skipped`],
    ['acknowledged', counts.acknowledged, `of ${counted(counts.requests, 'request')}`],
    ['unanswered', counts.unanswered, 'unknown, not failed'],
    ['effects', counts.effects, 'seen by the witness'],
    ['rows', counts.rows, `in ${counted(counts.instances, 'instance')}`],
    ['refused writes', record.refusals.length, 'stopped by the guard'],
    ['late outcomes', record.lateOutcomes.length, 'kept as evidence'],
    ['decisions', counts.decisions, 'of doubts and failures'],
    ...(counts.cancels === undefined
      ? []
      : ([['cancels', counts.cancels, 'with and without undo']] satisfies Tile[])),
    ...(record.hostile === undefined
      ? []
      : ([
          ['hostile messages', record.hostile.sent, 'forged, replayed or garbage'],
        ] satisfies Tile[])),
    ['stuck', counts.stuck, 'at the end', counts.stuck > 0 ? 'bad' : 'good'],
    [
      'breaches',
      record.breaches.length,
      'of a guarantee',
      record.breaches.length > 0 ? 'bad' : 'good',
    ],
  ];
  return markup`<section aria-label="Totals"><dl class="tiles">
${tiles.map(
  ([label, value, note, tone]) =>
    markup`<div${tone === undefined ? '' : markup` class="${tone}"`}><dt>${label}</dt><dd>${count(value)}<small>${note}</small></dd></div>\n`,
)}</dl>
${outcomes(record)}</section>`;
}

function sentence(record: ChaosRecord): string {
  const made = record.faults.filter(({ skipped }) => skipped === undefined).length;
  const under = `under ${counted(made, 'fault')} and ${counted(record.counts.acknowledged, 'acknowledged request')}`;
  const { counts, breaches } = record;
  switch (record.verdict) {
    case 'passed':
      return `No guarantee was breached and no instance is stuck, ${under}.`;
    case 'breached':
      return `${counted(breaches.length, 'breach', 'breaches')} of the guarantees, ${under}.`;
    case 'stuck':
      return `${counted(counts.stuck, 'instance is', 'instances are')} stuck at the end, ${under}.`;
    case 'broken_off':
      return `The run ended early, ${under}. The results cover only the part that ran, and are not a pass.`;
  }
}

/** What the one-word verdict does not show. */
function reservations(record: ChaosRecord): Markup {
  const unchecked = record.checks.filter(({ checked }) => checked === null).length;
  const missed = record.failovers.filter(isMissed).length;
  const skipped = record.faults.filter((fault) => fault.skipped !== undefined).length;
  const parts = [
    unchecked > 0 &&
      `${count(unchecked)} of ${counted(record.checks.length, 'check')} could not be run`,
    missed > 0 &&
      `${count(missed)} of ${counted(record.failovers.length, 'failover')} missed the bound`,
    skipped > 0 && `${counted(skipped, 'fault was', 'faults were')} skipped`,
  ].filter((part) => part !== false);
  return parts.length === 0 ? markup`` : markup`<p class="but">Note: ${parts.join('; ')}.</p>`;
}

/** A warning if the record contradicts its own verdict. */
function contradiction(record: ChaosRecord): Markup {
  const reasons = [
    record.breaches.length > 0 && counted(record.breaches.length, 'breach', 'breaches'),
    record.checks.some(({ breaches }) => breaches > 0) && 'a breached check',
    record.counts.stuck > 0 && counted(record.counts.stuck, 'stuck instance'),
  ].filter((reason) => reason !== false);
  if (record.verdict !== 'passed' || reasons.length === 0) return markup``;
  return markup`<p class="alarm">The record says “passed” but contains ${reasons.join(' and ')}. Do not trust the verdict.</p>\n`;
}

function versions({ versions: v }: ChaosRecord): string {
  const pairs = [
    ['Leasehold', v.leasehold],
    ['Node', v.node],
    ['etcd', v.etcd],
    ['NATS', v.nats],
    ['Postgres', v.postgres],
  ] as const;
  return pairs.map(([name, version]) => `${name} ${clipped(version, 40)}`).join(' · ');
}

function started(startedAt: string): string {
  return clipped(startedAt.replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC'), 40);
}

function outcomes({ counts }: ChaosRecord): Markup {
  const all = Object.entries(counts.byOutcome).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  if (all.length === 0) return markup``;
  const most = Math.max(1, all[0]?.[1] ?? 1);
  return markup`<dl class="outcomes" aria-label="Requests by outcome">
${all.slice(0, OUTCOMES_SHOWN).map(([outcome, value]) => {
  const share = Math.max(0.5, Math.min(100, (value / most) * 100)).toFixed(1);
  return markup`<div><dt>${words(outcome)}</dt><dd><svg aria-hidden="true" width="100%" height="6"><rect class="share" width="${share}%" height="6" rx="1"/></svg><span>${count(value)}</span></dd></div>\n`;
})}</dl>
`;
}
