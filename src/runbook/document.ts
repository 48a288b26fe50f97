import { errorText } from '../error-text.ts';
import { isExact } from '../exact-number.ts';
import { storableFault } from '../json.ts';
import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, Node, ParsedNode, Scalar } from 'yaml';

import { surprisingReading } from './plain-scalars.ts';
import type { Finding, Path } from './problem.ts';

/** A position in a text; both numbers start at 1. */
export interface Position {
  line: number;
  column: number;
}

/** The value of a text, and the positions of its parts. */
export interface SourceDocument {
  value: unknown;
  /** What was read in a way that the author may not expect. */
  warnings: Finding[];
  /** The position of the value at `path`, or of its nearest existing ancestor. */
  locate(path: Path, atKey?: boolean): Position;
}

/** An error in the text itself. */
export interface TextFault extends Position {
  message: string;
}

/** The longest text of a file that is read. */
export const MAX_TEXT_CHARACTERS = 1_048_576;
const MAX_DEPTH = 100;
const MAX_ALIASES = 100;
const MAX_FAULTS = 20;

/** What was read of a text: usable if there are no faults. */
export interface ReadDocument {
  faults: TextFault[];
  /**
   * What the text says otherwise, so that it can be checked in the same run; undefined where the
   * faults leave that open.
   */
  document: SourceDocument | undefined;
}

/**
 * Reads YAML 1.2 or JSON, with the position of everything. Rejects, besides bad syntax: duplicate
 * keys, several documents, unknown tags, keys that are not text, numbers that reading would change,
 * and alias bombs.
 *
 * @param what the text is, for messages: a file, or a part of one
 */
export function readDocument(source: string, format: 'yaml' | 'json', what = 'file'): ReadDocument {
  const whole = source.replace(/^\uFEFF/, '');
  if (whole.length > MAX_TEXT_CHARACTERS) {
    return refuse([{ line: 1, column: 1, message: `the ${what} is larger than 1 MiB` }]);
  }
  const lines = new LineCounter();
  // JSON may be indented with tabs, which YAML restricts; JSON strings cannot contain them.
  const text = format === 'json' ? whole.replaceAll('\t', ' ') : whole;
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return line === 0 ? { line: 1, column: 1 } : { line, column: col };
  };
  const faults: TextFault[] = [];
  let isReadable = true;
  const errors = [...document.errors, ...document.warnings];
  const exhausted = errors.find((error) => error.code === 'RESOURCE_EXHAUSTION');
  if (exhausted !== undefined)
    return refuse([{ ...positionAt(exhausted.pos[0]), message: 'is nested too deeply' }]);

  let json: unknown;
  if (format === 'json') {
    const parsed = parseJson(whole);
    if (!parsed.ok) return refuse([{ ...positionAt(parsed.offset), message: parsed.message }]);
    json = parsed.value;
  }
  for (const error of errors) {
    if (format === 'json' && error.code !== 'DUPLICATE_KEY') continue;
    faults.push({ ...positionAt(error.pos[0]), message: describe(error, text, what) });
    if (error.code !== 'DUPLICATE_KEY') isReadable = false;
  }
  if (!isReadable) return refuse(faults);

  if (document.contents === null)
    return refuse([{ line: 1, column: 1, message: `the ${what} is empty` }]);
  const warnings: Finding[] = [];
  inspect(document, {
    fault: (node, message) => {
      faults.push({ ...positionAt(startOf(node)), message });
      // A value that cannot be kept; everything else leaves open what the text says.
      if (!isScalar(node) || typeof node.value !== 'number') isReadable = false;
    },
    scalar: (node, path) => {
      const message = format === 'yaml' ? readingOf(node) : undefined;
      if (message !== undefined) warnings.push({ path, severity: 'warning', message });
    },
  });
  if (!isReadable) return refuse(faults);

  const locate = (path: Path, atKey = false): Position =>
    positionAt(offsetOf(document, path, atKey));
  const all = faults.slice(0, MAX_FAULTS);
  if (format === 'json') return { faults: all, document: { value: json, warnings, locate } };
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return { faults: all, document: { value, warnings, locate } };
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    const message = `its aliases cannot be resolved: ${error.message}`;
    return refuse([...faults, { line: 1, column: 1, message }]);
  }
}

function refuse(faults: TextFault[]): ReadDocument {
  return { faults: faults.slice(0, MAX_FAULTS), document: undefined };
}

function parseJson(
  text: string,
): { ok: true; value: unknown } | { ok: false; offset: number; message: string } {
  try {
    return { ok: true, value: JSON.parse(text) };
  } catch (error) {
    const message = errorText(error);
    const position = /at position (\d+)/.exec(message);
    return {
      ok: false,
      offset: position === null ? text.length : Number(position[1]),
      message: `is not JSON: ${message.replace(/( in JSON)? at position .*$/s, '')}`,
    };
  }
}

function describe(
  error: { code: string; message: string; pos: [number, number] },
  text: string,
  what: string,
): string {
  switch (error.code) {
    case 'DUPLICATE_KEY': {
      const key = /^("[^"\n]*"|'[^'\n]*'|[^\s:]+)/.exec(
        text.slice(error.pos[0], error.pos[0] + 200),
      );
      return `the key ${key?.[0] ?? ''} occurs twice in one object`;
    }
    case 'MULTIPLE_DOCS':
      return `the ${what} contains one YAML document, but a second one begins here (---)`;
    case 'TAG_RESOLVE_FAILED':
      return `${error.message}: YAML tags are not used in runbooks; quote text that begins with !`;
    default:
      return error.message;
  }
}

/** What {@link inspect} reports. */
interface Inspector {
  fault: (node: unknown, message: string) => void;
  /** Called for each scalar that is a value, not a key. */
  scalar: (node: Scalar, path: Path) => void;
}

/** Visits every node once; checks aliases without following them. */
function inspect(document: Document<ParsedNode>, { fault, scalar }: Inspector): void {
  let aliases = 0;
  const within = new Set<unknown>();
  const visit = (node: unknown, path: Path): void => {
    if (isMap(node) || isSeq(node)) {
      if (path.length >= MAX_DEPTH) {
        fault(node, `is nested more than ${MAX_DEPTH} levels deep`);
        return;
      }
      within.add(node);
      for (const [i, item] of node.items.entries()) {
        if (isPair(item)) {
          inspectKey(item.key, fault);
          visit(item.value, [...path, String(isScalar(item.key) ? item.key.value : '')]);
        } else {
          visit(item, [...path, i]);
        }
      }
      within.delete(node);
    } else if (isAlias(node)) {
      aliases += 1;
      if (aliases > MAX_ALIASES) {
        if (aliases === MAX_ALIASES + 1) fault(node, `there are more than ${MAX_ALIASES} aliases`);
        return;
      }
      const target = node.resolve(document);
      if (target === undefined) fault(node, `*${node.source} refers to no earlier anchor`);
      else if (within.has(target))
        fault(node, `*${node.source} is inside the value that it refers to`);
    } else if (isScalar(node)) {
      const message = scalarFault(node.value, node.source);
      if (message === undefined) scalar(node, path);
      else fault(node, message);
    }
  };
  visit(document.contents, []);
}

function inspectKey(key: unknown, fault: Inspector['fault']): void {
  const value = isScalar(key) ? key.value : undefined;
  if (typeof value !== 'string') fault(key, 'a key must be text; write it in quotes');
  else if (value === '__proto__') fault(key, 'the key __proto__ is not allowed');
  else {
    const message = storableFault(value);
    if (message !== undefined) fault(key, message);
  }
}

/** How a plain scalar was read, if its author may expect something else. */
function readingOf({ type, source, value }: Scalar): string | undefined {
  return type === 'PLAIN' && source !== undefined ? surprisingReading(source, value) : undefined;
}

function scalarFault(value: unknown, source: string | undefined): string | undefined {
  if (typeof value === 'string') return storableFault(value);
  if (typeof value !== 'number') return undefined;
  const written = source ?? String(value);
  // BigInt reads 0o17 and 0x1F.
  if (isExact(/^0[ox]/.test(written) ? String(BigInt(written)) : written)) return undefined;
  return /\d/.test(written)
    ? `${written} cannot be kept exactly as a number; write it in quotes`
    : `${written} is not a number that JSON can represent`;
}

function offsetOf(document: Document<ParsedNode>, path: Path, atKey: boolean): number {
  let node: unknown = document.contents;
  let offset = startOf(node);
  for (const [i, segment] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isScalar(item.key) && String(item.key.value) === String(segment),
      );
      if (pair === undefined) return offset;
      node = pair.value;
      // An object is named by its key, which stands on the line that the author looks for.
      const byKey = (atKey && i === path.length - 1) || !isScalar(node);
      offset = startOf(byKey ? pair.key : node);
    } else if (isSeq(node)) {
      const item: unknown = node.items[Number(segment)];
      if (item === undefined) return offset;
      node = item;
      offset = startOf(node);
    } else {
      return offset;
    }
  }
  return offset;
}

function startOf(node: unknown): number {
  return (node as Node | null | undefined)?.range?.[0] ?? 0;
}
