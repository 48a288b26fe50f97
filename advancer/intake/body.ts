import type { z } from 'zod';

import { readMessage, type Read } from '../../src/request/messages.ts';
import {
  CLOSING_BRACE,
  CLOSING_BRACKET,
  endOfString,
  OPENING_BRACE,
  OPENING_BRACKET,
  QUOTE,
} from './json-bytes.ts';

/**
 * No legitimate body nests deeper. Far above it, checks that walk a value would overflow the stack.
 */
const MAX_NESTING = 64;

/** Reads a body that anybody may have sent. One that nests too deeply is rejected unparsed. */
export function readBody<T>(schema: z.ZodType<T>, data: Uint8Array, maxBytes?: number): Read<T> {
  const tooLarge = maxBytes !== undefined && data.byteLength > maxBytes;
  if (tooLarge || !nestsTooDeeply(data)) return readMessage(schema, data, maxBytes);
  const message = `the body nests more than ${MAX_NESTING} levels of arrays and objects`;
  return { ok: false, error: { code: 'invalid', message } };
}

/** Counts brackets outside of strings: exact for JSON, and irrelevant for anything else. */
function nestsTooDeeply(data: Uint8Array): boolean {
  let depth = 0;
  for (let at = 0; at < data.length; at += 1) {
    switch (data[at]!) {
      case QUOTE:
        at = endOfString(data, at + 1);
        break;
      case OPENING_BRACKET:
      case OPENING_BRACE:
        depth += 1;
        if (depth > MAX_NESTING) return true;
        break;
      case CLOSING_BRACKET:
      case CLOSING_BRACE:
        depth -= 1;
    }
  }
  return false;
}
