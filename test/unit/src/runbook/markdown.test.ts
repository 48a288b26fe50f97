import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { readMarkdown } from '../../../../src/runbook/markdown.ts';
import { parsedDocument } from '../../../../src/runbook/parse.ts';
import { formatProblem } from '../../../../src/runbook/problem.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..', '..');
const FENCE = '```';

const BOOK = `---
runbook: restart
version: 2
title: Restart the service
inputs: [service]
---

# Restart the service

Do this at night.

${FENCE}cell drain
exec: { command: [./drain.sh, "\${inputs.service}"] }
timeout: 10s
${FENCE}

## Is it drained?

* Look at the graph.
* Ask the person on call.

~~~cell
id: check
assert:
  - { cell: drain, pointer: /open, equals: 0 }
~~~

${FENCE}cell restart
exec: { handler: restart }
${FENCE}

Done.
`;

function parsed(text: string) {
  return parsedDocument(readMarkdown(text), 'book.md');
}

function accepted(text: string): Runbook {
  const found = parsed(text);
  if (!found.ok) throw new Error(found.problems.map(formatProblem).join('\n'));
  return found.runbook;
}

function problemsOf(text: string): string[] {
  const found = parsed(text);
  return found.ok ? [] : found.problems.map(formatProblem);
}

/** A book of these lines after its front matter of four lines. */
const book = (...lines: string[]): string =>
  ['---', 'runbook: a', 'version: 1', '---', ...lines].join('\n');

const CELL = [`${FENCE}cell one`, 'exec: {handler: a}', FENCE];

describe('a Markdown runbook', () => {
  it('is as the reference for runbook files shows it', () => {
    const page = readFileSync(join(ROOT, 'docs', 'runbooks.md'), 'utf8');
    const shown = /^````markdown\n([\s\S]*?)^````$/m.exec(page)?.[1] ?? '';
    expect(accepted(shown).cells.map(({ id }) => id)).toEqual([
      'before-drain',
      'drain',
      'before-drained',
      'drained',
    ]);
  });

  it('has its head in the front matter, cells in blocks, and text between them', () => {
    const { cells, ...head } = accepted(BOOK);
    expect(head).toEqual({
      runbook: 'restart',
      version: 2,
      title: 'Restart the service',
      inputs: ['service'],
    });
    expect(cells).toEqual([
      { id: 'before-drain', prose: '# Restart the service\n\nDo this at night.' },
      {
        id: 'drain',
        exec: { command: ['./drain.sh', '${inputs.service}'] },
        timeout: '10s',
      },
      {
        id: 'before-check',
        prose: '## Is it drained?\n\n* Look at the graph.\n* Ask the person on call.',
      },
      { id: 'check', assert: [{ cell: 'drain', pointer: '/open', equals: 0 }] },
      { id: 'restart', exec: { handler: 'restart' } },
      { id: 'after-restart', prose: 'Done.' },
    ]);
  });

  it('is the same with the line ends of Windows, and with a byte-order mark', () => {
    expect(accepted(`\uFEFF${BOOK.replaceAll('\n', '\r\n')}`)).toEqual(accepted(BOOK));
  });

  it('may be text alone', () => {
    expect(accepted(book('Call the person on call.')).cells).toEqual([
      { id: 'text', prose: 'Call the person on call.' },
    ]);
  });

  it('names text after the cell that follows, also if that name is taken or too long', () => {
    const long = 'c'.repeat(128);
    const text = book(
      'Text.',
      `${FENCE}cell ${long}`,
      'exec: {handler: a}',
      FENCE,
      'More.',
      ...CELL,
      `${FENCE}cell before-one`,
      'exec: {handler: a}',
      FENCE,
    );
    const ids = accepted(text).cells.map(({ id }) => id);
    expect(ids).toEqual([
      expect.stringMatching(/^before-c{80,}-[0-9a-f]+$/),
      long,
      'before-one-2',
      'one',
      'before-one',
    ]);
    expect(ids[0]).toHaveLength(128);
  });

  it.each([
    ['a block inside a longer one', ['````md', ...CELL, '````']],
    ['an indented block', ['Like this:', '', ...CELL.map((line) => `    ${line}`)]],
    ['a block in a comment', ['<!--', ...CELL, '-->']],
    ['a block in another language', [`${FENCE}yaml cell`, 'exec: {handler: a}', FENCE]],
  ])('takes %s for text', (_, lines) => {
    const [only, ...rest] = accepted(book(...lines)).cells;
    expect(only).toEqual({ id: 'text', prose: lines.join('\n') });
    expect(rest).toEqual([]);
  });

  it('warns about a block that was probably meant to be a cell', () => {
    const found = parsed(book('Text.', `${FENCE}Cells one`, 'x', FENCE));
    expect(found.warnings.map(formatProblem)).toContain(
      'book.md:6: a block that begins with Cells is text; did you mean cell?',
    );
  });
});

describe('a problem of a Markdown runbook is reported by its line in the file', () => {
  it.each<[string, string, string[]]>([
    [
      'no front matter',
      'Text.',
      [
        'book.md:1: a Markdown runbook begins with its front matter: a line ---, the fields runbook and version, and another line ---',
      ],
    ],
    [
      'open front matter',
      '---\nrunbook: a\n',
      ['book.md:1: the front matter is never closed: end it with a line ---'],
    ],
    ['empty front matter', '---\n---\nText.', ['book.md:2: the front matter is empty']],
    [
      'a wrong field of the head',
      '---\nrunbook: a\nverison: 1\n---\nText.',
      [
        'book.md:2: version is required',
        'book.md:3: verison is not a field here; did you mean version?',
      ],
    ],
    [
      'cells in the front matter',
      '---\nrunbook: a\nversion: 1\ncells: []\n---\nText.',
      ['book.md:4: the cells of a Markdown runbook are its fenced blocks, so remove this field'],
    ],
    ['nothing but a head', book('', ''), ['book.md:4: cells must not be empty']],
    [
      'a wrong field of a cell',
      book('Text.', '', `${FENCE}cell one`, 'exec:', '  handler: a', 'timeuot: 1s', FENCE),
      ['book.md:10 cell one: timeuot is not a field here; did you mean timeout?'],
    ],
    [
      'bad YAML',
      book(`${FENCE}cell one`, 'exec: {handler: a', FENCE),
      ['book.md:7: Flow map in block collection must be sufficiently indented and end with a }'],
    ],
    [
      'an empty block',
      book(`${FENCE}cell one`, FENCE),
      ['book.md:6: the block of a cell is empty'],
    ],
    [
      'two names',
      book(`${FENCE}cell one`, 'id: two', 'exec: {handler: a}', FENCE),
      ['book.md:6: the first line of this block calls the cell one, but its id is two; keep one'],
    ],
    [
      'words after the name',
      book(`${FENCE}cell one two`, 'exec: {handler: a}', FENCE),
      ["book.md:5: only the cell's id may follow the word cell, not two"],
    ],
    [
      'no name',
      book(`${FENCE}cell`, 'exec: {handler: a}', FENCE),
      ['book.md:5: this cell has no name: write its id after the word cell'],
    ],
    [
      'a bad name on the first line',
      book('Text.', `${FENCE}cell o.ne`, 'exec: {handler: a}', FENCE),
      ['book.md:6: cells.1.id must be 1 to 128 characters of A-Z a-z 0-9 _ -'],
    ],
    [
      'a name used twice',
      book(...CELL, ...CELL),
      ['book.md:8 cell one: id is used twice: cell 1 is also one'],
    ],
    [
      'a block that is never closed',
      book('Text.', `${FENCE}cell one`, 'exec: {handler: a}', '    ```', 'More.'),
      ['book.md:6: the block that begins here is never closed: end it with ```'],
    ],
    [
      'another block that is never closed',
      book('~~~~sh', 'ls', '~~~', ...CELL),
      ['book.md:5: the block that begins here is never closed: end it with ~~~~'],
    ],
    [
      'a block that the end of a cell closes',
      book(`${FENCE}sh`, 'ls', '', ...CELL),
      [
        'book.md:8: this cell is inside a block that was not ended before it: end that block with ```, or begin it with more characters if it is to show a cell',
      ],
    ],
    [
      'a comment that is never closed',
      book('<!-- not now', ...CELL),
      ['book.md:5: the HTML that begins here is never closed: end it with -->'],
    ],
    [
      'a cell in a list',
      book('1. First:', '', ...CELL.map((line) => `   ${line}`)),
      [
        'book.md:7: this cell is inside a list or a quote, where it is text: move it out, to the left margin',
      ],
    ],
    [
      'a cell in a quote',
      book(...CELL.map((line) => `> ${line}`)),
      [
        'book.md:5: this cell is inside a list or a quote, where it is text: move it out, to the left margin',
      ],
    ],
    [
      'a cell in HTML',
      book('<details>', ...CELL, '</details>'),
      ['book.md:6: this cell is inside HTML, where it is text: put an empty line before it'],
    ],
    [
      'a NUL character',
      book('Text.', 'a\0b'),
      [
        'book.md:6: this line contains a NUL character or half of a surrogate pair, which the log cannot store',
      ],
    ],
    [
      'a name that no cell has',
      book(...CELL, `${FENCE}cell two`, 'assert: [{cell: noe, pointer: /a, exists: true}]', FENCE),
      [expect.stringMatching(/^book\.md:9 cell two: assert\.0\.cell .*noe/) as string],
    ],
  ])('%s', (_, text, expected) => {
    expect(problemsOf(text).slice(0, expected.length)).toEqual(expected);
  });

  it('all of them at once, in the order of the lines', () => {
    const text = book(
      `${FENCE}cell one`,
      'exec: {handlr: a}',
      FENCE,
      'Text.',
      `${FENCE}cell two`,
      'await: {clam: x}',
      FENCE,
    );
    expect(problemsOf(text).map((line) => /^book\.md:\d+/.exec(line)?.[0])).toEqual([
      'book.md:6',
      'book.md:10',
    ]);
  });
});
