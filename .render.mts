import { writeFileSync } from 'node:fs';
import { instanceHtml } from './cli/show/html-page.ts';
import { instancePage, runbookPage } from './cli/show/terminal-page.ts';
import { CANCELLED, COMPLETED, DEPLOY, NOW_MS, statusOfRows } from './test/unit/cli/show/sample-instance.ts';
const out = '/tmp/w/pages-shot/';
const doubt = statusOfRows([...COMPLETED.slice(0, 3), ['interrupted', 'canary', { reason: 'crash' }, 2]], { status: 'in_doubt', nextCellId: 'canary', inDoubt: { cellId: 'canary', attempt: 2, reason: 'crash', since: '2030-01-31T09:00:03Z' } });
const pages = {
  completed: statusOfRows(COMPLETED, { status: 'completed' }),
  cancelled: statusOfRows(CANCELLED, { status: 'cancelled', unwinding: { by: 'ann', reason: 'the canary has errors' }, cancelled: { by: 'ann', reason: 'enough', left: [{ cellId: 'undo-canary', attempt: 1 }] }, parent: {instanceId: 'fleet-1', cellId: 'all', n: 3} }),
  doubt,
};
for (const [name, status] of Object.entries(pages)) {
  writeFileSync(`${out}${name}.html`, instanceHtml(DEPLOY, status, NOW_MS));
  writeFileSync(`${out}${name}.txt`, instancePage(DEPLOY, status, { color: false, columns: 90 }, NOW_MS));
  writeFileSync(`${out}${name}.ansi`, instancePage(DEPLOY, status, { color: true, columns: 90 }, NOW_MS));
}
writeFileSync(`${out}runbook.txt`, runbookPage(DEPLOY, { color: false, columns: 90 }));
