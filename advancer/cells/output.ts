import { inspect } from 'node:util';

import { exactNumber } from '../../src/exact-number.ts';
import { type Json, type JsonObject, storableText } from '../../src/json.ts';
import { lostOutput, type LostOutput } from '../../src/runbook/lost-output.ts';
import { pointerOf } from '../../src/runbook/pointer.ts';
import type { Redaction } from '../secrets/redaction.ts';

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
export function readOutput(value: unknown, limitBytes: number, redaction: Redaction): ReadOutput {
  const numbersAsText: string[] = [];
  const texts = (text: string): string => storableText(redaction.text(text));
  let output: Json;
  try {
    output = redaction.value(toJson(value, undefined, { numbersAsText, texts }) ?? null);
  } catch (error) {
    const message = error instanceof Error ? error.message : 'its output cannot be read';
    const text = redaction.text(inspected(value, redaction));
    return lost('not_json', lostOutput(redaction.text(message), Buffer.byteLength(text), text));
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
function inspected(value: unknown, redaction: Redaction): string {
  try {
    const shown = redaction.isEmpty ? value : redactedCopy(value, redaction, 0);
    return inspect(shown, { depth: 4, maxStringLength: 2_000, maxArrayLength: 100 });
  } catch {
    return '';
  }
}

/** A copy to look at: `inspect` cuts and divides texts, and shows bytes as hexadecimal numbers. */
function redactedCopy(value: unknown, redaction: Redaction, depth: number): unknown {
  if (typeof value === 'string') return redaction.text(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > 4) return '…';
  const copy = (one: unknown): unknown => redactedCopy(one, redaction, depth + 1);
  if (Array.isArray(value)) return value.slice(0, 100).map(copy);
  if (value instanceof Map) return new Map([...value].map(([key, one]) => [copy(key), copy(one)]));
  if (value instanceof Set) return new Set([...value].map(copy));
  if (value instanceof Error) return redaction.text(String(value));
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer)
    return `[${value.constructor.name} of ${value.byteLength} bytes]`;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [redaction.text(key), copy(one)]),
  );
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
  const conversion = { numbersAsText: [], texts: storableText };
  return (toJson(detail, undefined, conversion) ?? {}) as JsonObject;
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

/** What every step of a conversion needs. */
interface Conversion {
  /** Collects pointers to the numbers that become text. */
  numbersAsText: string[];
  /** Makes a text or a key storable. */
  texts: (text: string) => string;
}

function toJson(value: unknown, place: Place, conversion: Conversion): Json | undefined {
  if (place !== undefined && place.depth > MAX_DEPTH) {
    throw new Error(`the output is nested more than ${MAX_DEPTH} levels deep, or inside itself`);
  }
  switch (typeof value) {
    case 'undefined':
      return undefined;
    case 'boolean':
      return value;
    case 'string':
      return conversion.texts(value);
    case 'number':
      // JSON has no -0: the holder would see another value than who reads the log.
      if (Number.isFinite(value)) return value === 0 ? 0 : value;
      throw notJson(place, String(value));
    case 'bigint': {
      const number = exactNumber(value);
      if (number !== undefined) return number;
      conversion.numbersAsText.push(pointerOf(pathOf(place)));
      return String(value);
    }
    case 'object':
      break;
    default:
      throw notJson(place, `a ${typeof value}`);
  }
  if (value === null) return null;
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    return toJson((value.toJSON as () => unknown)(), below(place, undefined), conversion);
  }
  if (Array.isArray(value)) {
    return value.map(
      (element: unknown, i) => toJson(element, below(place, String(i)), conversion) ?? null,
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
    const name = conversion.texts(key);
    const json = toJson(member, below(place, name), conversion);
    if (json !== undefined) members.push([name, json]);
  }
  return Object.fromEntries(members);
}

function notJson(place: Place, what: string): Error {
  const path = pathOf(place);
  const where = path.length === 0 ? 'the output' : `the output's ${path.slice(0, 8).join('.')}`;
  return new Error(`${where} is ${what}, which is not JSON`);
}
