import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto';

import { isId } from '../src/ids.ts';
import type { ReplicaRecord } from './leases.ts';

/** How many bytes a secret has at least; it is as long as the MAC that is made with it. */
const SECRET_BYTES = 32;
/** A rotation needs two. Each one more is one more that may leak. */
const MAX_SECRETS = 8;

/** A secret that the replicas of a namespace share, and nobody else knows. */
export interface NamespaceSecret {
  /** Names it in messages and in records; says nothing about the secret. */
  readonly id: string;
  /** A `KeyObject` shows its bytes in no log. */
  readonly key: KeyObject;
}

/** What the value of the namespace's `secrets` key says. */
export type ReadSecrets =
  | { ok: true; secrets: readonly NamespaceSecret[] }
  /** What is wrong with it, as the end of a sentence. */
  | { ok: false; why: string };

/** A fresh secret. */
export function newSecret(): NamespaceSecret {
  return {
    id: randomBytes(4).toString('hex'),
    key: createSecretKey(randomBytes(SECRET_BYTES)),
  };
}

/** The value of the namespace's `secrets` key: the oldest secret comes first. */
export function secretsValue(secrets: readonly NamespaceSecret[]): string {
  return JSON.stringify({
    secrets: secrets.map(({ id, key }) => ({ id, secret: key.export().toString('base64url') })),
  });
}

/** Reads the value of the namespace's `secrets` key. Never quotes it. */
export function readSecrets(value: string): ReadSecrets {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    return { ok: false, why: 'it is not JSON' };
  }
  const list = (parsed as { secrets?: unknown } | null)?.secrets;
  if (!Array.isArray(list) || list.length === 0 || list.length > MAX_SECRETS)
    return { ok: false, why: `"secrets" is not a list of 1 to ${MAX_SECRETS}` };
  const secrets: NamespaceSecret[] = [];
  for (const [index, item] of list.entries()) {
    const { id, secret } = (item ?? {}) as { id?: unknown; secret?: unknown };
    if (!isId(id)) return { ok: false, why: `"id" of secret ${index + 1} is not an id` };
    if (secrets.some((other) => other.id === id))
      return { ok: false, why: `two secrets have the id ${id}` };
    const bytes = Buffer.from(typeof secret === 'string' ? secret : '', 'base64url');
    if (bytes.length < SECRET_BYTES)
      return { ok: false, why: `secret ${id} is not ${SECRET_BYTES} bytes or more in base64url` };
    secrets.push({ id, key: createSecretKey(bytes) });
  }
  return { ok: true, secrets };
}

/**
 * The secret to seal messages with: the newest that every registered replica has, as far as is
 * known. So a new one is used only once all can open what is sealed with it, and an old one is not
 * used any more once it may be removed. Replicas of versions that open no messages are left out.
 *
 * If none is known to all, it is the newest: then those that lack it are about to read it.
 */
export function signingSecret(
  own: readonly NamespaceSecret[],
  registered: readonly Pick<ReplicaRecord, 'mac' | 'secretIds'>[],
): NamespaceSecret | undefined {
  const opening = registered.filter(({ mac }) => mac !== undefined);
  return (
    own.findLast(({ id }) => opening.every(({ secretIds }) => secretIds?.includes(id) === true)) ??
    own.at(-1)
  );
}
