import { markup } from '../../page/markup.ts';
import { page } from '../../page/page.ts';
import type { ChaosRecord } from '../record.ts';
import { breachesSection } from './breaches.ts';
import { checksSection } from './checks.ts';
import { evidenceSection } from './evidence.ts';
import { failoversSection } from './failovers.ts';
import { faultsSection } from './faults.ts';
import { SCRIPT } from './script.ts';
import { CHAOS_STYLE } from './style.ts';
import { summaryHeader, totalsSection } from './summary.ts';
import { timelineSection } from './timeline.ts';
import { words } from './wording.ts';

/**
 * Renders a chaos run as one self-contained HTML file: it loads nothing, works offline and on
 * paper, and is the same for the same record. Its size is bounded; it says what it leaves out,
 * which the record contains.
 */
export function renderReport(record: ChaosRecord): string {
  const title = `Leasehold chaos run, seed ${record.seed}: ${words(record.verdict)}`;
  return page(
    title,
    markup`${summaryHeader(record)}${breachesSection(record)}
${totalsSection(record)}
<div class="columns">
${checksSection(record)}
${failoversSection(record)}
</div>
${timelineSection(record)}
${faultsSection(record)}
${evidenceSection(record)}
<footer><p>Written by <code>leasehold chaos</code>. Times are measured from the start of the run, by one monotonic
clock. The record (JSON, next to this report) contains everything that is left out here.</p></footer>`,
    { style: CHAOS_STYLE, script: SCRIPT },
  );
}
