import { type Json, storableFault } from '../json.ts';
import type { Cell } from './cells.ts';
import type { ReadCell } from './check-names.ts';
import { checkCells } from './check.ts';
import { readDocument, type ReadDocument, type SourceDocument } from './document.ts';
import { isId } from '../ids.ts';
import type { Finding, Path, Problem } from './problem.ts';
import { checkInputs } from './inputs.ts';
import { readCell, readHead } from './shape.ts';
import type { Runbook } from './runbook.ts';

/** A valid runbook, or every problem with it; and what its author may not expect. */
export type ParsedRunbook =
  | { ok: true; runbook: Runbook; warnings: Problem[] }
  | { ok: false; problems: Problem[]; warnings: Problem[] };

/**
 * Parses a runbook's text. All problems and warnings are reported at once, each with its file, line
 * and cell. Never throws.
 */
export function parseRunbook(
  text: string,
  source: { file: string; format: 'yaml' | 'json' },
): ParsedRunbook {
  return parsedDocument(readDocument(text, source.format), source.file);
}

/** Checks the runbook of a text that has been read. Never throws. */
export function parsedDocument({ document, faults }: ReadDocument, file: string): ParsedRunbook {
  const more = document === undefined ? undefined : examine(document.value, file, document);
  if (faults.length === 0 && more !== undefined) return more;
  const problems: Problem[] = faults.map((fault) => ({ file, ...fault }));
  // What was wrong with a value is said once.
  const places = new Set(faults.map(({ line, column }) => `${line}:${column}`));
  const others = (more?.ok === false ? more.problems : []).filter(
    ({ line, column }) => !places.has(`${line}:${column}`),
  );
  return {
    ok: false,
    problems: [...problems, ...others].sort((a, b) => a.line - b.line),
    warnings: more?.warnings ?? [],
  };
}

/** Checks a runbook that is already a value, e.g. from a TypeScript file. Never throws. */
export function parseRunbookValue(value: unknown, file: string): ParsedRunbook {
  return examine(value, file, undefined);
}

function examine(
  value: unknown,
  file: string,
  document: SourceDocument | undefined,
): ParsedRunbook {
  const fault = jsonFault(value);
  const { runbook, findings } =
    fault === undefined ? readRunbook(value) : { runbook: undefined, findings: [fault] };
  const readings = (document?.warnings ?? []).filter(({ path }) => !isMoment(path));
  const problems = [...findings, ...readings].map((finding) => ({
    severity: finding.severity,
    problem: toProblem(finding, value, file, document),
  }));
  problems.sort((a, b) => a.problem.line - b.problem.line);
  const of = (severity: Finding['severity']): Problem[] =>
    problems.filter((one) => one.severity === severity).map((one) => one.problem);
  const warnings = of('warning');
  if (runbook === undefined) return { ok: false, problems: of('error'), warnings };
  return { ok: true, runbook, warnings };
}

/** Where a moment is expected, which is text in quotes or without. */
function isMoment([top, , field, inside]: Path): boolean {
  return top === 'cells' && field === 'await' && inside === 'until';
}

function readRunbook(value: unknown): { runbook: Runbook | undefined; findings: Finding[] } {
  const { head, findings } = readHead(value);
  const given = (value as { inputs?: unknown; onHalt?: unknown; cells?: unknown } | null) ?? {};
  // A list from TypeScript may have holes, which map() would keep.
  const list: unknown[] = Array.isArray(given.cells) ? [...(given.cells as unknown[])] : [];
  const cells = list.map((cell, i): ReadCell => {
    const read = readCell(cell);
    findings.push(
      ...read.findings.map((finding) => ({ ...finding, path: ['cells', i, ...finding.path] })),
    );
    const { type, rest, removed } = read;
    return { id: idOf(cell), type, cell: read.cell, rest, removed };
  });
  const inFile = checkInputs(given.inputs);
  findings.push(...inFile.findings);
  const { names: inputs, schemas } = inFile;
  if (cells.length > 0)
    findings.push(...checkCells({ inputs, schemas, onHalt: given.onHalt }, cells));
  if (head === undefined || findings.some((finding) => finding.severity === 'error')) {
    return { runbook: undefined, findings };
  }
  const whole = cells.flatMap(({ cell }): Cell[] => (cell === undefined ? [] : [cell]));
  return { runbook: { ...head, cells: whole }, findings };
}

function toProblem(
  finding: Finding,
  value: unknown,
  file: string,
  document: SourceDocument | undefined,
): Problem {
  const [top, index, ...inCell] = finding.path;
  const cells = (value as { cells?: unknown } | null)?.cells;
  const cellId =
    top === 'cells' && typeof index === 'number' && Array.isArray(cells)
      ? idOf(cells[index])
      : undefined;
  const field = (cellId === undefined ? finding.path : inCell).join('.');
  return {
    file,
    ...(finding.at ?? document?.locate(finding.path, finding.atKey) ?? { line: 0 }),
    ...(cellId === undefined ? {} : { cellId }),
    ...(field === '' ? {} : { field }),
    message: finding.message,
  };
}

function idOf(cell: unknown): string | undefined {
  if (typeof cell !== 'object' || cell === null || !('id' in cell)) return undefined;
  return isId(cell.id) ? cell.id : undefined;
}

const MAX_DEPTH = 100;

/**
 * The first thing in a value that JSON cannot represent or the log cannot store. For YAML and JSON
 * texts this has been checked before.
 */
function jsonFault(value: unknown, path: Path = []): Finding | undefined {
  const refuse = (message: string, atKey = false): Finding => ({
    path,
    atKey,
    severity: 'error',
    message,
  });
  if (path.length > MAX_DEPTH)
    return refuse(`is nested more than ${MAX_DEPTH} levels deep, or inside itself`);
  if (typeof value === 'string') {
    const message = storableFault(value);
    return message === undefined ? undefined : refuse(message);
  }
  if (value === null || value === undefined || typeof value === 'boolean') return undefined;
  if (typeof value === 'number')
    return Number.isFinite(value) ? undefined : refuse(`must not be ${value}`);
  if (typeof value !== 'object') return refuse(`must be a JSON value, not a ${typeof value}`);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!Array.isArray(value) && prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    return refuse(`must be a JSON value, not a ${value.constructor.name}`);
  }
  for (const [key, member] of Object.entries(value as Record<string, Json>)) {
    const at = [...path, Array.isArray(value) ? Number(key) : key];
    if (key === '__proto__')
      return { path: at, atKey: true, severity: 'error', message: 'is not allowed as a key' };
    const fault = jsonFault(member, at);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
