import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { NATS_ONLY, runJson } from './command-line.ts';
import { gate, push, two } from './runbooks.ts';
import { ErrorReply, read } from './shapes.ts';

const BOOK = `---
runbook: book
version: 1
title: A book
inputs: []
---

# A book

Ask **first**.

\`\`\`cell asked
title: Somebody said yes
await: { claim: book, statuses: [yes] }
\`\`\`

\`\`\`cell print
exec: { command: [echo, 'printed by the cell'] }
\`\`\`

The end.
`;

let cluster: TestCluster;
let folder: string;
let file: string;

beforeAll(async () => {
  [cluster, folder] = await Promise.all([
    TestCluster.start({ replicas: 2 }),
    mkdtemp(join(tmpdir(), 'leasehold-show-')),
  ]);
  file = join(folder, 'book.md');
  await writeFile(file, BOOK);
  await push(cluster, two, { ...two, version: 2 }, gate);
});

afterAll(async () => {
  await cluster?.stop();
  await rm(folder, { recursive: true });
});

const run = (line: string, env: NodeJS.ProcessEnv = {}): ReturnType<typeof runJson> =>
  runJson(cluster, line, env);
const get = (body: object): Promise<unknown> =>
  cluster.request(`leasehold.${cluster.namespace}.runbook.get`, body);

describe('runbook.get', () => {
  it('answers the runbook as it is stored: the version that is asked for, or the newest', async () => {
    expect(await get({ runbookId: 'two' })).toMatchObject({ runbook: 'two', version: 2 });
    const first = await get({ runbookId: 'two', version: 1 });
    expect(first).toMatchObject({ runbook: 'two', version: 1, inputs: [], cells: two.cells });
    const [shown] = (await run('runbook show two --version 1')).lines;
    expect(first).toEqual(shown);
  });

  it('answers not_found for what is not stored, and invalid for what it does not read', async () => {
    for (const body of [{ runbookId: 'nowhere' }, { runbookId: 'two', version: 9 }]) {
      const { error } = read(ErrorReply, await get(body));
      expect(error).toMatchObject({ code: 'not_found', field: 'runbookId' });
    }
    for (const [body, field] of [
      [{}, 'runbookId'],
      [{ runbookId: 'a.b' }, 'runbookId'],
      [{ runbookId: 'two', version: 0 }, 'version'],
      [{ runbookId: 'two', colour: 'red' }, 'colour'],
    ] as const) {
      const { error } = read(ErrorReply, await get(body));
      expect(error).toMatchObject({ code: 'invalid', field });
    }
  });
});

describe('a Markdown runbook', () => {
  it('is linted, pushed and shown, and runs; its page needs NATS only', async () => {
    const linted = await run(`runbook lint ${file}`, NATS_ONLY);
    expect(linted).toMatchObject({ code: 0, lines: [{ runbookId: 'book', cells: 4 }] });
    expect(await run(`runbook push ${file}`)).toMatchObject({ code: 0 });
    const listed = await run('runbook list');
    expect(listed.lines).toContainEqual(expect.objectContaining({ runbookId: 'book' }));
    const printed = await cluster.cli(['runbook', 'show', 'book']);
    expect(printed.stdout).toContain('Ask first.');
    expect((await cluster.cli(['runbook', 'show', file], NATS_ONLY)).stdout).toBe(printed.stdout);

    await cluster.start('book-1', 'book');
    expect(await cluster.advance('book-1', 'q-1')).toMatchObject({ outcome: 'parked' });
    const parked = await cluster.cli(['show', 'book-1'], NATS_ONLY);
    expect(parked).toMatchObject({ code: 0, stderr: '' });
    expect(parked.stdout).toContain('leasehold claim book yes && leasehold advance book-1');
    await cluster.cli(['claim', 'book', 'yes', '--agent', 'ann'], NATS_ONLY);
    const { holder } = await cluster.advance('book-1', 'q-2');

    const { stdout } = await cluster.cli(['show', 'book-1'], NATS_ONLY);
    for (const said of [
      'A book',
      'claim book is yes (revision 1, by ann)',
      'printed by the cell',
      `token ${String(holder?.fencingToken)}`,
      'The end.',
    ])
      expect(stdout).toContain(said);
    expect(stdout).not.toContain('\u001b');

    const json = await run('show book-1', NATS_ONLY);
    expect(json.lines).toEqual([
      {
        runbook: await get({ runbookId: 'book', version: 1 }),
        status: await cluster.status('book-1', { log: true }),
      },
    ]);

    const page = join(folder, 'book.html');
    expect(await cluster.cli(['show', 'book-1', '--html', page], NATS_ONLY)).toMatchObject({
      code: 0,
      stdout: '',
    });
    const html = await readFile(page, 'utf8');
    expect(html).toMatch(/^<!doctype html>/);
    expect(html).toContain('<strong>first</strong>');
    const onStdout = await cluster.cli(['show', 'book-1', '--html'], NATS_ONLY);
    expect(onStdout.stdout).toMatch(/^<!doctype html>/);
  });

  it('show fails as other verbs do, and names a file that it cannot write', async () => {
    const missing = await run('show nowhere', NATS_ONLY);
    expect(missing.code).toBe(3);
    expect(read(ErrorReply, missing.lines[0]).error.code).toBe('not_found');
    const nowhere = join(folder, 'no', 'page.html');
    await cluster.start('two-1', 'two');
    const failed = await cluster.cli(['show', 'two-1', '--html', nowhere], NATS_ONLY);
    expect(failed.code).toBe(2);
    expect(failed.stderr).toContain('--html');
  });

  it('a changed text under the same version is refused, with the diff and the version to give', async () => {
    await run(`runbook push ${file}`);
    await writeFile(file, BOOK.replace('Ask **first**.', 'Ask twice.'));
    const refused = await cluster.cli(['runbook', 'push', file]);
    expect(refused.code).toBe(3);
    for (const said of [
      'book v1 refused: already stored with other content',
      'changed cell before-asked',
      '-      Ask **first**.',
      '+      Ask twice.',
      'to store it, write version: 2 in the file and push it again',
    ])
      expect(refused.stdout).toContain(said);
    const json = await run(`runbook push ${file}`);
    expect(json).toMatchObject({
      code: 3,
      lines: [{ runbookId: 'book', version: 1, result: 'conflict', nextVersion: 2 }],
    });
    expect((await cluster.cli(['runbook', 'diff', file])).stdout).toContain('+      Ask twice.');

    await writeFile(
      file,
      BOOK.replace('Ask **first**.', 'Ask twice.').replace('version: 1', 'version: 2'),
    );
    expect(await run(`runbook push ${file}`)).toMatchObject({ code: 0 });
    // The instance stays on its version.
    const [shown] = (await run('show book-1', NATS_ONLY)).lines as [
      { runbook: { version: number } },
    ];
    expect(shown.runbook.version).toBe(1);
  });
});

describe('runbook diff', () => {
  it('compares the newest version with the one before it, or two versions', async () => {
    const newest = await run('runbook diff book');
    expect(newest.lines).toEqual([
      expect.objectContaining({
        runbookId: 'book',
        from: 1,
        to: 2,
        same: false,
        changes: { head: [], added: [], removed: [], changed: ['before-asked'], reordered: false },
      }),
    ]);
    expect((await run('runbook diff book 1 2')).lines).toEqual(newest.lines);
    expect(await run('runbook diff book 2 1')).toMatchObject({ lines: [{ from: 2, to: 1 }] });
    expect(await run('runbook diff two')).toMatchObject({ code: 0, lines: [{ same: true }] });
    expect(await run('runbook diff gate')).toMatchObject({ code: 0, lines: [{ same: true }] });
  });

  it('exits 3 for what is not stored, and 2 for a file with two versions', async () => {
    expect((await run('runbook diff nowhere')).code).toBe(3);
    expect((await run('runbook diff book 1 7')).code).toBe(3);
    expect((await run(`runbook diff ${file} 1 2`)).code).toBe(2);
  });
});

it('the schema that the package has is the one that is printed', async () => {
  const { code, stdout } = await cluster.cli(['runbook', 'schema'], NATS_ONLY);
  expect(code).toBe(0);
  const inPackage = join(import.meta.dirname, '..', '..', 'dist', 'runbook.schema.json');
  expect(stdout).toBe(await readFile(inPackage, 'utf8'));
});
