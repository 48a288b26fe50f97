/*
 * Applies the JSON Schema of an input, by ajv. Ajv compiles a schema to JavaScript, which is
 * acceptable here: a schema comes from a person who may push runbooks, and so may run programs on
 * replicas already; and it has passed `checkSchema`. What an agent may choose is the value, and
 * three keywords would let it choose how long ajv takes: `pattern` (a backtracking expression),
 * `uniqueItems` (each element compared with each other one) and, less so, `multipleOf`, which ajv
 * computes inexactly. They are replaced.
 */

import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';

import type * as ajv from 'ajv/dist/2020.js';
import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';

import { isMultipleOf } from '../exact-multiple.ts';
import { canonicalJson, type Json, type JsonObject } from '../json.ts';
import { FORMATS } from './formats.ts';
import { findsMatch, MatchBudget, TextTooLong } from './pattern.ts';
import { schemaProblems, type InputProblem } from './schema-problems.ts';

/** At most this many compiled schemas are kept; the least recently used goes first. */
const MAX_KEPT = 500;

/** A value with more parts than this gets the first problem only, so that listing all is cheap. */
const MAX_PARTS_FOR_ALL = 10_000;

/** A compiled schema. */
interface Compiled {
  /** Stops at the first problem. */
  first: ValidateFunction;
  /** Finds all; compiled when it is first needed. */
  all: ValidateFunction | undefined;
}

const kept = new Map<string, Compiled>();

const require = createRequire(import.meta.url);

/** Loaded at the first use: most runbooks have no schemas, and most commands read no runbook. */
function engine(): typeof ajv {
  return require('ajv/dist/2020.js') as typeof ajv;
}

/**
 * What is wrong with the value of an input; empty if nothing is.
 *
 * @param schema one that `checkSchema` accepts
 * @throws Error for another schema
 */
export function inputProblems(schema: JsonObject, name: string, value: Json): InputProblem[] {
  budget = new MatchBudget();
  try {
    return validate(schema, name, value);
  } catch (error) {
    if (!(error instanceof TextTooLong)) throw error;
    const message = 'has too much text for the regular expressions of its schema';
    return [{ field: `inputs.${name}`, message }];
  }
}

/** Of the validation that is under way: nothing else runs meanwhile. */
let budget = new MatchBudget();

function validate(schema: JsonObject, name: string, value: Json): InputProblem[] {
  const compiled = compiledFor(schema);
  if (compiled.first(value)) return [];
  let errors: ErrorObject[] = compiled.first.errors ?? [];
  if (countParts(value, MAX_PARTS_FOR_ALL) < MAX_PARTS_FOR_ALL) {
    compiled.all ??= compile(schema, true);
    if (!compiled.all(value)) errors = compiled.all.errors ?? [];
  }
  return schemaProblems(errors, name);
}

function compiledFor(schema: JsonObject): Compiled {
  const key = createHash('sha256').update(JSON.stringify(schema)).digest('base64');
  const compiled = kept.get(key) ?? { first: compile(schema, false), all: undefined };
  kept.delete(key);
  kept.set(key, compiled);
  if (kept.size > MAX_KEPT) kept.delete(kept.keys().next().value!);
  return compiled;
}

function compile(schema: JsonObject, allErrors: boolean): ValidateFunction {
  // A new instance each time: it would keep every schema that it has compiled.
  const { Ajv2020 } = engine();
  const ajv = new Ajv2020({
    allErrors,
    strict: false,
    meta: false,
    validateSchema: false,
    addUsedSchema: false,
    // A property that every JavaScript object has, such as constructor, is not a member.
    ownProperties: true,
    formats: { ...FORMATS },
    code: { regExp: LINEAR },
    // With each error the value of its keyword, for the text.
    verbose: true,
    messages: false,
  });
  for (const keyword of ['uniqueItems', 'multipleOf']) ajv.removeKeyword(keyword);
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    validate: (wanted: boolean, list: Json[]) => !wanted || !hasRepetition(list),
    errors: false,
  });
  ajv.addKeyword({
    keyword: 'multipleOf',
    type: 'number',
    schemaType: 'number',
    validate: (divisor: number, value: number) => isMultipleOf(value, divisor),
    errors: false,
  });
  return ajv.compile(schema);
}

/** Ajv tells its expressions apart by their texts. */
const LINEAR = Object.assign(
  (pattern: string) => ({
    test: (text: string) => findsMatch(pattern, text, budget),
    toString: () => pattern,
  }),
  { code: 'linear' },
);

function hasRepetition(list: readonly Json[]): boolean {
  return new Set(list.map(canonicalJson)).size < list.length;
}

/** How many values a value consists of, itself included; counts up to `limit`. */
function countParts(value: Json, limit: number): number {
  let count = 1;
  if (typeof value !== 'object' || value === null) return count;
  for (const part of Object.values(value)) {
    count += countParts(part, limit - count);
    if (count >= limit) break;
  }
  return count;
}
