import { type Json, type JsonObject, storableText } from '../../src/json.ts';

/** An output as the log can store it, or why it cannot. */
export type ReadOutput =
  | { ok: true; output: Json }
  | { ok: false; code: 'bad_output' | 'output_too_large'; message: string };

const MAX_DEPTH = 100;

/**
 * Converts what an effect returned into JSON: undefined becomes null (and is left out of objects,
 * as in JSON), a value with `toJSON` (a Date) is converted by it, and what Postgres' jsonb cannot
 * store of a text becomes U+FFFD.
 */
export function readOutput(value: unknown, limitBytes: number): ReadOutput {
  let output: Json;
  try {
    output = toJson(value, undefined) ?? null;
  } catch (error) {
    const message = error instanceof Error ? error.message : 'its output cannot be read';
    return { ok: false, code: 'bad_output', message };
  }
  const bytes = Buffer.byteLength(JSON.stringify(output));
  if (bytes <= limitBytes) return { ok: true, output };
  return {
    ok: false,
    code: 'output_too_large',
    message: `the output has ${bytes} bytes of JSON, and ${limitBytes} are allowed; keep large results elsewhere`,
  };
}

/** The value of a JSON text; undefined for other text. */
export function jsonOf(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

/** The detail, with every text storable in the log. */
export function storable(detail: JsonObject): JsonObject {
  return (toJson(detail, undefined) ?? {}) as JsonObject;
}

/** A path into a value; turned into text only when an error is found. */
type Place = { readonly within: Place; readonly name: string; readonly depth: number } | undefined;

function below(within: Place, name: string): Place {
  return { within, name, depth: (within?.depth ?? 0) + 1 };
}

function toJson(value: unknown, place: Place): Json | undefined {
  if (place !== undefined && place.depth > MAX_DEPTH) {
    throw new Error(`the output is nested more than ${MAX_DEPTH} levels deep, or inside itself`);
  }
  switch (typeof value) {
    case 'undefined':
      return undefined;
    case 'boolean':
      return value;
    case 'string':
      return storableText(value);
    case 'number':
      if (Number.isFinite(value)) return value;
      throw notJson(place, String(value));
    case 'object':
      break;
    default:
      throw notJson(place, `a ${typeof value}`);
  }
  if (value === null) return null;
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    return toJson((value.toJSON as () => unknown)(), below(place, 'toJSON()'));
  }
  if (Array.isArray(value)) {
    return value.map((element: unknown, i) => toJson(element, below(place, String(i))) ?? null);
  }
  if (
    value instanceof Map ||
    value instanceof Set ||
    value instanceof Promise ||
    ArrayBuffer.isView(value)
  ) {
    throw notJson(place, `a ${value.constructor.name}`);
  }
  const members: [string, Json][] = [];
  for (const [key, member] of Object.entries(value)) {
    const json = toJson(member, below(place, key));
    if (json !== undefined) members.push([storableText(key), json]);
  }
  return Object.fromEntries(members);
}

function notJson(place: Place, what: string): Error {
  const path: string[] = [];
  for (let at = place; at !== undefined; at = at.within) path.unshift(at.name);
  const where = path.length === 0 ? 'the output' : `the output's ${path.slice(0, 8).join('.')}`;
  return new Error(`${where} is ${what}, which is not JSON`);
}
