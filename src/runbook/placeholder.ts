import { isId } from '../ids.ts';
import type { Json, JsonObject } from '../json.ts';
import { isLostOutput } from './lost-output.ts';
import { memberOf } from './pointer.ts';

/** The values that placeholders refer to. */
export interface Scope {
  inputs: JsonObject;
  /** Outputs of earlier cells, by cell id. */
  outputs: JsonObject;
  /** The element of the list that one instance of a run cell is for. */
  each?: Json;
  /** The value of a secret, for an effect that is about to begin; there are none elsewhere. */
  secret?: ((name: string) => string | undefined) | undefined;
}

/** One `${inputs.a.b}`, `${outputs.cell.a}`, `${each.a}` or `${secrets.NAME}`. */
export interface Placeholder {
  root: 'inputs' | 'outputs' | 'each' | 'secrets';
  /** At least one name, except of `each`, which is a value itself. */
  path: string[];
}

/** A piece of a text that may contain placeholders. */
export type Part =
  { kind: 'text'; text: string } | { kind: 'placeholder'; placeholder: Placeholder };

type Parsed = { ok: true; parts: Part[] } | { ok: false; message: string };

/** The result of filling placeholders. */
export type Filled = { ok: true; value: Json } | { ok: false; message: string };

/**
 * Fills every placeholder inside the strings of `value` (its keys stay as they are).
 *
 * A placeholder that is the whole string keeps its value's type; inside text, strings are inserted
 * as they are and other values as JSON. Inserted text is not parsed again, so an input cannot
 * introduce placeholders. `$${` stands for a literal `${`. The error is the first missing path or
 * syntax error.
 */
export function fill(value: Json, scope: Scope): Filled {
  return filled(() => fillAny(value, scope));
}

/** A placeholder in a value, or a syntax error, with the path to the string that contains it. */
export type PlaceholderUse = { at: (string | number)[] } & (
  { placeholder: Placeholder } | { placeholder?: never; fault: string }
);

/** Every placeholder inside the strings of a value. */
export function placeholdersOf(value: Json, at: (string | number)[] = []): PlaceholderUse[] {
  if (typeof value === 'string') {
    const parsed = parsePlaceholders(value);
    if (!parsed.ok) return [{ at, fault: parsed.message }];
    return parsed.parts.flatMap((part) =>
      part.kind === 'placeholder' ? [{ at, placeholder: part.placeholder }] : [],
    );
  }
  if (Array.isArray(value))
    return value.flatMap((element, i) => placeholdersOf(element, [...at, i]));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => placeholdersOf(member, [...at, key]));
}

/** The value that a placeholder refers to. */
export function valueOf(placeholder: Placeholder, scope: Scope): Filled {
  return filled(() => lookUp(placeholder, scope));
}

/** The placeholder as its author wrote it. */
export function placeholderText({ root, path }: Placeholder): string {
  return `\${${[root, ...path].join('.')}}`;
}

/** Whether a text is one placeholder and nothing else: its value then keeps its type. */
export function isLonePlaceholder(text: string): boolean {
  const parsed = parsePlaceholders(text);
  return parsed.ok && parsed.parts.length === 1 && parsed.parts[0]?.kind === 'placeholder';
}

class Unfillable extends Error {}

function filled(read: () => Json): Filled {
  try {
    return { ok: true, value: read() };
  } catch (error) {
    if (error instanceof Unfillable) return { ok: false, message: error.message };
    throw error;
  }
}

function fillAny(value: Json, scope: Scope): Json {
  if (typeof value === 'string') return fillText(value, scope);
  if (Array.isArray(value)) return value.map((element) => fillAny(element, scope));
  if (typeof value !== 'object' || value === null) return value;
  // fromEntries defines each key; assigning to __proto__ would set the prototype.
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, fillAny(member, scope)]),
  );
}

function fillText(text: string, scope: Scope): Json {
  if (!text.includes('${')) return text;
  const parsed = parsePlaceholders(text);
  if (!parsed.ok) throw new Unfillable(parsed.message);
  const [first] = parsed.parts;
  if (first?.kind === 'placeholder' && parsed.parts.length === 1)
    return lookUp(first.placeholder, scope);
  return parsed.parts
    .map((part) => {
      if (part.kind === 'text') return part.text;
      const value = lookUp(part.placeholder, scope);
      return typeof value === 'string' ? value : JSON.stringify(value);
    })
    .join('');
}

function lookUp(placeholder: Placeholder, scope: Scope): Json {
  const { root, path } = placeholder;
  if (root === 'secrets') return lookUpSecret(path[0] ?? '', scope);
  const whole = placeholderText(placeholder);
  let at: Json | undefined = scope[root];
  if (at === undefined)
    throw new Unfillable(`${whole} cannot be filled: it is for the inputs of a run cell with each`);
  for (const [i, name] of path.entries()) {
    at = memberOf(at, name);
    if (at === undefined) {
      const holder = [root, ...path.slice(0, i)].join('.');
      throw new Unfillable(`${whole} cannot be filled: ${holder} has no ${name}`);
    }
    // Also inside the output of a run cell: the outputs of one of its instances.
    if (root === 'outputs' && isLostOutput(at)) {
      const what = i === 0 ? name : path.slice(0, i + 1).join('.');
      const { why } = at.outputLost;
      throw new Unfillable(`${whole} cannot be filled: the output of ${what} was lost (${why})`);
    }
  }
  return at;
}

function lookUpSecret(name: string, { secret }: Scope): string {
  const value = secret?.(name);
  if (value !== undefined) return value;
  const why = secret === undefined ? 'secrets are for effects only' : 'this replica lacks it';
  throw new Unfillable(`\${secrets.${name}} cannot be filled: ${why}`);
}

/** Splits a text at its placeholders. */
export function parsePlaceholders(text: string): Parsed {
  const parts: Part[] = [];
  let literal = '';
  let i = 0;
  const flush = (): void => {
    if (literal !== '') parts.push({ kind: 'text', text: literal });
    literal = '';
  };
  while (i < text.length) {
    const start = text.indexOf('$', i);
    if (start === -1) break;
    literal += text.slice(i, start);
    if (text.startsWith('$${', start)) {
      literal += '${';
      i = start + 3;
    } else if (text.startsWith('${', start)) {
      const end = text.indexOf('}', start);
      if (end === -1) return { ok: false, message: `${quote(text.slice(start))} has no closing }` };
      const placeholder = parseOne(text.slice(start + 2, end));
      if (placeholder === undefined) {
        return {
          ok: false,
          message:
            `${quote(text.slice(start, end + 1))} is neither an input, an output nor a secret: ` +
            'write ${inputs.name}, ${outputs.cell.name} or ${secrets.NAME} (or ${each}, in the ' +
            'inputs of a run cell), or $${ for a literal ${',
        };
      }
      flush();
      parts.push({ kind: 'placeholder', placeholder });
      i = end + 1;
    } else {
      literal += '$';
      i = start + 1;
    }
  }
  literal += text.slice(i);
  flush();
  return { ok: true, parts };
}

function parseOne(expression: string): Placeholder | undefined {
  const [root, ...path] = expression.split('.');
  if (root === 'secrets') return path.length === 1 && isId(path[0]) ? { root, path } : undefined;
  if (root !== 'inputs' && root !== 'outputs' && root !== 'each') return undefined;
  if (path.length === 0 && root !== 'each') return undefined;
  if (path.some((name) => !/^[^\s{}$]+$/.test(name))) return undefined;
  return { root, path };
}

function quote(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
