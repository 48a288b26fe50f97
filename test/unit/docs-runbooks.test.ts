import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

import type { Json } from '../../src/json.ts';
import { CELL_SCHEMAS } from '../../src/runbook/cells.ts';
import { RunbookHead } from '../../src/runbook/head.ts';
import { parseRunbook } from '../../src/runbook/parse.ts';
import { formatProblem } from '../../src/runbook/problem.ts';

/** The reference for runbook files: its examples are linted, and they show every field. */

const PAGE = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'runbooks.md'), 'utf8');
const EXAMPLES = [...PAGE.matchAll(/^```yaml\n(.*?)^```$/gms)].map((match) => match[1] ?? '');

/** An example as a whole runbook: one that shows cells only gets a head, and a cell that runs. */
function whole(example: string): string {
  if (!example.startsWith('- ')) return example;
  const cells = example.replaceAll(/^(?=.)/gm, '  ');
  return `runbook: example\nversion: 1\ninputs: [order, mode, most, night, regions]\ncells:\n${cells}  - {id: effect, exec: {handler: effect}}\n`;
}

/** The names of all fields in a schema, however deep. */
function fieldsOf(schema: unknown): string[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault)
    return fieldsOf(schema.unwrap());
  if (schema instanceof z.ZodArray) return fieldsOf(schema.element);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(fieldsOf);
  if (!(schema instanceof z.ZodObject)) return [];
  const shape: Record<string, unknown> = schema.shape;
  return Object.entries(shape).flatMap(([name, field]) => [name, ...fieldsOf(field)]);
}

function keysOf(value: Json): string[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap(keysOf);
  return Object.entries(value).flatMap(([key, member]) => [key, ...keysOf(member)]);
}

describe('docs/runbooks.md', () => {
  it('has examples', () => {
    expect(EXAMPLES.length).toBeGreaterThan(10);
  });

  it.each(EXAMPLES)('shows a runbook without any problem:\n%s', (example) => {
    const parsed = parseRunbook(whole(example), { file: 'docs/runbooks.md', format: 'yaml' });
    expect((parsed.ok ? parsed.warnings : parsed.problems).map(formatProblem)).toEqual([]);
  });

  const shown = new Set(EXAMPLES.flatMap((example) => keysOf(parse(example) as Json)));
  it.each(Object.entries({ head: RunbookHead, ...CELL_SCHEMAS }))(
    'shows and explains every field of %s',
    (_, schema) => {
      const fields = [...new Set(fieldsOf(schema))];
      expect(fields.length).toBeGreaterThan(3);
      expect(fields.filter((field) => !shown.has(field))).toEqual([]);
      expect(fields.filter((field) => !PAGE.includes(`\`${field}`))).toEqual([]);
    },
  );
});
