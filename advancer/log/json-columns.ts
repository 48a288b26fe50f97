import { types, type CustomTypesConfig } from 'pg';

import { parseJsonText } from '../../src/json-text.ts';

const JSON_TYPES: readonly number[] = [types.builtins.JSON, types.builtins.JSONB];

/**
 * How values from Postgres are read. `jsonb` keeps every digit of a number, which `JSON.parse` does
 * not: a number that JavaScript would change, which only another client can have written, is read
 * as text with the same digits.
 */
export const COLUMN_TYPES: CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    JSON_TYPES.includes(oid) && format !== 'binary'
      ? exactJson
      : types.getTypeParser(oid, format)) as CustomTypesConfig['getTypeParser'],
};

function exactJson(text: string): unknown {
  return parseJsonText(text).value;
}
