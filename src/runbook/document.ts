import { errorText } from '../error-text.ts';
import { storableFault } from '../json.ts';
import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, Node, ParsedNode } from 'yaml';

import type { Path } from './problem.ts';

/** A position in a text; both numbers start at 1. */
export interface Position {
  line: number;
  column: number;
}

/** The value of a text, and the positions of its parts. */
export interface SourceDocument {
  value: unknown;
  /** The position of the value at `path`, or of its nearest existing ancestor. */
  locate(path: Path, atKey?: boolean): Position;
}

/** An error in the text itself. */
export interface TextFault extends Position {
  message: string;
}

const MAX_CHARACTERS = 1_048_576;
const MAX_DEPTH = 100;
const MAX_ALIASES = 100;
const MAX_FAULTS = 20;

/**
 * Reads YAML 1.2 or JSON, with the position of everything. Rejects, besides bad syntax: duplicate
 * keys, several documents, unknown tags, keys that are not text, numbers that JSON does not
 * represent exactly, and alias bombs.
 */
export function readDocument(
  source: string,
  format: 'yaml' | 'json',
): { ok: true; document: SourceDocument } | { ok: false; faults: TextFault[] } {
  const whole = source.replace(/^\uFEFF/, '');
  if (whole.length > MAX_CHARACTERS) {
    return refuse([{ line: 1, column: 1, message: 'the file is larger than 1 MiB' }]);
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
    faults.push({ ...positionAt(error.pos[0]), message: describe(error, text) });
  }
  if (faults.length > 0) return refuse(faults);

  if (document.contents === null)
    return refuse([{ line: 1, column: 1, message: 'the file is empty' }]);
  inspect(document, (offset, message) => faults.push({ ...positionAt(offset), message }));
  if (faults.length > 0) return refuse(faults);

  const locate = (path: Path, atKey = false): Position =>
    positionAt(offsetOf(document, path, atKey));
  if (format === 'json') return { ok: true, document: { value: json, locate } };
  try {
    return { ok: true, document: { value: document.toJS({ maxAliasCount: MAX_ALIASES }), locate } };
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    return refuse([
      { line: 1, column: 1, message: `its aliases cannot be resolved: ${error.message}` },
    ]);
  }
}

function refuse(faults: TextFault[]): { ok: false; faults: TextFault[] } {
  return { ok: false, faults: faults.slice(0, MAX_FAULTS) };
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
): string {
  switch (error.code) {
    case 'DUPLICATE_KEY': {
      const key = /^("[^"\n]*"|'[^'\n]*'|[^\s:]+)/.exec(
        text.slice(error.pos[0], error.pos[0] + 200),
      );
      return `the key ${key?.[0] ?? ''} occurs twice in one object`;
    }
    case 'MULTIPLE_DOCS':
      return 'a file contains one runbook, but a second YAML document begins here (---)';
    case 'TAG_RESOLVE_FAILED':
      return `${error.message}: YAML tags are not used in runbooks; quote text that begins with !`;
    default:
      return error.message;
  }
}

/** Visits every node once; checks aliases without following them. */
function inspect(
  document: Document<ParsedNode>,
  fault: (offset: number, message: string) => void,
): void {
  let aliases = 0;
  const within = new Set<unknown>();
  const visit = (node: unknown, depth: number): void => {
    if (isPair(node)) {
      inspectKey(node.key, fault);
      visit(node.value, depth);
    } else if (isMap(node) || isSeq(node)) {
      if (depth > MAX_DEPTH) {
        fault(startOf(node), `is nested more than ${MAX_DEPTH} levels deep`);
        return;
      }
      within.add(node);
      for (const item of node.items) visit(item, depth + 1);
      within.delete(node);
    } else if (isAlias(node)) {
      aliases += 1;
      if (aliases > MAX_ALIASES) {
        if (aliases === MAX_ALIASES + 1)
          fault(startOf(node), `there are more than ${MAX_ALIASES} aliases`);
        return;
      }
      const target = node.resolve(document);
      if (target === undefined) fault(startOf(node), `*${node.source} refers to no earlier anchor`);
      else if (within.has(target))
        fault(startOf(node), `*${node.source} is inside the value that it refers to`);
    } else if (isScalar(node)) {
      const message = scalarFault(node.value, node.source);
      if (message !== undefined) fault(startOf(node), message);
    }
  };
  visit(document.contents, 1);
}

function inspectKey(key: unknown, fault: (offset: number, message: string) => void): void {
  const value = isScalar(key) ? key.value : undefined;
  if (typeof value !== 'string') fault(startOf(key), 'a key must be text; write it in quotes');
  else if (value === '__proto__') fault(startOf(key), 'the key __proto__ is not allowed');
  else {
    const message = storableFault(value);
    if (message !== undefined) fault(startOf(key), message);
  }
}

function scalarFault(value: unknown, source: string | undefined): string | undefined {
  if (typeof value === 'string') return storableFault(value);
  if (typeof value !== 'number') return undefined;
  if (!Number.isFinite(value))
    return `${source ?? String(value)} is not a number that JSON can represent`;
  if (Number.isInteger(value) && !Number.isSafeInteger(value) && /^[-+]?\d+$/.test(source ?? '')) {
    return `${source ?? ''} is too large to be represented exactly; write it in quotes`;
  }
  return undefined;
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
