import { isJsonObject, type Json, type JsonObject } from '../json.ts';

/** Why a cell did not succeed, as its log row says. */
export interface CellError {
  code?: string;
  message: string;
}

/** A check's value is cut to this many characters of JSON. */
const MAX_VALUE_CHARACTERS = 1_000;

/**
 * The reason in a row that ended a cell: the error of an effect, the reason that a person gave, or
 * the checks of an assert.
 */
export function cellError(failure: Json): CellError {
  if (typeof failure === 'string') return { message: failure };
  if (isJsonObject(failure)) {
    const { message, code, error, checks } = failure;
    if (typeof message === 'string')
      return typeof code === 'string' ? { code, message } : { message };
    if (typeof error === 'string') return { message: error };
    if (Array.isArray(checks)) {
      const reasons = checks.map(unmetCheck).filter((reason) => reason !== undefined);
      if (reasons.length > 0) return { message: reasons.join('; ') };
    }
  }
  return { message: JSON.stringify(failure) };
}

/** The reason in one sentence, for a message. */
export function failureText(failure: Json): string {
  const { code, message } = cellError(failure);
  return code === undefined ? message : `${message} (${code})`;
}

/** Why a check does not hold; undefined if it does, or has an unknown form. */
function unmetCheck(check: Json): string | undefined {
  if (!isJsonObject(check) || check['held'] !== false) return undefined;
  const { cell, pointer, input, not, actual, error } = check;
  const place =
    typeof cell === 'string' && typeof pointer === 'string'
      ? `${cell} ${pointer === '' ? 'output' : pointer}`
      : typeof input === 'string'
        ? inputPlace(input)
        : undefined;
  if (place === undefined) return JSON.stringify(check);
  if (typeof error === 'string') return `${place} could not be checked: ${error}`;
  const isNegated = isJsonObject(not);
  const demand = isNegated ? not : check;
  const { exists } = demand;
  if (exists !== undefined)
    return `${place} should ${(exists === true) === isNegated ? 'not ' : ''}exist`;
  const wanted = isNegated ? excluded(demand) : expected(demand);
  if (wanted === undefined) return JSON.stringify(check);
  const found = actual === undefined ? 'does not exist' : `is ${valueText(actual)}`;
  return `${place} ${found}, expected ${wanted}`;
}

function inputPlace(pointer: string): string {
  return pointer === '' ? 'the input object' : `input ${pointer}`;
}

/** What a check that does not hold expected of the value. */
function expected({ equals, in: list, atLeast, atMost, matches }: JsonObject): string | undefined {
  if (equals !== undefined) return valueText(equals);
  if (list !== undefined) return `one of ${valueText(list)}`;
  if (atLeast !== undefined) return `at least ${valueText(atLeast)}`;
  if (atMost !== undefined) return `at most ${valueText(atMost)}`;
  return typeof matches === 'string' ? `text that matches ${matches}` : undefined;
}

/** What a check with `not` expected of the value, which met the demand inside. */
function excluded({ equals, in: list, atLeast, atMost, matches }: JsonObject): string | undefined {
  if (equals !== undefined) return 'another value';
  if (list !== undefined) return `none of ${valueText(list)}`;
  if (atLeast !== undefined) return `less than ${valueText(atLeast)}`;
  if (atMost !== undefined) return `more than ${valueText(atMost)}`;
  return typeof matches === 'string' ? `text that does not match ${matches}` : undefined;
}

function valueText(value: Json): string {
  const text = JSON.stringify(value);
  return text.length <= MAX_VALUE_CHARACTERS ? text : `${text.slice(0, MAX_VALUE_CHARACTERS)}…`;
}
