import { readFileSync, readdirSync } from 'node:fs';

import { sqlText } from './migration-files.ts';

/** A SQL function in a file named after it. Unlike a migration, its text may change. */
export interface SqlFunction {
  schema: string;
  name: string;
  /** Creates or replaces the function. */
  sql: string;
  /** SHA-256 of the text, in hex; line endings do not count. */
  checksum: string;
}

const FOLDER = new URL('./functions/', import.meta.url);
const CREATES = /^create or replace function ([a-z_]+)\.([a-z0-9_]+)\(/;

/**
 * A function of that text.
 *
 * @throws Error unless the text creates or replaces that function and no other one
 */
export function sqlFunction(name: string, text: string): SqlFunction {
  const statements = text.split('\n').filter((line) => line.startsWith('create '));
  const [, schema, created] = CREATES.exec(statements[0] ?? '') ?? [];
  if (statements.length !== 1 || schema === undefined || created !== name) {
    throw new Error(
      `functions/${name}.sql must create or replace the function ${name}, and nothing else`,
    );
  }
  return { schema, name, ...sqlText(text) };
}

/**
 * The functions that this program was shipped with.
 *
 * @throws Error when the files are missing, or one does not hold the function that its name says
 */
export function shippedFunctions(): SqlFunction[] {
  const files = readdirSync(FOLDER)
    .filter((file) => file.endsWith('.sql'))
    .sort();
  if (files.length === 0)
    throw new Error(`no functions in ${FOLDER.pathname}: this installation is broken`);
  return files.map((file) =>
    sqlFunction(file.slice(0, -'.sql'.length), readFileSync(new URL(file, FOLDER), 'utf8')),
  );
}
