/** A secret's value, under the name that stands for it in outputs. */
export interface NamedValue {
  readonly name: string;
  readonly value: string;
}

/** How a pattern's characters may be written in a text. */
export type PatternKind =
  /** As they are, or escaped as in JSON, any number of times; a space also as `+`. */
  | 'text'
  /** Base64, standard or URL-safe, perhaps with line breaks in between. */
  | 'base64';

/** What a secret looks like in a text. */
export interface Pattern {
  readonly name: string;
  /** The text itself, where a part of it could be taken for an escape. */
  readonly raw?: string | undefined;
  /** The characters as {@link folded}, without the backslashes. */
  readonly codes: Uint16Array;
  /** Whether backslashes come before each character, and at the end: 1 or 0. */
  readonly slashes: Uint8Array;
  /** Whether the first and the last characters of the secret are in part outside of the pattern. */
  readonly reachesBefore: boolean;
  readonly reachesAfter: boolean;
}

export const BACKSLASH = 92;
const SPACE = 32;
const PLUS = 43;
const MINUS = 45;
const SLASH = 47;
const UNDERSCORE = 95;
const LETTER_U = 117;
const LETTER_X = 120;

/** The character by which all are compared that may stand in each other's place. */
export function folded(kind: PatternKind, code: number): number {
  if (kind === 'text') return code === PLUS ? SPACE : code;
  return code === MINUS ? PLUS : code === UNDERSCORE ? SLASH : code;
}

/**
 * The place behind the backslashes that begin here, however many: each escape of a text may double
 * them, or write them in another way.
 */
export function runEnd(text: string, start: number): number {
  let at = start;
  while (text.charCodeAt(at) === BACKSLASH) {
    at += 1;
    if (text.charCodeAt(at) === LETTER_U || text.charCodeAt(at) === LETTER_X)
      at += /^(?:u00|x)5c/i.exec(text.slice(at, at + 5))?.[0].length ?? 0;
  }
  return at;
}

/** The value as it is, for texts that have it in this form or escaped. */
export function textPattern({ name, value }: NamedValue): Pattern {
  const codes: number[] = [];
  const slashes: number[] = [];
  for (let at = 0; at <= value.length; at += 1) {
    const end = runEnd(value, at);
    slashes.push(end > at ? 1 : 0);
    at = end;
    if (at < value.length) codes.push(folded('text', value.charCodeAt(at)));
  }
  return {
    name,
    raw: value.includes('\\') ? value : undefined,
    codes: Uint16Array.from(codes),
    slashes: Uint8Array.from(slashes),
    reachesBefore: false,
    reachesAfter: false,
  };
}

/**
 * The value in base64, for each of the three places at which it may begin in what was encoded, such
 * as behind `user:`. Only characters that come from the value alone are part of a pattern.
 */
export function base64Patterns({ name, value }: NamedValue): Pattern[] {
  const bytes = Buffer.from(value);
  return [0, 1, 2].map((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    const first = Math.ceil((before * 8) / 6);
    const last = Math.floor(((before + bytes.length) * 8) / 6);
    const codes = Uint16Array.from(encoded.slice(first, last), (char) => char.charCodeAt(0));
    return {
      name,
      codes,
      slashes: new Uint8Array(codes.length + 1),
      reachesBefore: before > 0,
      reachesAfter: (before + bytes.length) % 3 > 0,
    };
  });
}
