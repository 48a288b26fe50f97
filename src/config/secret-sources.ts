import { isUtf8 } from 'node:buffer';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { errorText } from '../error-text.ts';
import { isId } from '../ids.ts';
import { withoutCredentials } from '../redaction.ts';

/** The variable that names the directory with one file per secret. */
export const SECRETS_DIR = 'LEASEHOLD_SECRETS_DIR';
/** What the variables begin with that are secrets themselves. */
export const SECRET_PREFIX = 'LEASEHOLD_SECRET_';

/** Where a replica's secrets come from. */
export interface SecretSources {
  /** A directory with one file per secret. */
  dir: string | undefined;
  /** The secrets among the variables, by name. */
  variables: Readonly<Record<string, string>>;
}

/** A secret as it was read, or why it cannot be used; that continues a sentence after its name. */
export type SecretReading = { ok: true; value: string } | { ok: false; problem: string };

/** A shorter one could not be told from ordinary text in what effects print. */
const LEAST_BYTES = 8;
/** Larger ones are not secrets but documents; a longer variable could not be passed on. */
const MOST_BYTES = 16_384;

/** Reads a value. What is wrong with it never shows it. */
export function readSecret(value: string): SecretReading {
  const bytes = Buffer.byteLength(value);
  const problem =
    bytes < LEAST_BYTES
      ? `is shorter than ${LEAST_BYTES} bytes, so it could not be told from ordinary text when outputs are redacted; use a longer secret`
      : bytes > MOST_BYTES
        ? TOO_LARGE
        : value.includes('\0')
          ? 'contains a NUL character, which no header, argument or variable can; use text, such as the secret in base64'
          : /[\p{Surrogate}\ufffd]/u.test(value)
            ? NOT_UTF8
            : value.replace(/[\s\\]/g, '').length < 4
              ? 'is hardly more than white space and backslashes; use another secret'
              : undefined;
  return problem === undefined ? { ok: true, value } : { ok: false, problem };
}

const TOO_LARGE = `has more than ${MOST_BYTES} bytes; keep documents elsewhere, and the key to them here`;
const NOT_UTF8 = 'is not text in UTF-8; use text, such as the secret in base64';

/** Why a secret cannot have this name; continues a sentence after the name. */
function secretNameFault(name: string): string | undefined {
  return isId(name)
    ? undefined
    : 'is not the name of a secret: use 1 to 128 characters of A-Z a-z 0-9 _ -';
}

/** One file of the directory. */
export interface SecretFile {
  /** Changes whenever the file does. */
  version: string;
  /** Reads its content. */
  read: () => SecretReading;
}

/**
 * The files of the directory, by name. Those whose names begin with a dot are left out: a volume of
 * Kubernetes keeps the real ones there.
 *
 * @throws the system's error, if the directory cannot be read
 */
export function secretFiles(dir: string): Map<string, SecretFile> {
  const files = new Map<string, SecretFile>();
  for (const name of readdirSync(dir).sort()) {
    if (name.startsWith('.')) continue;
    const path = join(dir, name);
    files.set(name, { version: versionOf(path), read: () => readSecretFile(name, path) });
  }
  return files;
}

function versionOf(path: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join();
  } catch (cause) {
    return errorText(cause);
  }
}

function readSecretFile(name: string, path: string): SecretReading {
  const problem = secretNameFault(name);
  if (problem !== undefined) return { ok: false, problem };
  try {
    const seen = statSync(path);
    if (!seen.isFile()) return { ok: false, problem: 'is not a file; move it away' };
    if (seen.size > MOST_BYTES + 2) return { ok: false, problem: TOO_LARGE };
    const bytes = readFileSync(path);
    if (!isUtf8(bytes)) return { ok: false, problem: NOT_UTF8 };
    return readSecret(bytes.toString('utf8').replace(/\r?\n$/, ''));
  } catch (cause) {
    return { ok: false, problem: `cannot be read: ${errorText(cause)}` };
  }
}

/**
 * The secrets among a process's variables, and what is wrong with them and with the files.
 *
 * @param onProblem receives the variable, and how a sentence about it goes on
 */
export function readSecretSources(
  env: Readonly<Record<string, string | undefined>>,
  dir: string | undefined,
  onProblem: (variable: string, problem: string) => void,
): SecretSources {
  const variables: Record<string, string> = {};
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith(SECRET_PREFIX) || value === undefined) continue;
    const name = variable.slice(SECRET_PREFIX.length);
    const read = readSecret(value);
    const problem = secretNameFault(name) ?? (read.ok ? undefined : read.problem);
    if (problem !== undefined) onProblem(variable, problem);
    else variables[name] = value;
  }
  for (const [name, problem] of problemsOfFiles(dir, variables))
    onProblem(SECRETS_DIR, name === undefined ? problem : `has ${name}, which ${problem}`);
  return { dir, variables };
}

function problemsOfFiles(
  dir: string | undefined,
  variables: Readonly<Record<string, string>>,
): [name: string | undefined, problem: string][] {
  if (dir === undefined) return [];
  try {
    return [...secretFiles(dir)].flatMap(([name, { read }]): [string, string][] => {
      const reading = read();
      if (!reading.ok) return [[name, reading.problem]];
      const twice = `is set by ${SECRET_PREFIX}${name}, too; keep one`;
      return variables[name] === undefined ? [] : [[name, twice]];
    });
  } catch (cause) {
    // Somebody may have given it a URL.
    const why = withoutCredentials(errorText(cause));
    return [[undefined, `names a directory that cannot be read: ${why}`]];
  }
}
