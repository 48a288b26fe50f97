import type { JsonObject } from '../../src/json.ts';
import type { Redaction } from '../secrets/redaction.ts';
import type { KeptOutput } from './process-group.ts';

/** How what a command wrote and what is not its output is kept. */
export interface DiagnosticReading {
  /** How much of its end. */
  limitBytes: number;
  redaction: Redaction;
  /** Whether the command was broken off, perhaps while it was writing. */
  brokenOff: boolean;
}

/** The end of what a command wrote, and whether it is not all of it. */
export function diagnosticText(
  { bytes, last, ended }: KeptOutput,
  { limitBytes, redaction, brokenOff }: DiagnosticReading,
): { text: string; truncated: boolean } {
  const cut = brokenOff || !ended;
  if (bytes <= limitBytes)
    return { text: redaction.text(last.toString('utf8'), cut), truncated: false };
  let from = Math.max(0, last.length - limitBytes);
  // The first character may be cut.
  while (((last[from] ?? 0) & 0xc0) === 0x80) from += 1;
  const before = last.subarray(0, from).toString('utf8');
  const text = redaction.textFrom(
    before + last.subarray(from).toString('utf8'),
    before.length,
    cut,
  );
  return { text: lastOf(text, limitBytes), truncated: true };
}

/** The end of a text. What stands for a secret may be longer than it, and stays whole. */
function lastOf(text: string, length: number): string {
  const start = Math.max(0, text.length - length);
  const mark = text.lastIndexOf('[secret ', start);
  return text.slice(mark >= 0 && text.indexOf(']', mark) >= start ? mark : start);
}

/** The same as a part of an outcome's detail; nothing if it wrote nothing. */
export function diagnostic(
  name: 'stdout' | 'stderr',
  kept: KeptOutput,
  how: DiagnosticReading,
): JsonObject {
  if (kept.bytes === 0) return {};
  const { text, truncated } = diagnosticText(kept, how);
  return truncated ? { [name]: text, [`${name}Truncated`]: true } : { [name]: text };
}
