/** Any value that JSON can represent. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A JSON object. */
export type JsonObject = { [key: string]: Json };

/** A type whose values are JSON, whatever members it names; anything else in it becomes `never`. */
type JsonShape<T> = T extends Json | undefined
  ? T
  : T extends (...args: never) => unknown
    ? never
    : { [K in keyof T]: JsonShape<T[K]> };

/**
 * A value of a named type, such as a runbook, as JSON. The compiler checks that it is. Members
 * that are undefined count as absent, as in `JSON.stringify`.
 */
export function jsonOf<T>(value: T & JsonShape<T>): Json {
  return value as Json;
}

/** True for an object that is neither null nor an array. */
export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The canonical text of a JSON value: keys sorted, no white space. Equal values have equal texts,
 * so it serves digests and comparisons (Postgres' jsonb does not keep the order of keys).
 */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (isJsonObject(value)) {
    const members = Object.keys(value)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] ?? null)}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value);
}

/**
 * Whether two JSON values are equal; the order of keys does not matter. A member that is undefined
 * counts as null, as in {@link canonicalJson}.
 */
export function sameJson(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) {
    return (
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((item, index) => sameJson(item, b[index] ?? null))
    );
  }
  if (Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key] ?? null, b[key] ?? null))
  );
}

/**
 * Replaces by U+FFFD what Postgres' jsonb cannot store: NUL characters and lone surrogates, which
 * an effect's output may contain.
 */
export function storableJson<T extends Json>(value: T): T {
  // Nearly every value is storable as it is, and checking costs less than copying.
  return isStorable(value) ? value : (replaced(value) as T);
}

/** {@link storableJson} of a value whose type says what is in its JSON. */
export function storable<T>(value: T & JsonShape<T>): T {
  return storableJson(jsonOf<T>(value)) as unknown as T;
}

function replaced(value: Json): Json {
  if (typeof value === 'string') return storableText(value);
  if (Array.isArray(value)) return value.map(replaced);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [storableText(key), replaced(item)]),
  );
}

/** Whether {@link storableJson} would return the value unchanged. */
export function isStorable(value: Json): boolean {
  if (typeof value === 'string') return !UNSTORABLE.test(value);
  if (Array.isArray(value)) return value.every(isStorable);
  if (!isJsonObject(value)) return true;
  for (const key in value)
    if (UNSTORABLE.test(key) || !isStorable(value[key] ?? null)) return false;
  return true;
}

/** A lone surrogate (with the u flag, paired ones do not match), or NUL. */
const UNSTORABLE = /\p{Surrogate}|\0/u;
const EVERY_UNSTORABLE = new RegExp(UNSTORABLE, 'gu');

/** The text, with U+FFFD for what Postgres cannot store. */
export function storableText(text: string): string {
  return UNSTORABLE.test(text) ? text.replace(EVERY_UNSTORABLE, '\ufffd') : text;
}

/** What in a text Postgres cannot store; undefined when it can store all of it. */
export function storableFault(text: string): string | undefined {
  return storableText(text) === text
    ? undefined
    : 'contains a NUL character or half of a surrogate pair, which the log cannot store';
}
