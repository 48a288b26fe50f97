/*
 * A URL with placeholders is filled by position: what a value may be depends on the part of the URL
 * in which it stands, and no value can change the parts that the author wrote.
 */

import { withoutCredentials } from '../redaction.ts';
import {
  parsePlaceholders,
  placeholderText,
  valueOf,
  type Placeholder,
  type Scope,
} from './placeholder.ts';

/** The part of a URL in which a placeholder stands. */
export type UrlPlace =
  /** The very start: the value is an origin, with or without a path. */
  | 'base'
  | 'scheme'
  | 'user'
  | 'host'
  /** In the host, after a placeholder at the very start. */
  | 'afterBase'
  | 'port'
  | 'path'
  | 'query'
  | 'fragment';

/** A placeholder of a URL, and where it stands. */
export interface UrlSlot {
  placeholder: Placeholder;
  place: UrlPlace;
}

/** Where each placeholder of a URL stands; empty if the text cannot be parsed. */
export function urlPlaces(url: string): UrlSlot[] {
  return readTemplate(url)?.slots ?? [];
}

/** Why no value can be filled in at this place; undefined if one can. */
function placeFault(place: UrlPlace): string | undefined {
  switch (place) {
    case 'scheme':
      return 'stands before ://, where no value can be filled in';
    case 'user':
      return 'stands in the user or password of the URL: use an authorization header instead';
    case 'port':
      return 'stands in the port or the IP address, where no value can be filled in';
    case 'afterBase':
      return 'continues the host that another placeholder begins: put a / before it';
    case 'base':
    case 'host':
    case 'path':
    case 'query':
    case 'fragment':
      return undefined;
  }
}

/** The same for a certain placeholder. The host of a call is looked up, logged and shown. */
export function slotFault({ placeholder, place }: UrlSlot): string | undefined {
  const isOfHost = place === 'base' || place === 'host';
  return placeholder.root === 'secrets' && isOfHost
    ? 'is a secret and stands in the host: it can be in the path, the query, a header or the body'
    : placeFault(place);
}

/** The result of filling a URL. */
export type FilledUrl = { ok: true; url: string } | { ok: false; message: string };

/**
 * Fills the placeholders of a URL.
 *
 * A value at the very start is an origin or a URL, and is inserted as it is. In the host, a value
 * has letters, digits and hyphens only. Elsewhere it is percent-encoded, as a part of one path
 * segment or of a query. The error names the placeholder whose value cannot stand where it does.
 */
export function fillUrl(url: string, scope: Scope): FilledUrl {
  const parsed = parsePlaceholders(url);
  if (!parsed.ok) return parsed;
  const template = readTemplate(url);
  if (template === undefined) return { ok: true, url };
  const values: string[] = [];
  for (const slot of template.slots) {
    const { placeholder, place } = slot;
    const found = valueOf(placeholder, scope);
    if (!found.ok) return found;
    const value = typeof found.value === 'string' ? found.value : JSON.stringify(found.value);
    const fault = slotFault(slot) ?? valueFault(place, value, template);
    if (fault !== undefined)
      return { ok: false, message: `${placeholderText(placeholder)} ${fault}` };
    values.push(value);
  }
  const fault = segmentFault(template, values);
  if (fault !== undefined) return { ok: false, message: fault };
  const places = template.slots.map(({ place }) => place);
  const filled = fillSlots(template.text, (n) => {
    const value = values[n] ?? '';
    return places[n] === 'base' || places[n] === 'host' ? value : encode(value);
  });
  return { ok: true, url: filled };
}

/** A URL in which a mark stands for each placeholder. */
interface Template {
  text: string;
  slots: UrlSlot[];
  /** The path, and how many placeholders come before it. */
  path: string;
  slotsBeforePath: number;
}

/** Stands for a placeholder; a runbook cannot contain it. */
const MARK = '\0';

// As a URL parser reads an http URL: a backslash is a slash.
const AFTER_SCHEME = /^([^/?#\\]*)([^?#]*)(\?[^#]*)?(.*)$/s;

/** undefined where there are no placeholders, or where they cannot be parsed. */
function readTemplate(url: string): Template | undefined {
  const parsed = parsePlaceholders(url);
  if (!parsed.ok) return undefined;
  const placeholders = parsed.parts.flatMap((part) =>
    part.kind === 'placeholder' ? [part.placeholder] : [],
  );
  if (placeholders.length === 0) return undefined;
  const text = parsed.parts
    // A URL parser drops tabs and line ends.
    .map((part) => (part.kind === 'text' ? part.text.replace(/[\t\n\r\0]/g, '') : MARK))
    .join('');
  const isBase = text.startsWith(MARK);
  const scheme = /^[^/?#\\]*?:\/\//.exec(text)?.[0] ?? (isBase ? MARK : text);
  const [, authority = '', path = '', query = '', fragment = ''] =
    AFTER_SCHEME.exec(text.slice(scheme.length)) ?? [];
  const user = /^(?:.*@)?/s.exec(authority)?.[0] ?? '';
  const port = authority.slice(user.length).search(/[:[]/);
  const portAt = port < 0 ? authority.length : user.length + port;
  const isAfterBase = isBase && scheme === MARK;
  const marks: [text: string, place: UrlPlace][] = [
    [scheme, 'scheme'],
    [user, 'user'],
    [authority.slice(user.length, portAt), isAfterBase ? 'afterBase' : 'host'],
    [authority.slice(portAt), 'port'],
    [path, 'path'],
    [query, 'query'],
    [fragment, 'fragment'],
  ];
  const places = marks.flatMap(([part, place]) => Array<UrlPlace>(countMarks(part)).fill(place));
  if (isBase) places[0] = 'base';
  return {
    text,
    slots: placeholders.map((placeholder, n) => ({ placeholder, place: places[n] ?? 'scheme' })),
    path,
    slotsBeforePath: countMarks(scheme) + countMarks(authority),
  };
}

function countMarks(text: string): number {
  return text.split(MARK).length - 1;
}

/** Puts a text in the place of each mark; `textOf` gets its number, from 0. */
function fillSlots(text: string, textOf: (n: number) => string): string {
  return text
    .split(MARK)
    .map((part, n) => (n === 0 ? part : textOf(n - 1) + part))
    .join('');
}

function valueFault(place: UrlPlace, value: string, template: Template): string | undefined {
  if (place === 'base') return baseFault(value, template.text.slice(MARK.length));
  if (place === 'host')
    return /^[A-Za-z0-9-]{1,63}$/.test(value)
      ? undefined
      : `stands in the host, so it must be letters, digits and hyphens only, not ${quote(value)}`;
  return /\p{Surrogate}/u.test(value) ? 'is not valid Unicode text' : undefined;
}

/** Why the value cannot come before `rest`, which the author wrote. */
function baseFault(value: string, rest: string): string | undefined {
  if (rest.startsWith('://'))
    return /^https?$/i.test(value) ? undefined : `must be http or https, not ${quote(value)}`;
  if (!/^https?:\/\/[^/?#\\]/i.test(value) || !URL.canParse(value))
    return `must begin with http:// or https:// and a host, not ${quote(value)}`;
  if (rest === '') return undefined;
  if (!/^[/\\?#]/.test(rest))
    return /^https?:\/\/[A-Za-z0-9.-]+$/i.test(value)
      ? undefined
      : 'must be http:// or https:// and a host alone, because the host goes on after it';
  // Anything else could turn the path that follows into a part of a query or of a fragment.
  return /[?#\\\s\p{Cc}]/u.test(value)
    ? 'must not have a query, a fragment, a backslash or a space, because a path follows it'
    : undefined;
}

/** Why the values would change the path's segments. */
function segmentFault(template: Template, values: readonly string[]): string | undefined {
  let before = template.slotsBeforePath;
  for (const segment of template.path.split(/[/\\]/)) {
    const marks = countMarks(segment);
    const first = before;
    before += marks;
    const slot = template.slots[first];
    if (marks === 0 || slot === undefined) continue;
    const text = fillSlots(segment, (n) => values[first + n] ?? '');
    const name = placeholderText(slot.placeholder);
    if (text === '') return `${name} is empty, and a segment of the path must not be`;
    // Encoding does not help: a URL parser takes %2e for a dot, too.
    if (/^(\.|%2e){1,2}$/i.test(text))
      return `${name} would make ${quote(text)} a segment of the path, which leads elsewhere`;
  }
  return undefined;
}

/** Percent-encodes everything but unreserved characters. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function quote(value: string): string {
  const text = withoutCredentials(value);
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
