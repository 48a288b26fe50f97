import { z } from 'zod';

import type { JsonObject } from '../json.ts';
import { CELL_SCHEMAS } from './cells.ts';
import { InputSchema, RunbookHead } from './head.ts';
import { KEYWORDS, TYPES } from './schema-keywords.ts';

const { prose, exec, await: wait, assert, run } = CELL_SCHEMAS;

const RunbookFile = RunbookHead.extend({
  cells: z
    .array(z.union([prose, exec, wait, assert, run]))
    .min(1)
    .describe(RunbookHead.shape.cells.description ?? ''),
});

/** The schema of an input, of which an editor needs the names and the most common values. */
const INPUT: JsonObject = {
  description: 'The JSON Schema of the input, draft 2020-12.',
  type: 'object',
  propertyNames: { enum: Object.keys(KEYWORDS) },
  properties: {
    type: {
      description: 'The type of its value, or a list of types.',
      anyOf: [{ enum: TYPES }, { type: 'array', items: { enum: TYPES } }],
    },
    description: { description: 'What the input is for.', type: 'string' },
    default: { description: 'Its value where start gives none; so it may be left out.' },
    enum: { description: 'The values that it may have.', type: 'array' },
    items: { description: 'The schema of each element of a list.' },
    properties: { description: 'The schemas of the members of an object, by name.' },
    required: { description: 'The members that an object must have.', type: 'array' },
    pattern: { description: 'A regular expression that text must match.', type: 'string' },
    minimum: { description: 'The least number.', type: 'number' },
    maximum: { description: 'The greatest number.', type: 'number' },
  },
};

/**
 * The JSON Schema of a runbook file, for editors: draft-07, which all of them understand. It knows
 * the shape of a runbook; names and their order, and what depends on several fields at once, are
 * checked by `runbook lint`.
 */
export function runbookJsonSchema(): JsonObject {
  const { $schema, ...schema } = z.toJSONSchema(RunbookFile, {
    target: 'draft-7',
    io: 'input',
    reused: 'inline',
    override: ({ zodSchema, jsonSchema }) => {
      const isAnything = zodSchema._zod.def.type === 'lazy';
      const isInput = (zodSchema as unknown) === InputSchema;
      if (!isAnything && !isInput) return;
      // The schema that spells out any JSON value helps no editor.
      for (const key of Object.keys(jsonSchema)) if (key !== 'description') delete jsonSchema[key];
      if (isInput) Object.assign(jsonSchema, INPUT);
    },
  });
  // As JSON, without what zod attaches to it.
  const text = JSON.stringify({ $schema, title: 'A Leasehold runbook', ...schema });
  return JSON.parse(text) as JsonObject;
}
