import { isUtf8 } from 'node:buffer';

import type { Json } from '../../src/json.ts';
import { parseJsonText } from '../../src/json-text.ts';
import { lostOutput } from '../../src/runbook/lost-output.ts';
import type { OutputMode } from '../../src/runbook/runbook.ts';
import { pointerOf } from '../../src/runbook/pointer.ts';
import type { Redaction } from '../secrets/redaction.ts';
import { lost, numbersDetail, readOutput, type ReadOutput } from './output.ts';

/** Where a text comes from, and the key under which it is kept when it is not read as JSON. */
export type TextSource = 'stdout' | 'file' | 'body';

/** What a text is called in messages. */
const NAMES: Record<TextSource, string> = {
  stdout: 'stdout',
  file: 'what the command wrote to LEASEHOLD_OUTPUT_FILE',
  body: 'the body',
};

/** A text as a value. */
export type ParsedOutput =
  /** `numbersAsText`: pointers to numbers that a JSON number would change, kept as text. */
  | { kind: 'json'; value: Json; numbersAsText: string[] }
  | { kind: 'text' }
  /** It should have been JSON. */
  | { kind: 'not_json'; why: string };

/**
 * Reads the text of an effect.
 *
 * By default an object or an array in JSON is read as JSON and everything else is text, so that the
 * type of an output does not depend on whether a commit's hash happens to look like a number. What
 * a command writes to its output file is meant to be JSON. `json` and `text` apply to all of them.
 */
export function parseOutput(
  text: string,
  source: TextSource,
  mode: OutputMode | undefined,
): ParsedOutput {
  if (mode === 'text') return { kind: 'text' };
  const mustBeJson = mode === 'json' || source === 'file';
  if (!mustBeJson && !/^[\t\n\r ]*[[{]/.test(text)) return { kind: 'text' };
  try {
    const { value, inexact } = parseJsonText(text);
    return { kind: 'json', value, numbersAsText: inexact.map(({ path }) => pointerOf(path)) };
  } catch {
    if (!mustBeJson) return { kind: 'text' };
    const why = text.trim() === '' ? 'is empty' : 'is not JSON';
    return { kind: 'not_json', why: `${NAMES[source]} ${why}` };
  }
}

/** How the bytes of an effect become an output. */
export interface TextReading {
  mode: OutputMode | undefined;
  limitBytes: number;
  redaction: Redaction;
  /** Whether the bytes may be the beginning of more; default: no. */
  cut?: boolean;
}

/** The output that the bytes of an effect give, redacted, as the log can store it. */
export function readBytes(bytes: Buffer, source: TextSource, how: TextReading): ReadOutput {
  const read = readText(textOf(bytes), source, how);
  if (!read.ok || isUtf8(bytes)) return read;
  // Every sequence that is not UTF-8 is now U+FFFD.
  return { ...read, detail: { ...read.detail, notUtf8: true } };
}

function readText(
  raw: string,
  source: TextSource,
  { mode, limitBytes, redaction, cut = false }: TextReading,
): ReadOutput {
  const text = redaction.text(raw, cut);
  const parsed = parseOutput(text === raw ? raw : redaction.jsonText(raw), source, mode);
  switch (parsed.kind) {
    case 'not_json':
      return lost('not_json', lostOutput(parsed.why, Buffer.byteLength(raw), text));
    case 'text':
      return readOutput({ [source]: text }, limitBytes, redaction);
    case 'json':
  }
  const read = readOutput(parsed.value, limitBytes, redaction);
  if (read.ok) return { ...read, detail: numbersDetail(parsed.numbersAsText) };
  // JSON that cannot be stored (nested too deeply) can be stored as text, unless it is too large.
  return read.why === 'too_large' || mode === 'json' || source === 'file'
    ? read
    : readOutput({ [source]: text }, limitBytes, redaction);
}

/** The text of bytes in UTF-8, without a byte-order mark. */
export function textOf(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  return text.startsWith('\uFEFF') ? text.slice(1) : text;
}
