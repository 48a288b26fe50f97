import { isJsonObject, type Json } from '../../src/json.ts';
import { SecretFinder, type Found } from './find-secrets.ts';
import type { NamedValue } from './secret-pattern.ts';

/** A byte of a secret may be written as `\\u0041`, or encoded more than once. */
const MOST_CHARACTERS_FOR_A_BYTE = 8;
/** At least this much is looked at around a place where a text is cut. */
const LEAST_REACH = 1_024;

/**
 * Replaces the values of secrets in everything that comes out of an effect. All of it goes through
 * here before it is parsed, cut or stored: whatever reaches the log, the bus, a log line or a
 * person was made of what this returns.
 */
export class Redaction {
  /** How far around a place a secret may extend that this place cuts, in bytes. */
  readonly reach: number;
  readonly #finder: SecretFinder | undefined;

  /** @param values every value that may occur, those that are no longer valid too */
  constructor(values: readonly NamedValue[]) {
    this.#finder = values.length === 0 ? undefined : new SecretFinder(values);
    const longest = Math.max(0, ...values.map(({ value }) => Buffer.byteLength(value)));
    this.reach = longest === 0 ? 0 : Math.max(LEAST_REACH, longest * MOST_CHARACTERS_FOR_A_BYTE);
  }

  /** Whether there is nothing to redact. */
  get isEmpty(): boolean {
    return this.#finder === undefined;
  }

  /**
   * The text, with `[secret NAME]` in the place of each secret.
   *
   * @param cut whether the text may be the beginning of a longer one: then the beginning of a
   *   secret at its end is replaced, too
   */
  text(text: string, cut = false): string {
    return replaced(text, this.#find(text, cut));
  }

  /**
   * The part of a text from a place on. A secret that the place cuts is redacted, provided that the
   * text has what comes up to {@link reach} before it.
   */
  textFrom(text: string, from: number, cut: boolean): string {
    const found = this.#find(text, cut).filter(({ end }) => end > from);
    const start = Math.min(from, found[0]?.start ?? from);
    const later = found.map(({ name, ...at }) => ({
      name,
      start: at.start - start,
      end: at.end - start,
    }));
    return replaced(text.slice(start), later);
  }

  /**
   * The same for a text that is meant to be JSON, which stays JSON where it can: a number with a
   * secret becomes a string.
   */
  jsonText(text: string): string {
    const found = this.#find(text, false);
    return found.length === 0 ? text : replacedInJson(text, found);
  }

  /** The value, with all of its texts, keys and numbers redacted. */
  value<T extends Json>(value: T): T {
    return this.#finder === undefined ? value : (this.#value(value) as T);
  }

  #value(value: Json): Json {
    if (typeof value === 'string') return this.text(value);
    if (typeof value === 'number') {
      const text = String(value);
      const redacted = this.text(text);
      return redacted === text ? value : redacted;
    }
    if (Array.isArray(value)) return value.map((element) => this.#value(element));
    if (!isJsonObject(value)) return value;
    // fromEntries defines each key; assigning to __proto__ would set the prototype.
    return Object.fromEntries(
      Object.entries(value).map(([key, member]) => [this.text(key), this.#value(member)]),
    );
  }

  #find(text: string, cut: boolean): Found[] {
    return this.#finder === undefined ? [] : this.#finder.find(text, cut);
  }
}

/** Where there are no secrets. */
export const NO_REDACTION = new Redaction([]);

function replaced(text: string, found: readonly Found[]): string {
  if (found.length === 0) return text;
  let redacted = '';
  let at = 0;
  for (const { start, end, name } of found) {
    redacted += `${text.slice(at, start)}[secret ${name}]`;
    at = end;
  }
  return redacted + text.slice(at);
}

/** Puts quotes around what is replaced outside of strings, and around the number it is part of. */
function replacedInJson(text: string, found: readonly Found[]): string {
  let redacted = '';
  let at = 0;
  let inString = false;
  for (const [n, { start, end, name }] of found.entries()) {
    const before = text.slice(at, start);
    inString = before.replace(/\\./gs, '').split('"').length % 2 === 0 ? !inString : inString;
    const number = inString ? '' : (/[-+.\deE]+$/.exec(before)?.[0] ?? '');
    const next = found[n + 1]?.start ?? text.length;
    const rest = inString ? '' : (/^[-+.\deE]+/.exec(text.slice(end, next))?.[0] ?? '');
    const marker = `${number}[secret ${name}]${rest}`;
    redacted += before.slice(0, before.length - number.length);
    redacted += inString ? marker : `"${marker}"`;
    at = end + rest.length;
  }
  return redacted + text.slice(at);
}
