import { isId } from '../../src/ids.ts';
import {
  CLOSING_BRACE,
  CLOSING_BRACKET,
  endOfString,
  OPENING_BRACE,
  OPENING_BRACKET,
  QUOTE,
} from './json-bytes.ts';

const COLON = 0x3a;
const COMMA = 0x2c;

const NAME = Buffer.from('agentId');

/**
 * The `agentId` of a message, found without reading the rest of it: for large messages, whose turn
 * depends on it. Undefined if there is none that plainly is one. Whatever it is, the message is
 * read and checked afterwards like any other.
 */
export function claimedAgent(data: Uint8Array): string | undefined {
  let depth = 0;
  let named = false;
  let found: string | undefined;
  for (let at = 0; at < data.length; at += 1) {
    switch (data[at]!) {
      case QUOTE: {
        const from = at + 1;
        at = endOfString(data, from);
        if (depth !== 1) break;
        if (named && at < data.length) found = idIn(data, from, at);
        named = isName(data, from, at) && nextAfterSpace(data, at + 1) === COLON;
        break;
      }
      case COMMA:
        named = false;
        break;
      case OPENING_BRACKET:
      case OPENING_BRACE:
        depth += 1;
        named = false;
        break;
      case CLOSING_BRACKET:
      case CLOSING_BRACE:
        depth -= 1;
    }
  }
  return found;
}

function isName(data: Uint8Array, from: number, to: number): boolean {
  return to - from === NAME.length && NAME.equals(data.subarray(from, to));
}

function nextAfterSpace(data: Uint8Array, from: number): number | undefined {
  let at = from;
  while (data[at] === 0x20 || data[at] === 0x0a || data[at] === 0x0d || data[at] === 0x09) at += 1;
  return data[at];
}

function idIn(data: Uint8Array, from: number, to: number): string | undefined {
  if (to - from > 128) return undefined;
  const text = Buffer.from(data.subarray(from, to)).toString('latin1');
  return isId(text) ? text : undefined;
}
