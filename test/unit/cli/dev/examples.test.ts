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
    const all = texts.join('');
    expect(new Set(all.match(/"[^"]*examples\/[^"]*\.mjs"/g))).toEqual(
      new Set(['"/package/examples/notify.mjs"', '"/package/examples/probe-charge.mjs"']),
    );
    expect(all).not.toContain('ledger.example');
    const addresses = all.match(/http:\/\/[^/"]*/g);
    expect(new Set(addresses)).toEqual(new Set([RUN.ledgerUrl]));
    // At least the calls of refund.yaml and payout.yaml.
    expect(addresses?.length).toBeGreaterThan(4);
  });
});
