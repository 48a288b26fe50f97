import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { EXAMPLE_RUNBOOKS, placed } from '../../../../cli/dev/examples.ts';
import { loadRunbookFile } from '../../../../src/runbook/load.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..', '..');

describe('the copies of the examples that dev pushes', () => {
  it('name the scripts of the package, because commands run where dev was called', async () => {
    const texts: string[] = [];
    for (const file of EXAMPLE_RUNBOOKS) {
      const loaded = await loadRunbookFile(join(ROOT, file));
      if (!loaded.ok) throw new Error(`${file} is not valid`);
      for (const runbook of loaded.runbooks)
        texts.push(JSON.stringify(placed(runbook, '/package')));
    }
    const scripts = texts.join('').match(/"[^"]*examples\/[^"]*\.mjs"/g);
    expect(scripts?.toSorted()).toEqual([
      '"/package/examples/notify.mjs"',
      '"/package/examples/probe-charge.mjs"',
    ]);
  });
});
