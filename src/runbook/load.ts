import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';

import { errorText } from '../error-text.ts';
import { decodeUtf8, notUtf8Text } from '../utf8.ts';
import { importModule, MODULE_ENDINGS } from './import-module.ts';
import { parsedDocument, parseRunbook, parseRunbookValue, type ParsedRunbook } from './parse.ts';
import type { Problem, RunbookError } from './problem.ts';
import type { Runbook } from './runbook.ts';

/** The runbooks of a file, or everything that is wrong with them; and what may surprise. */
export type LoadedRunbooks =
  | { ok: true; runbooks: Runbook[]; warnings: Problem[] }
  | { ok: false; problems: Problem[]; warnings: Problem[] };

const MARKDOWN_ENDINGS = ['.md', '.markdown'];
const TEXT_ENDINGS = ['.yaml', '.yml', '.json', ...MARKDOWN_ENDINGS];

/**
 * Reads a runbook file: `.yaml`, `.yml`, `.json`, Markdown (`.md`, `.markdown`), or a module
 * (`.ts`, `.mts`, `.js`, `.mjs`) whose default export is a runbook or a list of them, or which
 * exports several by name. Never rejects: a file that cannot be read is also a problem.
 */
export async function loadRunbookFile(path: string): Promise<LoadedRunbooks> {
  const ending = extname(path).toLowerCase();
  if (MODULE_ENDINGS.includes(ending)) return loadModule(path);
  if (!TEXT_ENDINGS.includes(ending)) {
    return refuse(path, `must end in ${[...TEXT_ENDINGS, ...MODULE_ENDINGS].join(', ')}`);
  }
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    return refuse(path, `cannot be read: ${errorText(error)}`);
  }
  const decoded = decodeUtf8(bytes);
  if (!decoded.ok) {
    const { line, column } = decoded;
    const problem = { file: path, line, column, message: notUtf8Text(decoded) };
    return { ok: false, problems: [problem], warnings: [] };
  }
  if (MARKDOWN_ENDINGS.includes(ending)) {
    // Loaded here, because most programs that read runbooks never read Markdown.
    const { readMarkdown } = await import('./markdown.ts');
    return joined([parsedDocument(readMarkdown(decoded.text), path)]);
  }
  const format = ending === '.json' ? 'json' : 'yaml';
  return joined([parseRunbook(decoded.text, { file: path, format })]);
}

async function loadModule(path: string): Promise<LoadedRunbooks> {
  let exported: Record<string, unknown>;
  try {
    exported = await importModule(path);
  } catch (error) {
    // The module may have another copy of RunbookError, so recognize it by its shape.
    const { problems, warnings = [] } = (error ?? {}) as Partial<RunbookError>;
    if (Array.isArray(problems)) {
      const inFile = (problem: Problem): Problem => ({ ...problem, file: path });
      return { ok: false, problems: problems.map(inFile), warnings: warnings.map(inFile) };
    }
    return refuse(path, `cannot be imported: ${errorText(error)}`);
  }
  const byDefault = exported['default'];
  const candidates =
    byDefault === undefined ? Object.values(exported).filter(looksLikeRunbook) : [byDefault].flat();
  if (candidates.length === 0) {
    return refuse(path, 'exports no runbook: write `export default defineRunbook({…})`');
  }
  return joined(candidates.map((candidate) => parseRunbookValue(candidate, path)));
}

function looksLikeRunbook(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'runbook' in value && 'cells' in value;
}

function joined(parsed: ParsedRunbook[]): LoadedRunbooks {
  const problems = parsed.flatMap((one) => (one.ok ? [] : one.problems));
  const warnings = parsed.flatMap((one) => one.warnings);
  if (problems.length > 0) return { ok: false, problems, warnings };
  return { ok: true, runbooks: parsed.flatMap((one) => (one.ok ? [one.runbook] : [])), warnings };
}

function refuse(file: string, message: string): LoadedRunbooks {
  return { ok: false, problems: [{ file, line: 0, message }], warnings: [] };
}
