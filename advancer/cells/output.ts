import { inspect } from 'node:util';

import { exactNumber } from '../../src/exact-number.ts';
import { type Json, type JsonObject, storableText } from '../../src/json.ts';
import { lostOutput, type LostOutput } from '../../src/runbook/lost-output.ts';
import { pointerOf } from '../../src/runbook/pointer.ts';

/**
 * An output as the log can store it, or what stands for it if it cannot. `detail` is what the
 * outcome's detail should say about the output.
 */
export type ReadOutput =
  | { ok: true; output: Json; detail: JsonObject }
  | { ok: false; why: 'not_json' | 'too_large'; output: LostOutput; detail: JsonObject };

/** An output that cannot be stored. */
export function lost(why: 'not_json' | 'too_large', output: LostOutput): ReadOutput {
  return { ok: false, why, output, detail: {} };
}

const MAX_DEPTH = 100;

/**
 * Converts what an effect returned into JSON: undefined becomes null (and is left out of objects,
 * as in JSON), a value with `toJSON` (a Date) is converted by it, a BigInt becomes a number if that
 * does not change its value and text otherwise, and what Postgres' jsonb cannot store of a text
 * becomes U+FFFD.
 */
export function readOutput(value: unknown, limitBytes: number): ReadOutput {
  const numbersAsText: string[] = [];
  let output: Json;
  try {
    output = toJson(value, undefined, numbersAsText) ?? null;
  } catch (error) {
    const message = error instanceof Error ? error.message : 'its output cannot be read';
    const text = inspected(value);
    return lost('not_json', lostOutput(message, Buffer.byteLength(text), text));
  }
  const text = JSON.stringify(output);
  const bytes = Buffer.byteLength(text);
  if (bytes <= limitBytes) return { ok: true, output, detail: numbersDetail(numbersAsText) };
  return tooLarge('the output', bytes, limitBytes, text);
}

/** An output that is larger than allowed. Of its text, the first KiB is needed. */
export function tooLarge(
  what: string,
  bytes: number,
  limitBytes: number,
  text: string | Buffer,
): ReadOutput {
  const why = `${what} has ${bytes} bytes, and ${limitBytes} are allowed; keep large results elsewhere`;
  return lost('too_large', lostOutput(why, bytes, text));
}

/** The text of a value that is not JSON, as far as it can be had. */
function inspected(value: unknown): string {
  try {
    return inspect(value, { depth: 4, maxStringLength: 2_000, maxArrayLength: 100 });
  } catch {
    return '';
  }
}

/** At most this many pointers are listed. */
const MOST_POINTERS = 100;

/**
 * The part of an outcome's detail that lists the numbers of the output that are kept as text,
 * because a JSON number would change them.
 */
export function numbersDetail(pointers: readonly string[]): JsonObject {
  if (pointers.length === 0) return {};
  const numbersAsText = pointers.slice(0, MOST_POINTERS);
  return pointers.length > MOST_POINTERS
    ? { numbersAsText, numbersAsTextInAll: pointers.length }
    : { numbersAsText };
}

/** The detail, with every text storable in the log. */
export function storable(detail: JsonObject): JsonObject {
  return (toJson(detail, undefined, []) ?? {}) as JsonObject;
}

/** A path into a value; turned into text only when it is needed. */
type Place =
  | {
      readonly within: Place;
      /** Undefined for what a value is converted into, which is in the same place. */
      readonly name: string | undefined;
      readonly depth: number;
    }
  | undefined;

function below(within: Place, name: string | undefined): Place {
  return { within, name, depth: (within?.depth ?? 0) + 1 };
}

function pathOf(place: Place): string[] {
  const path: string[] = [];
  for (let at = place; at !== undefined; at = at.within)
    if (at.name !== undefined) path.unshift(at.name);
  return path;
}

function toJson(value: unknown, place: Place, numbersAsText: string[]): Json | undefined {
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
      // JSON has no -0: the holder would see another value than who reads the log.
      if (Number.isFinite(value)) return value === 0 ? 0 : value;
      throw notJson(place, String(value));
    case 'bigint': {
      const number = exactNumber(value);
      if (number !== undefined) return number;
      numbersAsText.push(pointerOf(pathOf(place)));
      return String(value);
    }
    case 'object':
      break;
    default:
      throw notJson(place, `a ${typeof value}`);
  }
  if (value === null) return null;
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    return toJson((value.toJSON as () => unknown)(), below(place, undefined), numbersAsText);
  }
  if (Array.isArray(value)) {
    return value.map(
      (element: unknown, i) => toJson(element, below(place, String(i)), numbersAsText) ?? null,
    );
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
    const json = toJson(member, below(place, key), numbersAsText);
    if (json !== undefined) members.push([storableText(key), json]);
  }
  return Object.fromEntries(members);
}

function notJson(place: Place, what: string): Error {
  const path = pathOf(place);
  const where = path.length === 0 ? 'the output' : `the output's ${path.slice(0, 8).join('.')}`;
  return new Error(`${where} is ${what}, which is not JSON`);
}
