import { readFileSync } from 'node:fs';

import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';

import { ConfigError } from '../src/config/config-error.ts';
import { parseDurationMs } from '../src/time/duration.ts';
import { errorText } from '../src/error-text.ts';
import { isId } from '../src/ids.ts';
import type { Json, JsonObject } from '../src/json.ts';
import { isJsonObject } from '../src/json.ts';
import { inexactText, parseJsonText, type ParsedJson } from '../src/json-text.ts';
import { decodeUtf8, notUtf8Text } from '../src/utf8.ts';

/*
 * Parsers of options and arguments. Each throws InvalidArgumentError, which the command line
 * reports with the option's name and exit code 2.
 */

/**
 * The values of options that must be given. Commander would name only the first one that is
 * missing.
 *
 * @throws ConfigError that names all that are missing
 */
export function required<Values extends Record<string, unknown>>(
  command: Command,
  values: Values,
): { [Name in keyof Values]-?: NonNullable<Values[Name]> } {
  const missing = Object.keys(values).filter((name) => values[name] === undefined);
  if (missing.length > 0) {
    const flags = missing.map((name) => `--${name}`);
    const last = flags.pop() ?? '';
    const all = flags.length === 0 ? `${last} is` : `${flags.join(', ')} and ${last} are`;
    const path = `${command.parent?.name() ?? ''} ${command.name()}`.trim();
    throw new ConfigError([`${all} missing; run "${path} --help" for usage`]);
  }
  return values as { [Name in keyof Values]-?: NonNullable<Values[Name]> };
}

/** An id of an instance, a request, a claim, a cell or an agent. */
export function idFlag(text: string): string {
  if (isId(text)) return text;
  throw new InvalidArgumentError(
    'It must be 1 to 128 characters of A-Z a-z 0-9 _ -, such as refund-7.',
  );
}

/** A whole number of 1 or more. */
export function countFlag(text: string): number {
  const value = Number(text);
  if (/^\d{1,9}$/.test(text) && value >= 1) return value;
  throw new InvalidArgumentError('It must be a whole number of 1 or more, such as 3.');
}

/** A TCP port. */
export function portFlag(text: string): number {
  const value = Number(text);
  if (/^\d{1,5}$/.test(text) && value >= 1 && value <= 65_535) return value;
  throw new InvalidArgumentError('It must be a port from 1 to 65535, such as 4222.');
}

/** A duration, in milliseconds. */
export function durationFlag(text: string): number {
  const ms = parseDurationMs(text);
  if (ms !== undefined) return ms;
  throw new InvalidArgumentError('It must be a duration such as 200ms, 10s, 5m or 1h.');
}

/** Any JSON value, or `@FILE` to read it from a file. */
export function jsonFlag(text: string): Json {
  const source = text.startsWith('@') ? fileText(text.slice(1)) : text;
  let parsed: ParsedJson;
  try {
    parsed = parseJsonText(source);
  } catch (cause) {
    const why = errorText(cause);
    throw new InvalidArgumentError(
      `It must be JSON (${why}). Text needs quotes inside the quotes: '"like this"'.`,
    );
  }
  const [inexact] = parsed.inexact;
  if (inexact === undefined) return parsed.value;
  const why = inexactText(inexact);
  throw new InvalidArgumentError(`${why.charAt(0).toUpperCase()}${why.slice(1)}.`);
}

/** A JSON object, or `@FILE`. */
export function jsonObjectFlag(text: string): JsonObject {
  const value = jsonFlag(text);
  if (isJsonObject(value)) return value;
  throw new InvalidArgumentError(`It must be a JSON object, such as '{"order": "A-7"}'.`);
}

/** `name=text` or `name:=json`, collected over several flags. */
export function inputFlag(text: string, before: JsonObject = {}): JsonObject {
  const match = /^([^=:]+)(:?=)([\s\S]*)$/.exec(text);
  if (match === null) {
    throw new InvalidArgumentError(
      'It must be NAME=TEXT, or NAME:=JSON for a value that is not text.',
    );
  }
  const [, name = '', sign, value = ''] = match;
  if (Object.hasOwn(before, name))
    throw new InvalidArgumentError(`The input ${name} is given twice; remove one.`);
  return { ...before, [name]: sign === ':=' ? jsonFlag(value) : value };
}

function fileText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    const why = errorText(cause);
    throw new InvalidArgumentError(`The file cannot be read (${why}).`);
  }
  const decoded = decodeUtf8(bytes);
  if (decoded.ok) return decoded.text;
  throw new InvalidArgumentError(`The file ${notUtf8Text(decoded)}.`);
}
