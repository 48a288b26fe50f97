import { isJsonObject, type Json, type JsonObject } from '../json.ts';
import { error, warning } from './check-names.ts';
import { FORMATS } from './formats.ts';
import { didYouMean } from './nearest.ts';
import { patternFault } from './pattern.ts';
import type { Finding, Path } from './problem.ts';
import { KEYWORDS, LIMITS, OTHER_KEYWORDS, TYPES, type KeywordShape } from './schema-keywords.ts';

/**
 * A schema with more subschemas than this, counted along its references, is rejected: each may be
 * applied to each part of an input, and an agent chooses how large an input is.
 */
const MAX_SUBSCHEMAS = 1_000;

/** The largest schema of one input, in characters of JSON. */
const MAX_CHARACTERS = 65_536;

/**
 * What is wrong with the JSON Schema of an input: keywords that do not exist, values that they
 * cannot have, references that lead nowhere, in a circle, or to another document. A schema without
 * a problem can be applied to any value in bounded time.
 *
 * @param path of the schema in the runbook
 */
export function checkSchema(schema: Json, path: Path): Finding[] {
  if (!isJsonObject(schema)) return [error(path, 'must be a JSON Schema: an object')];
  if (JSON.stringify(schema).length > MAX_CHARACTERS)
    return [error(path, `is larger than ${MAX_CHARACTERS / 1024} KiB, which a schema may have`)];
  const walk = new SchemaWalk(schema);
  walk.visit(schema, path, true);
  if (walk.findings.some(({ severity }) => severity === 'error')) return walk.findings;
  return [...walk.findings, ...checkSize(schema, path)];
}

/** One pass over a schema. */
class SchemaWalk {
  readonly findings: Finding[] = [];
  readonly #root: JsonObject;

  constructor(root: JsonObject) {
    this.#root = root;
  }

  visit(schema: Json, path: Path, isTop: boolean): void {
    if (typeof schema === 'boolean') return;
    if (!isJsonObject(schema)) {
      this.#error(path, 'must be a schema: an object, true or false');
      return;
    }
    for (const [keyword, value] of Object.entries(schema)) {
      const at = [...path, keyword];
      const shape = KEYWORDS[keyword];
      if (shape === undefined || !Object.hasOwn(KEYWORDS, keyword)) this.#unknown(keyword, at);
      else if (keyword === '$defs' && !isTop)
        this.#error(at, "must stand at the top of the input's schema", true);
      else this.#value(shape, value, at);
      if (keyword === 'default' && !isTop)
        this.findings.push({
          ...warning(at, "is not filled in: only an input's default is, not one inside it"),
          atKey: true,
        });
    }
    for (const [least, most] of LIMITS) {
      const [low, high] = [schema[least], schema[most]];
      if (typeof low === 'number' && typeof high === 'number' && low > high)
        this.#error([...path, least], `is more than ${most}, so no value fits`);
    }
  }

  #error(path: Path, message: string, atKey = false): void {
    this.findings.push({ ...error(path, message), atKey });
  }

  #unknown(keyword: string, at: Path): void {
    const other = Object.hasOwn(OTHER_KEYWORDS, keyword) ? OTHER_KEYWORDS[keyword] : undefined;
    const near = didYouMean(keyword, Object.keys(KEYWORDS));
    this.#error(at, other ?? `is not a keyword of JSON Schema${near}`, true);
  }

  #value(shape: KeywordShape, value: Json, at: Path): void {
    switch (shape) {
      case 'any':
        return;
      case 'schema':
        if (Array.isArray(value) && at.at(-1) === 'items')
          this.#error(at, 'must be one schema; a list of them is called prefixItems');
        else this.visit(value, at, false);
        return;
      case 'schemas':
        this.#list(value, at, (one, i) => this.visit(one, [...at, i], false));
        return;
      case 'schemasByName':
      case 'schemasByPattern':
        this.#members(value, at, (one, name) => {
          const fault = shape === 'schemasByPattern' ? patternFault(name) : undefined;
          if (fault !== undefined) this.#error([...at, name], fault, true);
          this.visit(one, [...at, name], false);
        });
        return;
      case 'type':
        for (const [i, one] of (Array.isArray(value) ? value : [value]).entries())
          this.#type(one, Array.isArray(value) ? [...at, i] : at);
        if (Array.isArray(value) && value.length === 0) this.#error(at, 'must not be empty');
        return;
      case 'values':
        this.#list(value, at, () => undefined);
        return;
      case 'names':
        this.#names(value, at);
        return;
      case 'namesByName':
        this.#members(value, at, (one, name) => this.#names(one, [...at, name]));
        return;
      default:
        this.#scalar(shape, value, at);
    }
  }

  #scalar(
    shape: 'count' | 'number' | 'divisor' | 'text' | 'flag' | 'pattern' | 'format' | 'reference',
    value: Json,
    at: Path,
  ): void {
    switch (shape) {
      case 'count':
        if (!Number.isSafeInteger(value) || Number(value) < 0)
          this.#error(at, 'must be a whole number, 0 or more');
        return;
      case 'number':
        if (typeof value !== 'number') this.#error(at, 'must be a number');
        return;
      case 'divisor':
        if (typeof value !== 'number' || value <= 0) this.#error(at, 'must be a number above 0');
        return;
      case 'flag':
        if (typeof value !== 'boolean') this.#error(at, 'must be true or false');
        return;
      case 'text':
      case 'pattern':
      case 'format':
      case 'reference': {
        const message = typeof value === 'string' ? this.#textFault(shape, value) : 'must be text';
        if (message !== undefined) this.#error(at, message);
      }
    }
  }

  #textFault(shape: 'text' | 'pattern' | 'format' | 'reference', text: string): string | undefined {
    switch (shape) {
      case 'text':
        return undefined;
      case 'pattern':
        return patternFault(text);
      case 'format': {
        const known = Object.keys(FORMATS);
        if (Object.hasOwn(FORMATS, text)) return undefined;
        return `must be one of ${known.join(', ')}, not ${JSON.stringify(text)}${didYouMean(text, known)}`;
      }
      case 'reference': {
        const name = referenced(text);
        if (name === undefined)
          return 'must be #/$defs/name, which leads to a schema in $defs of the same input';
        const defs = isJsonObject(this.#root['$defs']) ? this.#root['$defs'] : {};
        if (Object.hasOwn(defs, name)) return undefined;
        return `leads nowhere: there is no ${name} in $defs${didYouMean(name, Object.keys(defs))}`;
      }
    }
  }

  #type(value: Json, at: Path): void {
    if (typeof value === 'string' && TYPES.includes(value)) return;
    const near = typeof value === 'string' ? didYouMean(value, TYPES) : '';
    this.#error(at, `must be one of ${TYPES.join(', ')}, not ${JSON.stringify(value)}${near}`);
  }

  #list(value: Json, at: Path, each: (one: Json, i: number) => void): void {
    if (!Array.isArray(value)) this.#error(at, 'must be a list');
    else if (value.length === 0) this.#error(at, 'must not be empty');
    else value.forEach(each);
  }

  #names(value: Json, at: Path): void {
    if (!Array.isArray(value) || !value.every((one) => typeof one === 'string'))
      this.#error(
        at,
        at.at(-1) === 'required'
          ? 'must be a list of names; an input itself is required unless it has a default'
          : 'must be a list of names',
      );
  }

  #members(value: Json, at: Path, each: (one: Json, name: string) => void): void {
    if (!isJsonObject(value)) this.#error(at, 'must be an object');
    else for (const [name, one] of Object.entries(value)) each(one, name);
  }
}

/** The name in `$defs` that a reference leads to. */
function referenced(text: string): string | undefined {
  return /^#\/\$defs\/([A-Za-z0-9_.-]+)$/.exec(text)?.[1];
}

/** Rejects references in a circle, and a schema that is too large once they are followed. */
function checkSize(root: JsonObject, path: Path): Finding[] {
  const sizes = new Map<string, number>();
  const within: string[] = [];
  const circle: string[] = [];
  const sizeOf = (schema: Json): number => {
    if (!isJsonObject(schema)) return 1;
    let size = 1;
    for (const [keyword, value] of Object.entries(schema)) {
      if (keyword === '$defs') continue;
      for (const one of subschemas(KEYWORDS[keyword], value)) size += sizeOf(one);
      if (keyword === '$ref' && typeof value === 'string')
        size += sizeOfDefinition(referenced(value) ?? '');
    }
    return size;
  };
  const sizeOfDefinition = (name: string): number => {
    const known = sizes.get(name);
    if (known !== undefined) return known;
    if (within.includes(name)) {
      circle.push(...within.slice(within.indexOf(name)), name);
      return 0;
    }
    within.push(name);
    const defs = root['$defs'] as JsonObject;
    const size = sizeOf(defs[name] ?? true);
    within.pop();
    sizes.set(name, size);
    return size;
  };
  const names = isJsonObject(root['$defs']) ? Object.keys(root['$defs']) : [];
  for (const name of names) {
    sizeOfDefinition(name);
    if (circle.length > 0) {
      const message = `refers to itself (${circle.join(' → ')}): say how deep it may be by writing it out`;
      return [{ ...error([...path, '$defs', name], message), atKey: true }];
    }
  }
  const size = sizeOf(root);
  if (size <= MAX_SUBSCHEMAS) return [];
  const message = `has ${size} subschemas once its references are followed, and ${MAX_SUBSCHEMAS} are allowed`;
  return [error(path, message)];
}

function subschemas(shape: KeywordShape | undefined, value: Json): Json[] {
  if (shape === 'schema') return [value];
  if (shape === 'schemas' && Array.isArray(value)) return value;
  if ((shape === 'schemasByName' || shape === 'schemasByPattern') && isJsonObject(value))
    return Object.values(value);
  return [];
}
