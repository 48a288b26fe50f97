/** Any value that JSON can carry. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A JSON object. */
export type JsonObject = { [key: string]: Json };

/** True for a JSON object: neither null, nor an array, nor a scalar. */
export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The one text of a JSON value: keys sorted, no white space. Equal values have equal texts, so it serves
 * digests and comparisons (Postgres' jsonb does not keep the order of keys).
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
 * The value with what Postgres' jsonb cannot hold replaced by U+FFFD: NUL characters and lone surrogates, which an
 * effect's output may well contain.
 */
export function storableJson<T extends Json>(value: T): T;
export function storableJson(value: Json): Json {
  if (typeof value === 'string') return storableText(value);
  if (Array.isArray(value)) return value.map((item) => storableJson(item));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [storableText(key), storableJson(item)]),
  );
}

/** Whether {@link storableJson} would leave the value as it is. */
export function isStorable(value: Json): boolean {
  if (typeof value === 'string') return storableText(value) === value;
  if (Array.isArray(value)) return value.every(isStorable);
  if (!isJsonObject(value)) return true;
  return Object.entries(value).every(([key, item]) => isStorable(key) && isStorable(item));
}

/** The text with U+FFFD in the place of what Postgres cannot keep. */
export function storableText(text: string): string {
  // A lone surrogate, which the u flag matches on its own, or NUL.
  return text.replace(/\p{Surrogate}|\0/gu, '\ufffd');
}

/** What Postgres could not keep of a text; undefined when it can keep all of it. */
export function storableFault(text: string): string | undefined {
  return storableText(text) === text
    ? undefined
    : 'holds a NUL character or half of a surrogate pair, which the log cannot keep';
}
