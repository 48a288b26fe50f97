import { z } from 'zod';

import type { Json } from '../json.ts';
import { JsonValue, LonePlaceholder, Name, Pointer } from './fields.ts';
import { patternFault } from './pattern.ts';

const Values = z.union([z.array(JsonValue).min(1), LonePlaceholder], {
  error: 'must be a list of values, or one placeholder that stands for a list',
});

const Bound = z.union([z.number(), LonePlaceholder], {
  error: 'must be a number, or one placeholder that stands for a number',
});

/** A regular expression in the syntax of RE2, which takes linear time on any text. */
const Pattern = z.string().superRefine((text, context) => {
  const message = patternFault(text);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

const OPERATORS = {
  equals: JsonValue.describe('The value is this one.'),
  exists: z.boolean().describe('Whether there is a value.'),
  in: Values.describe('The value is one of these.'),
  atLeast: Bound.describe('The value is a number that is this or more.'),
  atMost: Bound.describe('The value is a number that is this or less.'),
  matches: Pattern.describe('The value is text in which this regular expression finds a match.'),
};

const Negated = z
  .union([
    z.strictObject({ equals: OPERATORS.equals }),
    z.strictObject({ exists: OPERATORS.exists }),
    z.strictObject({ in: OPERATORS.in }),
    z.strictObject({ atLeast: OPERATORS.atLeast }),
    z.strictObject({ atMost: OPERATORS.atMost }),
    z.strictObject({ matches: OPERATORS.matches }),
  ])
  .describe('Holds where the check inside does not.');

const OF_CELL = {
  cell: Name.describe('An earlier cell.'),
  pointer: Pointer.describe("A JSON pointer into the cell's output; empty: the whole output."),
};
const OF_INPUT = { input: Pointer.describe("A JSON pointer into the instance's inputs.") };

/** A condition over the output of an earlier cell, or over the inputs. */
export const Check = z.union([
  z.strictObject({ ...OF_CELL, equals: OPERATORS.equals }),
  z.strictObject({ ...OF_CELL, exists: OPERATORS.exists }),
  z.strictObject({ ...OF_CELL, in: OPERATORS.in }),
  z.strictObject({ ...OF_CELL, atLeast: OPERATORS.atLeast }),
  z.strictObject({ ...OF_CELL, atMost: OPERATORS.atMost }),
  z.strictObject({ ...OF_CELL, matches: OPERATORS.matches }),
  z.strictObject({ ...OF_CELL, not: Negated }),
  z.strictObject({ ...OF_INPUT, equals: OPERATORS.equals }),
  z.strictObject({ ...OF_INPUT, exists: OPERATORS.exists }),
  z.strictObject({ ...OF_INPUT, in: OPERATORS.in }),
  z.strictObject({ ...OF_INPUT, atLeast: OPERATORS.atLeast }),
  z.strictObject({ ...OF_INPUT, atMost: OPERATORS.atMost }),
  z.strictObject({ ...OF_INPUT, matches: OPERATORS.matches }),
  z.strictObject({ ...OF_INPUT, not: Negated }),
]);
/** See the schema. */
export type Check = z.infer<typeof Check>;

/** What a check compares a value by. */
export type Operator = keyof typeof OPERATORS;

const OPERATOR_NAMES = Object.keys(OPERATORS) as Operator[];

/** What a check demands of a value. */
export interface Demand {
  operator: Operator;
  /** As written, so with placeholders. */
  operand: Json;
  /** The check holds where the value does not meet the demand. */
  negated: boolean;
}

/**
 * What a check demands of a value.
 *
 * @throws Error when it has no operator, which its schema excludes
 */
export function demandOf(check: Check): Demand {
  const given: { readonly [name in Operator]?: Json } = 'not' in check ? check.not : check;
  for (const operator of OPERATOR_NAMES) {
    const operand = given[operator];
    if (operand !== undefined) return { operator, operand, negated: 'not' in check };
  }
  throw new Error(`a check has no operator: ${JSON.stringify(check)}`);
}
