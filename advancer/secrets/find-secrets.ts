import { escapedAt } from './escapes.ts';
import { percentDecoded, type PercentDecoded } from './percent-decoding.ts';
import {
  BACKSLASH,
  base64Patterns,
  folded,
  runEnd,
  textPattern,
  type NamedValue,
  type Pattern,
  type PatternKind,
} from './secret-pattern.ts';

/** A piece of a text that is a secret. */
export interface Found {
  readonly start: number;
  readonly end: number;
  readonly name: string;
}

/** A text may be encoded in percent this many times; nobody does it more often. */
const MOST_PERCENT_LAYERS = 4;
/** Of a secret that the end of a text cuts off, this many characters are not shown. */
const SIGNIFICANT = 4;

/** The text ended before the pattern did. */
const TEXT_ENDED = -1;
const NO_MATCH = -2;

/**
 * Finds secrets in texts: as they are, escaped as in JSON or by a shell (any number of times),
 * percent-encoded (in either case, also as in forms), in base64, and percent-encoded on top of the
 * others. The time is proportional to the length of the text, however many secrets there are.
 */
export class SecretFinder {
  readonly #sets: readonly PatternSet[];

  constructor(values: readonly NamedValue[]) {
    this.#sets = [
      new PatternSet('text', values.map(textPattern)),
      new PatternSet('base64', values.flatMap(base64Patterns)),
    ];
  }

  /**
   * The secrets in a text, in order; those that overlap are one, under the name of the longest.
   *
   * @param cut whether the text may be the beginning of a longer one: then the beginning of a
   *   secret at its end counts, too
   */
  find(text: string, cut: boolean): Found[] {
    const found: Found[] = [];
    let layer = text;
    let places: Int32Array | undefined;
    for (let layers = 0; ; layers += 1) {
      for (const set of this.#sets) set.find(layer, cut, places, found);
      const decoded = layers < MOST_PERCENT_LAYERS ? percentDecoded(layer) : undefined;
      if (decoded === undefined) return merged(found);
      const outer = places;
      for (const set of this.#sets) set.findBehindPercent(layer, decoded, cut, outer, found);
      places = outer === undefined ? decoded.places : decoded.places.map((at) => outer[at] ?? at);
      layer = decoded.text;
    }
  }
}

function merged(found: Found[]): Found[] {
  if (found.length < 2) return found;
  const inOrder = found.toSorted((a, b) => a.start - b.start || b.end - a.end);
  const all: Found[] = [];
  let longest = 0;
  for (const one of inOrder) {
    const last = all.at(-1);
    if (last === undefined || one.start >= last.end) {
      all.push(one);
      longest = one.end - one.start;
      continue;
    }
    const name = one.end - one.start > longest ? one.name : last.name;
    longest = Math.max(longest, one.end - one.start);
    all[all.length - 1] = { start: last.start, end: Math.max(last.end, one.end), name };
  }
  return all;
}

/** All patterns of one kind. */
class PatternSet {
  readonly #kind: PatternKind;
  /** By their first character. */
  readonly #byFirst = new Map<number, Pattern[]>();
  /** Which hashes the first two characters of patterns have: most places of a text have none. */
  readonly #pairs = new Uint8Array(65_536);

  constructor(kind: PatternKind, patterns: readonly Pattern[]) {
    this.#kind = kind;
    for (const pattern of patterns) {
      const [first = 0, second = 0] = pattern.codes;
      this.#byFirst.set(first, [...(this.#byFirst.get(first) ?? []), pattern]);
      this.#pairs[hashOf(first, second)] = 1;
    }
  }

  find(text: string, cut: boolean, places: Int32Array | undefined, found: Found[]): void {
    // A character of which a part is cut off is not the secret's any more.
    const end = cut ? text.replace(/\ufffd{1,3}$/, '').length : text.length;
    let first = this.#fold(text, 0);
    for (let at = 0; at < end; at += 1) {
      const second = this.#fold(text, at + 1);
      const isPlain =
        at + 1 < end && first !== BACKSLASH && second !== BACKSLASH && !isLineEnd(second);
      const candidates = !isPlain
        ? this.#candidates(text, at, end)
        : this.#pairs[hashOf(first, second)] === 0
          ? undefined
          : this.#byFirst.get(first);
      let longest: Found | undefined;
      for (const pattern of candidates ?? []) {
        const matched = this.#match(pattern, text, at, end);
        const isWhole = matched >= 0;
        if (!isWhole && !(cut && matched === TEXT_ENDED)) continue;
        const last = isWhole ? this.#reach(pattern, text, matched) : text.length;
        if (longest !== undefined && longest.end >= last) continue;
        const start = this.#reachBack(pattern, text, at);
        longest = { start, end: last, name: pattern.name };
      }
      if (longest !== undefined) {
        const { start, name } = longest;
        const [from, to] = [places?.[start] ?? start, places?.[longest.end] ?? longest.end];
        found.push({ start: from, end: to, name });
      }
      // A pattern that begins with an escaped character begins with the first backslash before it.
      if (first === BACKSLASH) at = runEnd(text, at) - 1;
      first = at + 1 < end ? this.#fold(text, at + 1) : 0;
    }
  }

  /**
   * Finds what begins within an encoded character: behind `%4`, a secret's first `1` is taken for
   * the end of `%41`.
   *
   * @param outer the text before it was decoded
   * @param places of its characters
   */
  findBehindPercent(
    outer: string,
    decoded: PercentDecoded,
    cut: boolean,
    places: Int32Array | undefined,
    found: Found[],
  ): void {
    const { text } = decoded;
    const place = (at: number): number => places?.[at] ?? at;
    for (let at = 0; at < text.length; at += 1) {
      const end = decoded.places[at + 1] ?? 0;
      if (end - (decoded.places[at] ?? 0) < 3) continue;
      for (const taken of [1, 2]) {
        const start = end - taken;
        for (const pattern of this.#byFirst.get(this.#fold(outer, start)) ?? []) {
          if (taken === 2 && pattern.codes[1] !== this.#fold(outer, start + 1)) continue;
          const matched = this.#match(pattern, text, at + 1, text.length, taken);
          const isWhole = matched >= 0;
          if (!isWhole && !(cut && matched === TEXT_ENDED)) continue;
          const last = decoded.places[isWhole ? this.#reach(pattern, text, matched) : text.length];
          found.push({ start: place(start), end: place(last ?? outer.length), name: pattern.name });
        }
      }
    }
  }

  /** The patterns that may begin here, where characters are escaped or in another line. */
  #candidates(text: string, at: number, end: number): Pattern[] {
    return this.#unitsAt(text, at, end).flatMap(({ code, next }) => {
      const patterns = this.#byFirst.get(code) ?? [];
      if (patterns.length === 0) return [];
      const behind = this.#kind === 'base64' ? behindLineEnds(text, next) : next;
      const isPossible =
        behind >= end ||
        this.#unitsAt(text, behind, end).some(
          (second) => second.next > end || this.#pairs[hashOf(code, second.code)] === 1,
        );
      return isPossible ? patterns : [];
    });
  }

  /** What the character here may be: itself, or what it stands for behind a backslash. */
  #unitsAt(text: string, start: number, end: number): { code: number; next: number }[] {
    const at = runEnd(text, start);
    if (at >= end) return [{ code: 0, next: end + 1 }];
    const units = [{ code: this.#fold(text, at), next: at + 1 }];
    if (at === start) return units;
    const { code, length } = escapedAt(text, at);
    return code === undefined
      ? units
      : [...units, { code: folded(this.#kind, code), next: at + length }];
  }

  #fold(text: string, at: number): number {
    return at < text.length ? folded(this.#kind, text.charCodeAt(at)) : 0;
  }

  /** Where the pattern ends in the text, if it (from its nth character on) begins here. */
  #match(
    { raw, codes, slashes }: Pattern,
    text: string,
    start: number,
    end: number,
    from = 0,
  ): number {
    // What looks like an escape may be a part of the secret itself.
    if (from === 0 && raw !== undefined && text.startsWith(raw, start)) return start + raw.length;
    let at = start;
    for (let n = from; n < codes.length; n += 1) {
      const next = this.#step(text, at, end, codes[n] ?? 0, slashes[n] ?? 0);
      if (next === TEXT_ENDED) return n >= SIGNIFICANT ? TEXT_ENDED : NO_MATCH;
      if (next === NO_MATCH) return NO_MATCH;
      at = next;
      if (this.#kind === 'base64' && n + 1 < codes.length) at = behindLineEnds(text, at);
    }
    const run = slashes[codes.length] ?? 0;
    if (run === 0) return at;
    const after = runEnd(text, at);
    if (after - at >= run) return after;
    return after === end ? TEXT_ENDED : NO_MATCH;
  }

  /** The place behind one character of a pattern, which is raw or escaped. */
  #step(text: string, start: number, end: number, wanted: number, slashes: number): number {
    const at = runEnd(text, start);
    const run = at - start;
    if (at >= end) return TEXT_ENDED;
    if (run < slashes) return NO_MATCH;
    const code = text.charCodeAt(at);
    // A letter behind a backslash may mean something else.
    const isItself = run === 0 || slashes > 0 || !isLetterOrDigit(code);
    const unescaped = run === 0 ? NO_MATCH : this.#unescaped(text, at, end, wanted);
    if (unescaped >= 0) return unescaped;
    return isItself && folded(this.#kind, code) === wanted ? at + 1 : unescaped;
  }

  /** The same, where a letter stands for the character. */
  #unescaped(text: string, at: number, end: number, wanted: number): number {
    const { code, length } = escapedAt(text, at);
    if (at + length > end) return TEXT_ENDED;
    return code !== undefined && folded(this.#kind, code) === wanted ? at + length : NO_MATCH;
  }

  /** Base64 mixes the secret's first and last characters with what stands next to it. */
  #reachBack({ reachesBefore }: Pattern, text: string, start: number): number {
    return reachesBefore && start > 0 && isBase64(text.charCodeAt(start - 1)) ? start - 1 : start;
  }

  #reach({ reachesAfter }: Pattern, text: string, end: number): number {
    return reachesAfter && isBase64(text.charCodeAt(end)) ? end + 1 : end;
  }
}

/** The place behind line ends, raw or escaped. */
function behindLineEnds(text: string, start: number): number {
  let at = start;
  for (;;) {
    const letter = runEnd(text, at);
    const code = text.charCodeAt(letter);
    if (letter === at ? !isLineEnd(code) : code !== 110 && code !== 114) return at;
    at = letter + 1;
  }
}

function isLineEnd(code: number): boolean {
  return code === 10 || code === 13;
}

function isLetterOrDigit(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
}

function isBase64(code: number): boolean {
  return isLetterOrDigit(code) || code === 43 || code === 45 || code === 47 || code === 95;
}

function hashOf(first: number, second: number): number {
  return ((first * 251) ^ second) & 0xffff;
}
