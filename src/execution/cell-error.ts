import { isJsonObject, type Json } from '../json.ts';

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
  const { cell, pointer, exists, equals, actual, error } = check;
  if (typeof cell !== 'string' || typeof pointer !== 'string') return JSON.stringify(check);
  const place = `${cell} ${pointer === '' ? 'output' : pointer}`;
  if (typeof error === 'string') return `${place} could not be checked: ${error}`;
  if (exists !== undefined) return `${place} should ${exists === true ? '' : 'not '}exist`;
  const found = actual === undefined ? 'does not exist' : `is ${valueText(actual)}`;
  return equals === undefined
    ? JSON.stringify(check)
    : `${place} ${found}, expected ${valueText(equals)}`;
}

function valueText(value: Json): string {
  const text = JSON.stringify(value);
  return text.length <= MAX_VALUE_CHARACTERS ? text : `${text.slice(0, MAX_VALUE_CHARACTERS)}…`;
}
