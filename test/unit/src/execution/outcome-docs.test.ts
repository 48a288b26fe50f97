import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { ENDINGS, OUTCOMES, UNEXPECTED } from '../../../../src/execution/outcome.ts';

const DOCS = readFileSync(
  join(import.meta.dirname, '..', '..', '..', '..', 'docs', 'outcomes.md'),
  'utf8',
);

/** The rows of the table with this many columns. */
function rowsOf(columns: number): string[][] {
  return DOCS.split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|').slice(1, -1))
    .map((row) => row.map((text) => text.trim()))
    .filter((row) => row.length === columns && row[0]?.startsWith('---') === false)
    .slice(1);
}

it('the docs list every ending with its class, in the words of the table', () => {
  expect(rowsOf(3).map(([, text, found]) => [text, found])).toEqual(
    Object.values(ENDINGS).map((line) => [line.text, `\`${line.class}\``]),
  );
});

it('the docs say how each class is recorded, and which key the next attempt gets', () => {
  const rows = rowsOf(4);
  expect(rows.map(([name, , , key]) => [name, key])).toEqual(
    Object.entries(OUTCOMES).map(([name, { nextKey }]) => [`\`${name}\``, nextKey]),
  );
  for (const [index, { row, body }] of Object.values(OUTCOMES).entries()) {
    const recorded = rows[index]?.[2] ?? '';
    expect(recorded).toContain(`\`${row}\``);
    for (const [field, value] of Object.entries(body))
      expect(recorded).toContain(field === 'reason' ? value : `\`${field}: ${value}\``);
  }
  expect(rows[0]?.[2]).toContain(`\`${UNEXPECTED.row}\`, \`happened: true\``);
});
