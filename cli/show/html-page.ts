import type { StatusReply } from '../../src/request/status-reply.ts';
import { cellText } from '../../src/runbook/canonical-text.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import { markup, type Fillable, type Markup } from '../../tools/page/markup.ts';
import { page } from '../../tools/page/page.ts';
import { detailText } from '../render/row.ts';
import { definitionOf } from './definition.ts';
import { codeMarkup, markdownMarkup } from './markdown-html.ts';
import { momentOf } from './moment.ts';
import { noticesOf, type Notice } from './notice.ts';
import { outputOf } from './output.ts';
import {
  statusBadge,
  storyOf,
  type Badge,
  type CellStory,
  type Part,
  type Story,
} from './story.ts';
import { SHOW_STYLE } from './style.ts';
import { utcTime } from './times.ts';

/** A status has every cell; one that has not does not know it. */
const NO_BADGE: Badge = { text: 'unknown', tone: 'quiet', mark: '·' };
/** Longer outputs are folded. */
const OPEN_LINES = 12;
/** An output has at most this many lines. */
const OUTPUT_LINES = 400;

/**
 * An instance as one self-contained HTML file: its runbook, and what became of each cell. It loads
 * nothing and runs nothing.
 */
export function instanceHtml(runbook: Runbook, status: StatusReply, nowMs: number): string {
  const story = storyOf(runbook, status);
  const title = `${story.title}: ${status.instanceId}`;
  return page(title, body(story, status, nowMs), { style: SHOW_STYLE });
}

function body(story: Story, status: StatusReply, nowMs: number): Markup {
  const { parts, ending } = story;
  const at = timesIn(status);
  return markup`${header(story, status)}
${noticesOf(status, nowMs).map(notice)}
<ol class="cells">
${parts.map((part) => partItem(part, at))}
${ending.length > 0 && markup`<li class="cell quiet"><span class="mark" aria-hidden="true">■</span><div class="card">${moments(ending, at)}</div></li>`}
</ol>
${logSection(status)}
<footer><p>Written by <code>leasehold show</code> at ${utcTime(new Date(nowMs).toISOString())} UTC, from the log.
All times are UTC, by the database's clock.</p></footer>`;
}

function header({ runbook, title }: Story, status: StatusReply): Markup {
  const { instanceId, holder, lastSeq, parent, log = [] } = status;
  const badge = statusBadge(status);
  const [first, last] = [log[0], log.at(-1)];
  return markup`<header>
<p class="product">Leasehold · instance <code>${instanceId}</code></p>
<div class="top"><h1>${title}</h1><p class="badge ${badge.tone}"><span aria-hidden="true">${badge.mark}</span> ${badge.text}</p></div>
<dl class="facts">
<div><dt>Runbook</dt><dd>${runbook.runbook} v${runbook.version}</dd></div>
<div><dt>Log</dt><dd>${lastSeq} ${lastSeq === 1 ? 'row' : 'rows'}</dd></div>
${
  first !== undefined &&
  last !== undefined &&
  markup`<div><dt>${status.logTruncated === true ? 'Oldest row shown' : 'First row'}</dt><dd>${time(first.recorded_at)}</dd></div>
<div><dt>Newest row</dt><dd>${time(last.recorded_at)}</dd></div>`
}
<div><dt>Holder</dt><dd>${holder === null ? 'none' : markup`${holder.replicaId}, token ${holder.fencingToken}`}</dd></div>
${parent !== undefined && markup`<div><dt>Started by</dt><dd><code>${parent.instanceId}</code>, cell ${parent.cellId}${parent.n !== undefined && `, element ${parent.n}`}</dd></div>`}
</dl>
${runbook.description !== undefined && markup`<div class="text about">${markdownMarkup(runbook.description, 1)}</div>`}
${status.logTruncated === true && markup`<p class="note">The log is longer than one answer: only its newest rows are on this page.</p>`}
</header>`;
}

function notice({ tone, lines }: Notice): Markup {
  return markup`<section class="notice ${tone}">${lines.map((line) =>
    typeof line === 'string'
      ? markup`<p>${line}</p>`
      : markup`<pre class="command"><code>${line.command}</code></pre>`,
  )}</section>`;
}

function partItem(part: Part, at: Times): Markup {
  if ('prose' in part) return markup`<li class="text">${markdownMarkup(part.prose, 1)}</li>\n`;
  const { tone, mark } = part.badge ?? NO_BADGE;
  return markup`<li class="cell ${tone}" id="cell-${part.cell.id}"><span class="mark" aria-hidden="true">${mark}</span>${card(part, at)}</li>\n`;
}

function card(story: CellStory, at: Times): Markup {
  const { cell, type, rows, undo } = story;
  const { tone, text } = story.badge ?? NO_BADGE;
  const { code, notes } = definitionOf(cell);
  return markup`<article class="card">
<div class="top"><h3>${cell.title ?? cell.id}${cell.title !== undefined && markup` <code>${cell.id}</code>`} <small>${type}</small></h3><p class="badge ${tone}">${text}</p></div>
${cell.description !== undefined && markup`<div class="about">${markdownMarkup(cell.description, 3)}</div>`}
${code !== undefined && markup`<pre class="does"><code>${code}</code></pre>`}
${notes.length > 0 && markup`<ul class="notes">${notes.map((note) => markup`<li>${note}</li>`)}</ul>`}
${moments(rows, at)}
${output(story)}
<details class="definition"><summary>Definition</summary>${codeMarkup(cellText(cell))}</details>
${undo !== undefined && markup`<div class="undo"><p class="key">Undo</p>${card(undo, at)}</div>`}
</article>`;
}

/** What the rows say, with the time and the token of each. */
function moments(rows: CellStory['rows'], at: Times): Fillable {
  if (rows.length === 0) return '';
  return markup`<table class="moments"><thead><tr><th scope="col">Time</th><th scope="col">What happened</th><th scope="col">Fencing token</th><th scope="col">Replica</th><th scope="col">Row</th></tr></thead><tbody>${rows.map(
    (row) => {
      const { text, tone } = momentOf(row);
      const asked = row.kind === 'started' && row.agent_id !== null;
      return markup`<tr><td>${at(row.recorded_at)}</td><td class="${tone}">${text}${asked && markup` <small>asked by ${row.agent_id}</small>`}</td><td>token ${row.fencing_token}</td><td>${row.replica_id}</td><td>#${row.seq}</td></tr>`;
    },
  )}</tbody></table>`;
}

function output(story: CellStory): Fillable {
  const shown = outputOf(story, OUTPUT_LINES);
  if (shown === undefined) return '';
  const { heading, lines, more } = shown;
  const code = markup`${codeMarkup(lines.join('\n'))}${more !== undefined && markup`<p class="key">${more}</p>`}`;
  if (lines.length <= OPEN_LINES) return markup`<p class="key">${heading}</p>${code}`;
  return markup`<details><summary>${heading}, ${lines.length} lines</summary>${code}</details>`;
}

function logSection({ log = [] }: StatusReply): Fillable {
  if (log.length === 0) return '';
  return markup`<section><details><summary>The log, row by row</summary><div class="scroll log"><table>
<thead><tr><th scope="col" class="n">Row</th><th scope="col">Time</th><th scope="col" class="n">Token</th><th scope="col">Replica</th><th scope="col">Kind</th><th scope="col">Cell</th><th scope="col" class="n">Attempt</th><th scope="col">Request</th><th scope="col">Agent</th><th scope="col">Detail</th></tr></thead>
<tbody>${log.map(
    (row) =>
      markup`<tr><td class="n">${row.seq}</td><td>${time(row.recorded_at)}</td><td class="n">${row.fencing_token}</td><td>${row.replica_id}</td><td>${row.kind}</td><td>${row.cell_id}</td><td class="n">${row.attempt}</td><td>${row.request_id}</td><td>${row.agent_id}</td><td>${detailText(row)}</td></tr>\n`,
  )}</tbody></table></div></details></section>`;
}

/** How the times of the rows are shown. */
type Times = (iso: string) => Markup;

/** Without the date if all rows are of the same day, which the head of the page names. */
function timesIn({ log = [] }: StatusReply): Times {
  const days = new Set(log.map((row) => utcTime(row.recorded_at).slice(0, 10)));
  const from = days.size === 1 ? 11 : 0;
  return (iso) => markup`<time datetime="${iso}">${utcTime(iso).slice(from)}</time>`;
}

function time(iso: string): Markup {
  return markup`<time datetime="${iso}">${utcTime(iso)}</time>`;
}
