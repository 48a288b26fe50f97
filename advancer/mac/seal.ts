import { createHmac, timingSafeEqual } from 'node:crypto';

import { z } from 'zod';

import type { NamespaceSecret } from '../../coordinator/secrets.ts';
import { Id } from '../../src/ids.ts';

/**
 * A message authentication code, as it is sent: which secret it was made with, and the code itself
 * (HMAC-SHA256, in base64url).
 */
export const Mac = z.strictObject({ key: Id, tag: z.string().length(43) });
/** See {@link Mac}. */
export type Mac = z.infer<typeof Mac>;

/** One member of what a MAC covers. */
export type Part = string | number | boolean | null | readonly string[];

/** Why a MAC is not believed. */
export type NotAuthentic =
  /** It was made with a secret that this process does not have. */
  | 'unknown_key'
  /** It was not made for this message, or not with this secret. */
  | 'wrong_mac';

/** Makes the MAC of a message. */
export function seal({ id, key }: NamespaceSecret, parts: readonly Part[]): Mac {
  return { key: id, tag: codeOf(key, parts).toString('base64url') };
}

/** Whether a MAC was made for exactly these parts with one of the secrets. */
export function open(
  secrets: readonly NamespaceSecret[],
  mac: Mac,
  parts: readonly Part[],
): 'authentic' | NotAuthentic {
  const secret = secrets.find(({ id }) => id === mac.key);
  if (secret === undefined) return 'unknown_key';
  const code = codeOf(secret.key, parts);
  const given = Buffer.from(mac.tag, 'base64url');
  // In constant time: how long it takes says nothing about how much of the code is right.
  return given.length === code.length && timingSafeEqual(given, code) ? 'authentic' : 'wrong_mac';
}

function codeOf(key: NamespaceSecret['key'], parts: readonly Part[]): Buffer {
  return createHmac('sha256', key).update(textOf(parts)).digest();
}

/**
 * The text that is authenticated. A JSON array is unambiguous: two lists of parts have the same
 * text only if they are equal, part by part, because JSON marks where each string ends.
 */
function textOf(parts: readonly Part[]): string {
  return JSON.stringify(['leasehold replicas 1', ...parts]);
}
