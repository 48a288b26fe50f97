import type { z } from 'zod';

import { readMessage, type Read } from '../../src/request/messages.ts';

/**
 * No legitimate body nests deeper. Far above it, checks that walk a value would overflow the stack.
 */
const MAX_NESTING = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/** Reads a body that anybody may have sent. One that nests too deeply is rejected unparsed. */
export function readBody<T>(schema: z.ZodType<T>, data: Uint8Array): Read<T> {
  if (!nestsTooDeeply(data)) return readMessage(schema, data);
  const message = `the body nests more than ${MAX_NESTING} levels of arrays and objects`;
  return { ok: false, error: { code: 'invalid', message } };
}

/** Counts brackets outside of strings: exact for JSON, and irrelevant for anything else. */
function nestsTooDeeply(data: Uint8Array): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < data.length; at += 1) {
    const byte = data[at]!;
    if (inString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) {
      inString = true;
    } else if (OPENING.has(byte)) {
      depth += 1;
      if (depth > MAX_NESTING) return true;
    } else if (CLOSING.has(byte)) {
      depth -= 1;
    }
  }
  return false;
}
