/** Any value that JSON can carry. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A JSON object. */
export type JsonObject = { [key: string]: Json };

/** True for a JSON object: neither null, nor an array, nor a scalar. */
export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The one text of a JSON value: keys sorted, no white space. Equal values have equal texts, so it
 * serves digests and comparisons (Postgres' jsonb does not keep the order of keys).
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

/** Whether two JSON values are the same, whatever the order of their keys. */
export function sameJson(a: Json, b: Json): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

/**
 * The value with what Postgres' jsonb cannot hold replaced by U+FFFD: NUL characters and lone
 * surrogates, which an effect's output may well contain.
 */
export function storableJson<T extends Json>(value: T): T {
  // Nearly every value is fine as it is, and a look costs less than a copy.
  return isStorable(value) ? value : (replaced(value) as T);
}

function replaced(value: Json): Json {
  if (typeof value === 'string') return storableText(value);
  if (Array.isArray(value)) return value.map(replaced);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [storableText(key), replaced(item)]),
  );
}

/** Whether {@link storableJson} would leave the value as it is. */
export function isStorable(value: Json): boolean {
  if (typeof value === 'string') return !UNSTORABLE.test(value);
  if (Array.isArray(value)) return value.every(isStorable);
  if (!isJsonObject(value)) return true;
  for (const key in value)
    if (UNSTORABLE.test(key) || !isStorable(value[key] ?? null)) return false;
  return true;
}

/** A lone surrogate, which the u flag matches on its own, or NUL. */
const UNSTORABLE = /\p{Surrogate}|\0/u;
const EVERY_UNSTORABLE = new RegExp(UNSTORABLE, 'gu');

/** The text with U+FFFD in the place of what Postgres cannot keep. */
export function storableText(text: string): string {
  return UNSTORABLE.test(text) ? text.replace(EVERY_UNSTORABLE, '\ufffd') : text;
}

/** What Postgres could not keep of a text; undefined when it can keep all of it. */
export function storableFault(text: string): string | undefined {
  return storableText(text) === text
    ? undefined
    : 'holds a NUL character or half of a surrogate pair, which the log cannot keep';
}
