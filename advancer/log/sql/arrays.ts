/*
 * Arrays in Postgres' text format. `pg` would produce the same, but runs two regular expressions
 * over every value, and here nearly every value is an id.
 */

/** A `text[]`. */
function textArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : quoted(value))).join(',')}}`;
}

/** An `int[]` or `bigint[]`. */
function numberArray(values: readonly number[]): string {
  return `{${values.join(',')}}`;
}

/** A `jsonb[]`. */
function jsonArray(values: readonly object[]): string {
  // JSON text contains no control characters, so encoding it as a JSON string escapes only quotes
  // and backslashes, which an array escapes in the same way.
  return `{${values.map((value) => JSON.stringify(JSON.stringify(value))).join(',')}}`;
}

/**
 * How rows are passed as parameters: one row by its values, or any number as an array per column.
 */
export type Form = 'one' | 'many';

/**
 * The rows of a `from` or an `insert`, from parameters of the given types, starting with parameter
 * number `first`. One row passed by its values costs a fifth less than as arrays; if its first
 * column is null there is no row.
 */
export function rowsFrom(first: number, types: readonly string[], form: Form): string {
  const parameters = types.map(
    (type, nth) => `$${first + nth}::${type}${form === 'many' ? '[]' : ''}`,
  );
  if (form === 'many') return `select * from unnest(${parameters.join(', ')})`;
  return `select ${parameters.join(', ')} where $${first} is not null`;
}

/** A column's values as a parameter of that form; `one` takes exactly one value. */
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
