import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { defineRunbook } from '../../../../src/runbook/define.ts';
import { loadRunbookFile } from '../../../../src/runbook/load.ts';
import { formatProblem } from '../../../../src/runbook/problem.ts';

const DEFINE = pathToFileURL(join(import.meta.dirname, '../../../../src/runbook/define.ts')).href;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'leasehold-load-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function load(
  name: string,
  text: string | Uint8Array,
): Promise<Awaited<ReturnType<typeof loadRunbookFile>> & { path: string }> {
  const path = join(folder, name);
  await writeFile(path, text);
  return { ...(await loadRunbookFile(path)), path };
}

describe('defineRunbook', () => {
  it('gives the runbook that a file of the same shape gives', () => {
    const runbook = defineRunbook({
      runbook: 'a',
      version: 2,
      cells: [{ id: 'x', exec: { http: { url: 'http://h' } } }],
    });
    expect(runbook).toEqual({
      runbook: 'a',
      version: 2,
      inputs: [],
      cells: [{ id: 'x', exec: { http: { method: 'POST', url: 'http://h' } } }],
    });
  });

  it('throws an error that lists every problem', () => {
    const define = (): unknown =>
      defineRunbook({
        runbook: 'a',
        version: 1,
        cells: [
          { id: 'x', exec: { handler: '' } },
          { id: 'x', exec: { command: ['${inputs.a}'] } },
        ],
      });
    expect(define).toThrow(
      [
        'runbook a cell x: exec.handler must not be empty',
        'runbook a cell x: id is used twice: cell 1 is also x',
        'runbook a cell x: exec.command.0 refers to ${inputs.a}, but a is not declared (no inputs are declared)',
      ].join('\n'),
    );
  });
});

describe('a runbook is loaded', () => {
  const json = '{"runbook": "a", "version": 1, "cells": [{"id": "x", "exec": {"handler": "h"}}]}';

  it('from YAML and JSON files', async () => {
    expect(await load('a.yml', json)).toMatchObject({ ok: true, runbooks: [{ runbook: 'a' }] });
    expect(await load('a.json', json)).toMatchObject({ ok: true, runbooks: [{ runbook: 'a' }] });
  });

  it('past a byte-order mark', async () => {
    for (const name of ['mark.yaml', 'mark.json'])
      expect(await load(name, `\uFEFF${json}`)).toMatchObject({
        ok: true,
        runbooks: [{ runbook: 'a' }],
      });
  });

  it('only from UTF-8; the first other byte is named with its line and column', async () => {
    const latin1 = Buffer.from('runbook: a\n# für Käse\n', 'latin1');
    for (const name of ['latin1.yaml', 'latin1.json'])
      expect(await load(name, latin1)).toEqual({
        ok: false,
        path: join(folder, name),
        problems: [
          {
            file: join(folder, name),
            line: 2,
            column: 4,
            message:
              'is not UTF-8: byte 0xFC at line 2, column 4 begins no character; save the file as UTF-8',
          },
        ],
        warnings: [],
      });
  });

  it('from the default export of a TypeScript module', async () => {
    const text = `import { defineRunbook } from '${DEFINE}';
      const version: number = 3;
      export default defineRunbook({ runbook: 'typed', version, cells: [{ id: 'x', exec: { handler: 'h' } }] });`;
    expect(await load('a.ts', text)).toMatchObject({
      ok: true,
      runbooks: [{ runbook: 'typed', version: 3 }],
    });
  });

  it('from every runbook that a module exports by name', async () => {
    const text = `export const one = ${json}; export const two = { ...one, version: 2 }; export const other = 5;`;
    expect(await load('named.mts', text)).toMatchObject({
      ok: true,
      runbooks: [{ version: 1 }, { version: 2 }],
    });
    expect(await load('named.mjs', text)).toMatchObject({
      ok: true,
      runbooks: [{ version: 1 }, { version: 2 }],
    });
  });

  it('or its file is named with the problem', async () => {
    const lines = async (name: string, text: string): Promise<string[]> => {
      const loaded = await load(name, text);
      return loaded.ok
        ? []
        : loaded.problems.map((problem) => formatProblem(problem).replaceAll(folder, ''));
    };
    const bad = `import { defineRunbook } from '${DEFINE}';
      export default defineRunbook({ runbook: 'b', version: 1, cells: [{ id: 'x', exec: {} }] } as any);`;
    expect(await lines('bad.ts', bad)).toEqual([
      '/bad.ts cell x: exec must have one of handler, command, http',
    ]);
    const surprising = `import { defineRunbook } from '${DEFINE}';
      const http = { url: 'http://\${inputs.host}/x' };
      export default defineRunbook({ runbook: 'b', version: 1, inputs: ['host'],
        cells: [{ id: 'x', exec: { http } }, { id: 'y', exec: {} }] } as any);`;
    expect(await load('surprising.ts', surprising)).toMatchObject({
      ok: false,
      problems: [{ cellId: 'y' }],
      warnings: [{ file: join(folder, 'surprising.ts'), cellId: 'x' }],
    });
    expect(await lines('none.mjs', 'export const a = 1;')).toEqual([
      '/none.mjs: exports no runbook: write `export default defineRunbook({…})`',
    ]);
    expect(await lines('throws.mjs', 'throw new Error("boom");')).toEqual([
      '/throws.mjs: cannot be imported: boom',
    ]);
    expect(await lines('bad.json', '{')).toEqual([
      expect.stringMatching(/^\/bad\.json:1: is not JSON/),
    ]);
    expect(await lines('a.txt', json)).toEqual([
      '/a.txt: must end in .yaml, .yml, .json, .md, .markdown, .ts, .mts, .js, .mjs',
    ]);
    const missing = await loadRunbookFile(join(folder, 'missing.yaml'));
    expect(missing.ok || formatProblem(missing.problems[0]!)).toMatch(
      /missing\.yaml: cannot be read: ENOENT/,
    );
  });
});
