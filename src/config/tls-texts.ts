import { X509Certificate, createPrivateKey } from 'node:crypto';

import { errorText } from '../error-text.ts';
import type { ReadFile } from './read-file.ts';

/** What TLS needs, as PEM texts; without any of them, the system's trust store is used. */
export interface TlsTexts {
  /** The authorities to trust in place of the system's. */
  ca?: string | undefined;
  /** The client's certificate, with its intermediates. */
  cert?: string | undefined;
  /** The private key of `cert`. */
  key?: string | undefined;
}

/** What holds each text, for people, such as `LEASEHOLD_NATS_CA_FILE`. */
export interface TlsNames {
  ca: string;
  cert: string;
  key: string;
}

/** Names of the variables that begin with the prefix, such as `LEASEHOLD_NATS`. */
export function tlsVariables(prefix: string): TlsNames {
  return { ca: `${prefix}_CA_FILE`, cert: `${prefix}_CERT_FILE`, key: `${prefix}_KEY_FILE` };
}

/**
 * A function that reads certificate files. It returns the same object for as long as they stay the
 * same.
 *
 * @returns it throws an Error that begins with the variable's name if a file cannot be read, holds
 *   something else, or does not belong to the others
 */
export function tlsFiles(prefix: string, paths: TlsTexts, readFile: ReadFile): () => TlsTexts {
  const names = tlsVariables(prefix);
  let last: TlsTexts | undefined;
  return () => {
    const texts: TlsTexts = {};
    for (const name of ['ca', 'cert', 'key'] as const) {
      const path = paths[name];
      if (path !== undefined) texts[name] = readNamed(path, names[name], readFile);
    }
    if (
      last !== undefined &&
      texts.ca === last.ca &&
      texts.cert === last.cert &&
      texts.key === last.key
    )
      return last;
    const problem = tlsTextsProblem(texts, names);
    if (problem !== undefined) throw new Error(problem);
    last = texts;
    return texts;
  };
}

/** @throws Error that begins with the name */
export function readNamed(path: string, name: string, readFile: ReadFile): string {
  try {
    return readFile(path);
  } catch (cause) {
    throw new Error(`${name} names a file that cannot be read: ${errorText(cause)}`, { cause });
  }
}

/** What is wrong with the texts by themselves; undefined if nothing is. */
export function tlsTextsProblem(
  texts: TlsTexts,
  names: TlsNames,
  passphrase?: string,
): string | undefined {
  const { ca, cert, key } = texts;
  if (ca !== undefined && certificate(ca) === undefined)
    return `${names.ca} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)`;
  if (cert === undefined || key === undefined) return undefined;
  const own = certificate(cert);
  if (own === undefined)
    return `${names.cert} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)`;
  try {
    const matches = own.checkPrivateKey(createPrivateKey({ key, passphrase }));
    return matches ? undefined : `${names.cert} and ${names.key} do not belong together`;
  } catch (cause) {
    return `${names.key} holds no private key in PEM that can be read (${errorText(cause)})`;
  }
}

/** Why a server may refuse the certificate: its validity; undefined if that is not it. */
export function validityProblem(cert: string, nowMs: number): string | undefined {
  const own = certificate(cert);
  if (own === undefined) return undefined;
  if (Date.parse(own.validTo) < nowMs) return `expired on ${own.validTo}`;
  if (Date.parse(own.validFrom) > nowMs) return `is not valid before ${own.validFrom}`;
  return undefined;
}

function certificate(text: string): X509Certificate | undefined {
  try {
    return new X509Certificate(text);
  } catch {
    return undefined;
  }
}

/**
 * Reads through `read`, and returns what it read last if that throws: while certificate files are
 * being replaced, one may be missing, or not belong to the other yet.
 *
 * @param warn called when it throws, with what is wrong; the same text only once in a row
 * @returns a function that throws only if the first call of `read` does
 */
export function keepingLast<T>(read: () => T, warn: (problem: string) => void): () => T {
  let last: { value: T } | undefined;
  let warned: string | undefined;
  return () => {
    try {
      last = { value: read() };
      warned = undefined;
    } catch (cause) {
      if (last === undefined) throw cause;
      const problem = `${errorText(cause)}; going on with what was read before`;
      if (warned !== problem) warn(problem);
      warned = problem;
    }
    return last.value;
  };
}
