import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { EXAMPLE_RUNBOOKS, placed } from '../../../../cli/dev/examples.ts';
import { loadRunbookFile } from '../../../../src/runbook/load.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..', '..');

const RUN = { packageDir: '/package', ledgerUrl: 'http://127.0.0.1:7' };

describe('the copies of the examples that dev pushes', () => {
  it('name the scripts of the package and the address of the ledger', async () => {
    const texts: string[] = [];
    for (const file of EXAMPLE_RUNBOOKS) {
      const loaded = await loadRunbookFile(join(ROOT, file));
      if (!loaded.ok) throw new Error(`${file} is not valid`);
      for (const runbook of loaded.runbooks) texts.push(JSON.stringify(placed(runbook, RUN)));
    }
    const scripts = texts.join('').match(/"[^"]*examples\/[^"]*\.mjs"/g);
    expect(scripts?.toSorted()).toEqual([
      '"/package/examples/notify.mjs"',
      '"/package/examples/probe-charge.mjs"',
    ]);
    expect(texts.join('')).not.toContain('ledger.example');
    expect(texts.join('').match(/http:\/\/[^/"]*[^"]*/g)).toEqual([
      // The charge, its probe, the notification, the payout, and the note of the handover.
      'http://127.0.0.1:7/effects',
      'http://127.0.0.1:7',
      'http://127.0.0.1:7',
      'http://127.0.0.1:7/effects',
      'http://127.0.0.1:7/effects',
    ]);
  });
});
