import { count } from '../../page/figures.ts';
import type { Markup } from '../../page/markup.ts';
import { clipped, markup } from '../../page/markup.ts';
import type { BreachRecord, ChaosRecord } from '../record.ts';
import { guaranteeName } from './guarantee.ts';
import { counted, words } from './wording.ts';

const BREACHES_SHOWN = 200;
const SEQS_SHOWN = 20;

/** Every breach, ahead of everything else; empty if there is none. */
export function breachesSection(record: ChaosRecord): Markup {
  if (record.breaches.length === 0) return markup``;
  const laneOf = new Map(record.instances.map(({ instanceId }, index) => [instanceId, index]));
  const left = record.breaches.length - BREACHES_SHOWN;
  return markup`<section id="breaches" class="alarm" role="alert" aria-labelledby="breaches-h">
<h2 id="breaches-h">✕ ${counted(record.breaches.length, 'breach', 'breaches')}</h2>
<ol class="breaches">
${record.breaches.slice(0, BREACHES_SHOWN).map((breach) => item(breach, laneOf.get(breach.instanceId)))}</ol>
${left > 0 && markup`<p>and ${count(left)} more; see the record next to this report.</p>`}</section>`;
}

function item(breach: BreachRecord, lane: number | undefined): Markup {
  const id = clipped(breach.instanceId, 140);
  return markup`<li><p class="what">${clipped(breach.what, 1000)}</p>
<p class="where">${breach.guarantee} ${guaranteeName(breach.guarantee)} · check ${words(breach.check)} · instance ${
    lane === undefined
      ? markup`<code>${id}</code>`
      : markup`<a href="#i${lane}" data-lane="i${lane}"><code>${id}</code></a>`
  } · ${rows(breach.seqs)}</p></li>
`;
}

function rows(seqs: readonly number[]): string {
  if (seqs.length === 0) return 'no rows';
  const shown = seqs.slice(0, SEQS_SHOWN).join(', ');
  const left = seqs.length - SEQS_SHOWN;
  return `${seqs.length === 1 ? 'seq' : 'seqs'} ${shown}${left > 0 ? ` and ${count(left)} more` : ''}`;
}
