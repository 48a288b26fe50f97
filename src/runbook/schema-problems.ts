import type { ErrorObject } from 'ajv/dist/2020.js';

import type { Json } from '../json.ts';
import { KIND_NAMES } from '../kind-names.ts';
import { pointerKeys } from './pointer.ts';

/** What is wrong with a part of an instance's inputs. */
export interface InputProblem {
  /** Where: `inputs.regions.0`. */
  field: string;
  /** Continues a sentence after the field: `must be text`. */
  message: string;
}

/** At most this many problems of one input are listed. */
const MAX_PROBLEMS = 20;

/** The errors of a validation as problems by field, in the order in which they were found. */
export function schemaProblems(errors: readonly ErrorObject[], name: string): InputProblem[] {
  // What failed inside an alternative is said with the alternatives.
  const within = (error: ErrorObject): boolean => /\/(anyOf|oneOf|not)\//.test(error.schemaPath);
  const problems = new Map<string, InputProblem>();
  for (const error of errors) {
    if (within(error) || SILENT.has(error.keyword)) continue;
    const problem = problemOf(error, errors, name);
    problems.set(`${problem.field} ${problem.message}`, problem);
  }
  const all = [...problems.values()];
  if (all.length === 0) return [{ field: `inputs.${name}`, message: 'does not fit its schema' }];
  if (all.length <= MAX_PROBLEMS) return all;
  const message = `has ${all.length - MAX_PROBLEMS + 1} more problems`;
  return [...all.slice(0, MAX_PROBLEMS - 1), { field: `inputs.${name}`, message }];
}

/** Their subschemas report what is wrong. */
const SILENT = new Set(['if', 'propertyNames', '$ref', 'allOf']);

function problemOf(error: ErrorObject, errors: readonly ErrorObject[], name: string): InputProblem {
  const path = [name, ...pointerKeys(error.instancePath)];
  const { keyword, params } = error;
  const at = (...keys: string[]): string => ['inputs', ...path, ...keys].join('.');
  switch (keyword) {
    case 'required':
      return { field: at(String(params['missingProperty'])), message: 'is required' };
    case 'dependentRequired': {
      const message = `is required where there is ${String(params['property'])}`;
      return { field: at(String(params['missingProperty'])), message };
    }
    case 'additionalProperties':
      return { field: at(String(params['additionalProperty'])), message: 'is not a field here' };
    case 'unevaluatedProperties':
      return { field: at(String(params['unevaluatedProperty'])), message: 'is not a field here' };
    case 'anyOf':
    case 'oneOf':
      return { field: at(), message: alternatives(error, errors) };
    default: {
      const message = messageFor(error);
      return error.propertyName === undefined
        ? { field: at(), message }
        : { field: at(error.propertyName), message: `is not a name that fits: it ${message}` };
    }
  }
}

/** Why a value fits no alternative, or more than one. */
function alternatives(error: ErrorObject, errors: readonly ErrorObject[]): string {
  if (error.keyword === 'oneOf' && error.params['passingSchemas'] !== null)
    return 'fits more than one of the alternatives, and must fit exactly one';
  const reasons = errors
    .filter(
      (one) =>
        one.schemaPath.startsWith(`${error.schemaPath}/`) &&
        one.instancePath === error.instancePath &&
        !/\/(anyOf|oneOf|not)\//.test(one.schemaPath.slice(error.schemaPath.length + 1)),
    )
    .map((one) =>
      one.keyword === 'required'
        ? `must have ${String(one.params['missingProperty'])}`
        : messageFor(one),
    );
  const distinct = [...new Set(reasons)].slice(0, 5);
  return `fits none of the alternatives${distinct.length === 0 ? '' : `: it ${distinct.join(', or ')}`}`;
}

function messageFor({ keyword, params, schema }: ErrorObject): string {
  const limit = Number(params['limit']);
  switch (keyword) {
    case 'type': {
      const types = String(params['type']).split(',');
      return `must be ${types.map((type) => TYPE_NAMES[type] ?? type).join(' or ')}`;
    }
    case 'enum':
      return `must be one of ${brief((params['allowedValues'] as Json[]).map((one) => JSON.stringify(one)).join(', '))}`;
    case 'const':
      return `must be ${brief(JSON.stringify(params['allowedValue']))}`;
    case 'minimum':
      return `must be at least ${limit}`;
    case 'maximum':
      return `must be at most ${limit}`;
    case 'exclusiveMinimum':
      return `must be more than ${limit}`;
    case 'exclusiveMaximum':
      return `must be less than ${limit}`;
    case 'multipleOf':
      return `must be a multiple of ${String(schema)}`;
    case 'minLength':
      return `must have at least ${counted(limit, 'character')}`;
    case 'maxLength':
      return `must have at most ${counted(limit, 'character')}`;
    case 'minItems':
      return `must have at least ${counted(limit, 'element')}`;
    case 'maxItems':
    case 'items':
      return `must have at most ${counted(limit, 'element')}`;
    case 'unevaluatedItems':
      return `must have at most ${counted(Number(params['len']), 'element')}`;
    case 'minProperties':
      return `must have at least ${counted(limit, 'field')}`;
    case 'maxProperties':
      return `must have at most ${counted(limit, 'field')}`;
    case 'pattern':
      return `must match ${brief(String(params['pattern']))}`;
    case 'format':
      return `must be a valid ${String(params['format'])}`;
    case 'uniqueItems':
      return 'must not have an element twice';
    case 'contains':
      return `must have an element that fits contains`;
    case 'not':
      return 'is a value that its schema excludes';
    case 'false schema':
      return 'is not allowed';
    default:
      return `does not fit ${keyword} in its schema`;
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  ...KIND_NAMES,
  integer: 'a whole number',
  null: 'null',
};

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function brief(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
