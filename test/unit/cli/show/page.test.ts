import { describe, expect, it } from 'vitest';

import { instanceHtml } from '../../../../cli/show/html-page.ts';
import { instancePage, runbookPage } from '../../../../cli/show/terminal-page.ts';
import { columnsOf } from '../../../../cli/show/wrap.ts';
import { CELL_STATES, INSTANCE_STATUSES } from '../../../../src/execution/statuses.ts';
import { ROW_KINDS } from '../../../../src/execution/row.ts';
import { outline } from '../../tools/page/outline.ts';
import { CANCELLED, COMPLETED, DEPLOY, NOW_MS, statusOfRows } from './sample-instance.ts';

const plain = { color: false, columns: 80 };

const completed = statusOfRows(COMPLETED, { status: 'completed' });
const cancelled = statusOfRows(CANCELLED, {
  status: 'cancelled',
  unwinding: { by: 'ann', reason: 'the canary has errors' },
  cancelled: { by: 'ann', reason: 'enough', left: [{ cellId: 'undo-canary', attempt: 1 }] },
});
const text = (status = completed): string => instancePage(DEPLOY, status, plain, NOW_MS);
const html = (status = completed): string => instanceHtml(DEPLOY, status, NOW_MS);

/** The text of a page, without its markup. */
const shown = (page: string): string =>
  page
    .replace(/<style>[\s\S]*?<\/style>/, '')
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .replaceAll('&#39;', "'");

/** What both pages of a completed instance say. */
const SAID = [
  'Deploy with a canary',
  'deploy-7',
  'deploy v3',
  'One machine first',
  'POST https://deploy.example/canary',
  'expects status 201',
  'undone by: DELETE https://deploy.example/canary',
  'attempt 1 failed: 503: busy',
  'attempt 2 was interrupted: its replica was gone',
  'decided by ann: attempt 2 counts as succeeded: seen in the console',
  'pauses for 10m',
  'the pause was over',
  'waits for claim go to be approved within 2d, else halts',
  'claim go is approved (revision 2, by bob)',
  'only if canary /warm is false',
  'skipped: canary /warm is true, expected false',
  'runs deploy-region for each of ${inputs.regions}',
  'the instance completed',
  'deploy-7-regions-0 completed',
  'checks that canary /errors is at most 0',
  'the check holds',
  'told everybody',
  'asked by billing',
];

describe('an instance as a page', () => {
  it('on a terminal says what each cell does and what became of it', () => {
    const page = text().replaceAll(/\s+/g, ' ');
    for (const said of SAID) expect(page).toContain(said);
    expect(page).toContain('token 17 on r1-00000000');
  });

  it('in HTML says the same', () => {
    const page = shown(html());
    for (const said of SAID) expect(page).toContain(said);
    expect(page).toContain('2030-01-31 09:00:00');
  });

  it('shows who cancelled it, what was undone, and what is left in doubt', () => {
    for (const page of [text(cancelled).replaceAll(/\s+/g, ' '), shown(html(cancelled))]) {
      expect(page).toContain('Cancelled by ann: enough');
      expect(page).toContain('What became of attempt 1 of undo-canary is unknown.');
      expect(page).toContain('undo began, by ann: the canary has errors');
      expect(page).toContain('attempt 1 was interrupted: it took too long');
      expect(page).toContain('still in doubt: attempt 1 of undo-canary');
      expect(page).toContain('DELETE https://deploy.example/canary');
    }
  });

  it('names the commands that lead on from a doubt, from a halt and from a wait', () => {
    const doubt = statusOfRows(
      [
        ['started', 'canary'],
        ['interrupted', 'canary', { reason: 'crash' }],
      ],
      {
        status: 'in_doubt',
        nextCellId: 'canary',
        inDoubt: { cellId: 'canary', attempt: 1, reason: 'crash', since: '2030-01-31T09:00:01Z' },
      },
    );
    const halt = statusOfRows(
      [
        ['started', 'canary'],
        ['failed', 'canary', { error: { message: 'no' } }],
        ['started', 'canary', {}, 2],
        ['failed', 'canary', { error: { message: 'no again' } }, 2],
      ],
      { status: 'halted', nextCellId: 'canary' },
    );
    const wait = statusOfRows(COMPLETED.slice(0, 6), {
      status: 'parked',
      nextCellId: 'approved',
      awaiting: { cellId: 'approved', claimId: 'go', statuses: ['approved'], currentStatus: null },
    });
    for (const [status, command] of [
      [doubt, 'leasehold decide deploy-7 --cell canary --attempt 1 --as succeeded'],
      [halt, 'leasehold decide deploy-7 --cell canary --attempt 2 --as rerun'],
      [wait, 'leasehold claim go approved'],
    ] as const) {
      expect(text(status)).toContain(command);
      expect(shown(html(status))).toContain(command);
    }
    expect(text(halt)).toContain('Halted at canary: no again');
    expect(text(wait)).toContain('… approved');
  });

  it('has a word for every kind of row, state and status', () => {
    const seen = new Set([...COMPLETED, ...CANCELLED].map(([kind]) => kind));
    expect(ROW_KINDS.filter((kind) => !seen.has(kind))).toEqual(['refuted']);
    for (const status of INSTANCE_STATUSES)
      expect(text(statusOfRows([], { status }))).toContain(status.replace('_', ' '));
    for (const state of CELL_STATES) {
      const cells = completed.cells.map((cell) => ({ ...cell, state }));
      expect(text({ ...completed, cells })).not.toContain('undefined');
    }
  });

  it('fits the width of the terminal, except for what is to be copied', () => {
    for (const columns of [40, 80, 200]) {
      const lines = instancePage(DEPLOY, completed, { color: false, columns }, NOW_MS).split('\n');
      const longest = lines.filter((line) => columnsOf(line) > Math.min(columns, 100));
      expect(longest.filter((line) => !/https?:|leasehold /.test(line))).toEqual([]);
    }
  });

  it('has colours only where the terminal has', () => {
    expect(text()).not.toContain('\u001b');
    expect(instancePage(DEPLOY, completed, { color: true, columns: 80 }, NOW_MS)).toContain(
      '\u001b[',
    );
  });

  it('of a runbook alone has its inputs, and no states', () => {
    const page = runbookPage(DEPLOY, plain);
    expect(page).toContain('service (string): What to deploy.');
    expect(page).not.toContain('pending');
  });
});

describe('the HTML page', () => {
  const evil = '</code></pre><script>alert(1)</script> <img src=x onerror=alert(1)> \u202e';
  const page = instanceHtml(
    {
      ...DEPLOY,
      title: evil.replaceAll('\u202e', ''),
      cells: [
        {
          id: 'text',
          prose: `${evil}\n\n<script>alert(1)</script>\n\n[a](javascript:alert(1)) [b](data:text/html,x) ![c](https://x.example/c.png)\n\n<!-- hidden -->\n\n\`\`\`\n${evil}\n\`\`\``,
        },
        { id: 'canary', description: evil, exec: { command: [evil] } },
      ],
    },
    statusOfRows([
      ['started', 'canary'],
      ['completed', 'canary', { output: { stdout: `${evil}\n${evil}` } }],
    ]),
    NOW_MS,
  );

  it('escapes HTML in prose, outputs and everything else', () => {
    expect(page).not.toMatch(/<script|<img|onerror=[^&]*>/);
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(page).not.toContain('hidden -->');
    expect(page).not.toContain('\u202e');
  });

  it('links only to web pages and mailboxes, loads nothing, and runs nothing', () => {
    const { tags } = outline(page);
    const links = tags.flatMap(({ attributes }) => attributes.get('href') ?? []);
    expect(links).toEqual(['data:,', 'https://x.example/c.png']);
    expect(tags.map(({ name }) => name)).not.toContain('script');
    const names = new Set(tags.flatMap(({ attributes }) => [...attributes.keys()]));
    expect([...names].filter((name) => /^(src|style|on.*)$/.test(name))).toEqual([]);
    expect(/<style>([\s\S]*?)<\/style>/.exec(page)?.[1]).not.toMatch(/@import|url\(/);
  });

  it('allows only its own style, and no script', () => {
    const { tags } = outline(page);
    const policy = tags
      .find(({ attributes }) => attributes.has('content'))
      ?.attributes.get('content');
    expect(policy?.replaceAll('&#39;', "'")).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'none'; /,
    );
  });

  it('is the same for the same instance', () => {
    expect(html()).toBe(html());
  });
});
