import { z } from 'zod';

import type { JsonObject } from '../json.ts';
import { Description, JsonValue, Name, Title } from './fields.ts';

/** The JSON Schema of an input, whose keywords are checked one by one. */
export const InputSchema: z.ZodType<JsonObject> = z.record(z.string(), JsonValue);

/** What `start` must give: names, or a JSON Schema by name. */
const Inputs = z.union([z.array(Name), z.record(Name, InputSchema)], {
  error: 'must be a list of names, or an object with a JSON Schema for each name',
});

/** What follows when a cell halts the instance. */
export const OnHalt = z.enum(['hold', 'undo']);
/** See the schema. */
export type OnHalt = z.infer<typeof OnHalt>;

/**
 * A runbook's own fields; its cells are parsed one by one, so that each error can name its cell.
 */
export const RunbookHead = z.strictObject({
  runbook: Name.describe("The runbook's id."),
  version: z
    .int()
    .min(1)
    .max(2_147_483_647)
    .describe('A stored version never changes; a changed runbook gets a higher one.'),
  title: Title.optional().describe('A heading for people.'),
  description: Description.optional().describe('What the runbook is for.'),
  onHalt: OnHalt.optional().describe(
    'What follows when a cell halts the instance: wait for a person (hold, the default), ' +
      'or undo what was done.',
  ),
  inputs: Inputs.default([]).describe(
    'What start must give: a list of names, or a JSON Schema for each name.',
  ),
  cells: z.array(z.unknown()).min(1).describe('The steps, in order.'),
});

/** The inputs that a runbook declares: names, or a JSON Schema by name. */
export type Inputs = string[] | { [name: string]: JsonObject };
