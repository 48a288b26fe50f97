import type { Position } from './document.ts';

/** A path from the top of a runbook: `['cells', 2, 'expect', 0]`. */
export type Path = (string | number)[];

/** An error or a warning about a runbook's content. */
export interface Finding {
  path: Path;
  /** The finding is about the key at `path`, not its value. */
  atKey?: boolean | undefined;
  /** Where it is, if that does not follow from the path. */
  at?: Position;
  severity: 'error' | 'warning';
  /** Continues a sentence after the field's name: `must be …`. */
  message: string;
}

/** A problem in a runbook file, as reported to its author. */
export interface Problem {
  file: string;
  /** From 1; 0 when the runbook did not come from text. */
  line: number;
  column?: number;
  cellId?: string;
  /** The field inside the cell, or inside the runbook when no cell is named: `expect.0.pointer`. */
  field?: string;
  message: string;
}

/** One line for people: `refund.yaml:12 cell charge: expect.0.pointer must …`. */
export function formatProblem(problem: Problem): string {
  const where = problem.line > 0 ? `${problem.file}:${problem.line}` : problem.file;
  const cell = problem.cellId === undefined ? '' : ` cell ${problem.cellId}`;
  const field = problem.field === undefined ? '' : `${problem.field} `;
  return `${where}${cell}: ${field}${problem.message}`;
}

/** The runbook is invalid; the message lists every problem. */
export class RunbookError extends Error {
  override readonly name = 'RunbookError';
  readonly problems: Problem[];
  /** What the author may not expect, besides the problems. */
  readonly warnings: Problem[];

  constructor(problems: Problem[], warnings: Problem[] = []) {
    super(problems.map(formatProblem).join('\n'));
    this.problems = problems;
    this.warnings = warnings;
  }
}
