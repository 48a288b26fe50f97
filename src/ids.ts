import { hash } from 'node:crypto';

import { z } from 'zod';

/** The alphabet of every id: safe inside a NATS subject, an etcd key and a file name. */
const ID_PATTERN = /^[A-Za-z0-9_-]{1,128}$/;
const MAX_ID_CHARACTERS = 128;
const HASH_CHARACTERS = 32;

/** Whether the text is a valid id of an instance, request, claim, cell, runbook or agent. */
export function isId(text: unknown): text is string {
  return typeof text === 'string' && ID_PATTERN.test(text);
}

/** The schema of an id; its message says what is allowed. */
export const Id = z.string().regex(ID_PATTERN, 'must be 1 to 128 characters of A-Z a-z 0-9 _ -');

/**
 * An id that is made of others: the text itself or, if that is too long, its beginning and a hash
 * of the whole, so that two texts never get the same id.
 */
export function derivedId(text: string): string {
  if (text.length <= MAX_ID_CHARACTERS) return text;
  const kept = text.slice(0, MAX_ID_CHARACTERS - HASH_CHARACTERS - 1);
  return `${kept}-${hash('sha256', text).slice(0, HASH_CHARACTERS)}`;
}

/**
 * A fencing token: the etcd revision at which a term's lease key was put. It strictly increases per
 * instance.
 */
export type FencingToken = number;

/**
 * Parses an etcd revision or a Postgres bigint, both of which arrive as strings.
 *
 * @throws RangeError when JavaScript cannot represent the number exactly; continuing could break
 *   the order of tokens
 */
export function exactInteger(text: string | number | bigint): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) {
    throw new RangeError(`${String(text)} is not an integer that a JSON number represents exactly`);
  }
  return value;
}
