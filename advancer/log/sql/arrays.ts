/*
 * Arrays as Postgres reads them. `pg` would make the same of them, but goes through every value
 * twice by a regular expression; here nearly every value is an id.
 */

/** A `text[]`. */
function textArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : quoted(value))).join(',')}}`;
}

/** An `int[]` or `bigint[]`. */
function numberArray(values: readonly number[]): string {
  return `{${values.join(',')}}`;
}

/** A `jsonb[]` of values that JSON can carry. */
function jsonArray(values: readonly object[]): string {
  // In JSON text every control character is escaped, so what JSON escapes in it are quotes and
  // backslashes, and both are escaped alike in an array.
  return `{${values.map((value) => JSON.stringify(JSON.stringify(value))).join(',')}}`;
}

/**
 * How what is to be written is told: one row as it is, or any number of them as an array for each
 * column.
 */
export type Form = 'one' | 'many';

/**
 * The rows of a `from` or an `insert`, out of parameters of the given types, the first of them the
 * parameter of that number. One row that is told as such costs a fifth less than as arrays; one
 * whose first column is null is none.
 */
export function rowsFrom(first: number, types: readonly string[], form: Form): string {
  const parameters = types.map(
    (type, nth) => `$${first + nth}::${type}${form === 'many' ? '[]' : ''}`,
  );
  if (form === 'many') return `select * from unnest(${parameters.join(', ')})`;
  return `select ${parameters.join(', ')} where $${first} is not null`;
}

/** A column's values as a parameter of that form; of one there is just one. */
export const PARAMETERS = {
  one: {
    text: ([value]: readonly (string | null)[]) => value,
    number: ([value]: readonly number[]) => value,
    json: ([value]: readonly object[]) => JSON.stringify(value),
  },
  many: { text: textArray, number: numberArray, json: jsonArray },
};

function quoted(value: string): string {
  return `"${ESCAPED.test(value) ? value.replace(EVERY_ESCAPED, '\\$&') : value}"`;
}

const ESCAPED = /["\\]/;
const EVERY_ESCAPED = new RegExp(ESCAPED, 'g');
