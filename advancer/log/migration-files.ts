import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';

/** One step of the schema. */
export interface Migration {
  version: number;
  name: string;
  sql: string;
  /** SHA-256 of the text, in hex; line endings do not count. */
  checksum: string;
  /** Functions that the text needs, by name: `migrate` applies them first. */
  requires: readonly string[];
}

const FOLDER = new URL('./migrations/', import.meta.url);
const FILE_NAME = /^(\d{4})_([a-z0-9_]+)\.sql$/;
/** The line that names the functions that a migration needs: `-- requires: one, other`. */
const REQUIRES = /^-- requires: *([a-z0-9_, ]+)$/m;

/** A migration of that text. */
export function migration(version: number, name: string, text: string): Migration {
  const [, names = ''] = REQUIRES.exec(text) ?? [];
  const requires = names.split(',').flatMap((one) => one.trim() || []);
  return { version, name, ...sqlText(text), requires };
}

/** The migration's file name without its ending. */
export function labelOf(one: Pick<Migration, 'version' | 'name'>): string {
  return `${String(one.version).padStart(4, '0')}_${one.name}`;
}

/** A text as it is sent, and its SHA-256 in hex; line endings do not count. */
export function sqlText(text: string): { sql: string; checksum: string } {
  const sql = text.replaceAll('\r\n', '\n');
  return { sql, checksum: createHash('sha256').update(sql).digest('hex') };
}

/**
 * The migrations that this program was shipped with, in order.
 *
 * @throws Error when the files are missing or not numbered 1, 2, 3, …
 */
export function shippedMigrations(): Migration[] {
  const files = readdirSync(FOLDER)
    .filter((file) => file.endsWith('.sql'))
    .sort();
  if (files.length === 0)
    throw new Error(`no migrations in ${FOLDER.pathname}: this installation is broken`);
  return files.map((file, index) => {
    const [, number, name] = FILE_NAME.exec(file) ?? [];
    if (number === undefined || name === undefined || Number(number) !== index + 1) {
      throw new Error(
        `migration ${file} should be number ${index + 1}, named like 0001_tables.sql`,
      );
    }
    return migration(Number(number), name, readFileSync(new URL(file, FOLDER), 'utf8'));
  });
}
