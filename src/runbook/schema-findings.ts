import { z } from 'zod';

import { KIND_NAMES } from '../kind-names.ts';
import { error } from './check-names.ts';
import { Check } from './checks.ts';
import { didYouMean } from './nearest.ts';
import type { Finding, Path } from './problem.ts';

/** A finding that says whether the schema has no field of this name. */
export interface SchemaFinding extends Finding {
  isUnknown?: boolean;
}

type Issue = z.core.$ZodIssue;

/** What to say of a union whose options are too many to list. */
const FORMS: ReadonlyMap<unknown, string> = new Map([
  [
    Check,
    'cell and pointer, or input, with exactly one of ' +
      'equals, exists, in, atLeast, atMost, matches, not',
  ],
]);

/** Turns zod's issues into findings; for a union, those of the option that the author meant. */
export function translate(issues: Issue[], schema: unknown, value: unknown): SchemaFinding[] {
  return issues.flatMap((issue) => {
    const path = issue.path.map((segment) =>
      typeof segment === 'number' ? segment : String(segment),
    );
    const at = valueAt(value, path);
    if (issue.code === 'unrecognized_keys') {
      const owner = schemaAt(schema, path);
      if (owner instanceof z.ZodUnion) return within(path, branch(owner, errorsOf(owner, at), at));
      const known = fieldsOf(owner);
      return issue.keys.map((key) => unknownField(path, key, known));
    }
    if (issue.code === 'invalid_union') {
      const union = schemaAt(schema, path);
      if (!(union instanceof z.ZodUnion)) return [error(path, 'must be a JSON value')];
      const found = union.options.every((option) => fieldsOf(option).length > 0)
        ? branch(union, issue.errors, at)
        : branchByKind(union, issue, at);
      return within(path, found);
    }
    if (issue.code === 'invalid_key') {
      const message = issue.issues[0]?.message ?? issue.message;
      return [{ ...error(path, message), atKey: true }];
    }
    return [error(path, messageFor(issue, at, path))];
  });
}

function within(path: Path, findings: SchemaFinding[]): SchemaFinding[] {
  return findings.map((finding) => ({ ...finding, path: [...path, ...finding.path] }));
}

/** What each option says of a value: zod reports one option only if that alone is nearly met. */
function errorsOf(union: z.ZodUnion, value: unknown): Issue[][] {
  return union.options.map((option) => {
    const parsed = z.safeParse(option, value);
    return parsed.success ? [] : parsed.error.issues;
  });
}

/** The findings for a union of which the kind of the value shows which option the author meant. */
function branchByKind(
  union: z.ZodUnion,
  issue: Extract<Issue, { code: 'invalid_union' }>,
  value: unknown,
): SchemaFinding[] {
  const meant = union.options.findIndex((option) =>
    Array.isArray(value)
      ? option instanceof z.ZodArray
      : isObject(value)
        ? option instanceof z.ZodRecord
        : typeof value === 'string' && option instanceof z.ZodString,
  );
  if (value === undefined) return [error([], 'is required')];
  if (meant === -1) return [error([], `${issue.message}, not ${kindOf(value)}`)];
  return translate(issue.errors[meant] ?? [], union.options[meant], value);
}

/** The findings for a union of objects: the fields show which option the author meant. */
function branch(union: z.ZodUnion, errors: Issue[][], value: unknown): SchemaFinding[] {
  const options = union.options.map((option, i) => ({
    option,
    fields: fieldsOf(option),
    required: requiredOf(option),
    errors: errors[i] ?? [],
  }));
  const form = FORMS.get(union);
  const oneOf = form ?? options.map(({ required }) => required.join(' with ')).join(', ');
  if (!isObject(value)) return [error([], `must be an object with ${oneOf}, not ${kindOf(value)}`)];
  const given = Object.keys(value);
  const known = [...new Set(options.flatMap(({ fields }) => fields))];
  const present = given.filter((key) => known.includes(key));
  const unknown = given.filter((key) => !known.includes(key));
  if (present.length === 0) {
    const near = unknown.map((key) => didYouMean(key, known)).find((text) => text !== '') ?? '';
    return [
      error(
        [],
        `must have ${form === undefined ? 'one of ' : ''}${oneOf}${unknown.length > 0 ? `, not ${unknown.join(' and ')}` : ''}${near}`,
      ),
    ];
  }
  const distance = ({ fields, required }: { fields: string[]; required: string[] }): number =>
    required.filter((key) => !given.includes(key)).length +
    given.filter((key) => !fields.includes(key)).length;
  const least = Math.min(...options.map(distance));
  const best = options.filter((option) => distance(option) === least);
  const [first] = best;
  if (first !== undefined && best.length === 1) return translate(first.errors, first.option, value);
  if (unknown.length > 0) return unknown.map((key) => unknownField([], key, known));
  const missing = best.flatMap(({ required }) => required.filter((key) => !given.includes(key)));
  if (missing.length > 0)
    return [error([], `needs ${missing.join(' or ')} with ${present.join(' and ')}`)];
  const wanted = form ?? `exactly one of ${oneOf}`;
  return [error([], `must have ${wanted}; it has ${present.join(' and ')}`)];
}

function unknownField(path: Path, key: string, known: string[]): SchemaFinding {
  const near = didYouMean(key, known);
  const message = `is not a field here${near === '' ? ` (there are ${known.join(', ')})` : near}`;
  return { path: [...path, key], atKey: true, severity: 'error', message, isUnknown: true };
}

function messageFor(issue: Issue, value: unknown, path: Path): string {
  switch (issue.code) {
    case 'invalid_type': {
      if (value === undefined) return 'is required';
      if (path.at(-1) === 'command') {
        return 'must be a list of the program and its arguments, such as [./notify.sh, now]: there is no shell';
      }
      return `must be ${KIND_NAMES[issue.expected] ?? issue.expected}, not ${kindOf(value)}`;
    }
    case 'invalid_value': {
      if (value === undefined) return 'is required';
      const allowed = issue.values.map(String);
      const near = typeof value === 'string' ? didYouMean(value, allowed) : '';
      return `must be one of ${allowed.join(', ')}, not ${JSON.stringify(value) ?? kindOf(value)}${near}`;
    }
    case 'too_small':
      if (issue.origin === 'array' || issue.origin === 'string') return 'must not be empty';
      return `must be at least ${issue.minimum}`;
    case 'too_big':
      if (issue.origin === 'string') return `must have at most ${issue.maximum} characters`;
      return `must be at most ${issue.maximum}`;
    default:
      return issue.message;
  }
}

function schemaAt(schema: unknown, path: Path): unknown {
  let at = bare(schema);
  for (const segment of path) {
    if (at instanceof z.ZodObject) at = bare(at.shape[segment]);
    else if (at instanceof z.ZodArray) at = bare(at.element);
    else if (at instanceof z.ZodRecord) at = bare(at.valueType);
    else return undefined;
  }
  return at;
}

function bare(schema: unknown): unknown {
  let at = schema;
  while (at instanceof z.ZodOptional || at instanceof z.ZodDefault) at = at.unwrap();
  return at;
}

/** The fields of an object's schema. */
export function fieldsOf(schema: unknown): string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function requiredOf(schema: unknown): string[] {
  if (!(schema instanceof z.ZodObject)) return [];
  const shape: Record<string, unknown> = schema.shape;
  return Object.keys(shape).filter((key) => bare(shape[key]) === shape[key]);
}

function valueAt(value: unknown, path: Path): unknown {
  let at: unknown = value;
  for (const segment of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, segment)) return undefined;
    at = (at as Record<string | number, unknown>)[segment];
  }
  return at;
}

/** Whether a value is an object, and neither null nor a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What an error message calls a value. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'empty';
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'string':
      return 'text';
    case 'number':
      return `the number ${value}`;
    case 'boolean':
      return String(value);
    case 'object':
      return 'an object';
    default:
      return `a ${typeof value}`;
  }
}
