import { count } from '../../page/figures.ts';
import type { Markup } from '../../page/markup.ts';
import { clipped, markup } from '../../page/markup.ts';
import type { ChaosRecord } from '../record.ts';
import { timeLink } from './time-link.ts';
import { counted, moment, words } from './wording.ts';

const ROWS_SHOWN = 200;
/** How much of the run a link shows before and after its moment. */
const AROUND_MS = 1000;

/**
 * Writes that the guard refused, and outcomes that fenced holders still reported: evidence that the
 * faults reached the protocol.
 */
export function evidenceSection(record: ChaosRecord): Markup {
  const { refusals, lateOutcomes } = record;
  return markup`<section id="evidence" aria-labelledby="evidence-h">
<h2 id="evidence-h">Evidence</h2>
${
  refusals.length === 0
    ? markup`<p class="none">No write was refused in this run.</p>`
    : folded({
        summary: counted(refusals.length, 'refused write'),
        total: refusals.length,
        headings: ['At', 'Instance', 'Seq', 'Row', 'Token', 'Replica', 'Why'],
        rows: refusals
          .slice(0, ROWS_SHOWN)
          .map(({ atMs, instanceId, seq, kind, fencingToken, replicaId, reason }) => [
            around(atMs),
            code(instanceId),
            String(seq),
            words(kind),
            String(fencingToken),
            code(replicaId),
            clipped(reason, 200),
          ]),
      })
}${
    lateOutcomes.length === 0
      ? markup`<p class="none">There was no late outcome.</p>`
      : folded({
          summary: counted(lateOutcomes.length, 'late outcome'),
          total: lateOutcomes.length,
          headings: ['At', 'Instance', 'Cell', 'Attempt', 'Outcome', 'Token', 'Replica'],
          rows: lateOutcomes
            .slice(0, ROWS_SHOWN)
            .map(({ atMs, instanceId, cellId, attempt, kind, fencingToken, replicaId }) => [
              around(atMs),
              code(instanceId),
              clipped(cellId, 80),
              String(attempt),
              words(kind),
              String(fencingToken),
              code(replicaId),
            ]),
        })
  }</section>`;
}

interface Folded {
  summary: string;
  total: number;
  headings: readonly string[];
  rows: readonly (readonly (Markup | string)[])[];
}

function folded({ summary, total, headings, rows }: Folded): Markup {
  const left = total - rows.length;
  return markup`<details><summary>${summary}</summary>
<div class="scroll" tabindex="0" role="region" aria-label="${summary}"><table>
<thead><tr>${headings.map((heading) => markup`<th scope="col">${heading}</th>`)}</tr></thead>
<tbody>
${rows.map((cells) => markup`<tr>${cells.map((cell) => markup`<td>${cell}</td>`)}</tr>\n`)}</tbody></table></div>
${left > 0 && markup`<p>and ${count(left)} more; see the record next to this report.</p>`}</details>
`;
}

function around(atMs: number): Markup {
  return timeLink(atMs - AROUND_MS, atMs + AROUND_MS, moment(atMs));
}

function code(id: string): Markup {
  return markup`<code>${clipped(id, 80)}</code>`;
}
