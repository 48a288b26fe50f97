/*
 * Arrays as Postgres reads them. `pg` would make the same of them, but goes through every value twice by a regular
 * expression; here nearly every value is an id.
 */

/** A `text[]`. */
export function textArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : quoted(value))).join(',')}}`;
}

/** An `int[]` or `bigint[]`. */
export function numberArray(values: readonly number[]): string {
  return `{${values.join(',')}}`;
}

/** A `jsonb[]` of values that JSON can carry. */
export function jsonArray(values: readonly object[]): string {
  // In JSON text every control character is escaped, so what JSON escapes in it are quotes and backslashes, and both are
  // escaped alike in an array.
  return `{${values.map((value) => JSON.stringify(JSON.stringify(value))).join(',')}}`;
}

function quoted(value: string): string {
  return `"${ESCAPED.test(value) ? value.replace(EVERY_ESCAPED, '\\$&') : value}"`;
}

const ESCAPED = /["\\]/;
const EVERY_ESCAPED = new RegExp(ESCAPED, 'g');
