/*
 * The bytes of JSON that say how deep a value nests, for what is read before a message is parsed.
 * In UTF-8, none of them is part of another character.
 */

export const QUOTE = 0x22;
export const OPENING_BRACKET = 0x5b;
export const OPENING_BRACE = 0x7b;
export const CLOSING_BRACKET = 0x5d;
export const CLOSING_BRACE = 0x7d;

const BACKSLASH = 0x5c;

/**
 * Where a string ends: the place of its closing quote, or a place beyond the data if it has none.
 *
 * @param from the first byte after the opening quote
 */
export function endOfString(data: Uint8Array, from: number): number {
  let at = from;
  while (at < data.length && data[at] !== QUOTE) at += data[at] === BACKSLASH ? 2 : 1;
  return at;
}
