import * as fc from 'fast-check';
import { expect, it } from 'vitest';

import { readMarkdown } from '../../../../src/runbook/markdown.ts';

/** Lines that mean something in Markdown, and any other line. */
const line = fc.oneof(
  fc.constantFrom(
    '',
    '   ',
    '# Heading',
    '====',
    '---',
    '- item',
    '  continued',
    '1. first',
    '> quote',
    '```',
    '````',
    '~~~',
    '```js',
    '    code',
    '\tcode',
    '<!-- hidden -->',
    '<div>',
    '</div>',
    '| a | b |',
    '| - | - |',
    '[link]: http://a.example',
    'two spaces  ',
    'back\\',
    '${inputs.a} ${',
  ),
  fc.string({ unit: 'grapheme' }),
);

const HEAD = ['---', 'runbook: a', 'version: 1', '---'];

/** Lines of which nothing goes on behind their end, as a block does that is never closed. */
const text = fc
  .array(line, { maxLength: 12 })
  .filter((lines) => readMarkdown([...HEAD, ...lines].join('\n')).faults.length === 0);
const lineEnd = fc.constantFrom('\n', '\r\n', '\r');

/** The lines without the empty ones at both ends; undefined if none is left. */
function trimmed(lines: readonly string[]): string | undefined {
  const split = lines.join('\n').replaceAll(/\r\n?/g, '\n').split('\n');
  const first = split.findIndex((one) => one.trim() !== '');
  const last = split.findLastIndex((one) => one.trim() !== '');
  return first === -1 ? undefined : split.slice(first, last + 1).join('\n');
}

it('every Markdown text between cells is kept as it is, in its place', () => {
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 4 }), lineEnd, (texts, end) => {
      const lines = texts.flatMap((one, index) => {
        const cell = ['', `\`\`\`cell c${index}`, `exec: {handler: h${index}}`, '```'];
        return index === 0 ? one : [...cell, ...one];
      });
      const { document, faults } = readMarkdown([...HEAD, ...lines].join(end));
      expect(faults).toEqual([]);
      const { cells } = (document?.value ?? {}) as { cells: { id: string; prose?: string }[] };
      const expected = texts.flatMap((one, index) => {
        const prose = trimmed(one);
        const cell = index === 0 ? [] : [`c${index}`];
        return prose === undefined ? cell : [...cell, prose];
      });
      expect(cells.map(({ id, prose }) => prose ?? id)).toEqual(expected);
      expect(new Set(cells.map(({ id }) => id)).size).toBe(cells.length);
    }),
    { numRuns: 1_000 },
  );
});
