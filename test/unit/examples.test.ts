import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { loadHandlers } from '../../advancer/cells/handlers.ts';
import { EXAMPLE_RUNBOOKS } from '../../cli/dev/examples.ts';
import { loadRunbookFile } from '../../src/runbook/load.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const TEXTS = EXAMPLE_RUNBOOKS.filter((file) => /\.(yaml|md)$/.test(file));

describe('the examples', () => {
  it.each(TEXTS)('%s has no problem and no warning', async (file) => {
    expect(await loadRunbookFile(join(ROOT, file))).toMatchObject({ ok: true, warnings: [] });
  });

  it('are all pushed by dev', () => {
    const files = readdirSync(join(ROOT, 'examples')).filter((name) =>
      /^(?!README).*\.(ya?ml|json|md|ts)$/.test(name),
    );
    expect(files.map((name) => `examples/${name}`).toSorted()).toEqual(
      [...EXAMPLE_RUNBOOKS].toSorted(),
    );
  });

  it('have every script that their commands name', async () => {
    const scripts: string[] = [];
    for (const file of TEXTS) {
      const loaded = await loadRunbookFile(join(ROOT, file));
      const text = JSON.stringify(loaded.ok ? loaded.runbooks : []);
      scripts.push(...[...text.matchAll(/examples\/[\w./-]+\.mjs/g)].map(([name]) => name));
    }
    expect([...new Set(scripts)].toSorted()).toEqual([
      'examples/notify.mjs',
      'examples/probe-charge.mjs',
    ]);
    expect(scripts.filter((script) => !existsSync(join(ROOT, script)))).toEqual([]);
  });

  it('have the handler of settlement.ts', async () => {
    expect(Object.keys(await loadHandlers(join(ROOT, 'examples/handlers.mjs')))).toEqual([
      'settle',
    ]);
  });
});
