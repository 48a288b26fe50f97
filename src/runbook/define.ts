import type { z } from 'zod';

import { parseRunbookValue } from './parse.ts';
import { RunbookError } from './problem.ts';
import type { AssertCell, AwaitCell, ExecCell, ProseCell, Runbook } from './runbook.ts';

/** A cell as an author writes it: fields with a default are optional. */
export type CellDefinition =
  | z.input<typeof ExecCell>
  | z.input<typeof AwaitCell>
  | z.input<typeof AssertCell>
  | z.input<typeof ProseCell>;

/** A runbook as an author writes it in TypeScript; the same shape as a file. */
export interface RunbookDefinition {
  runbook: string;
  version: number;
  inputs?: readonly string[];
  cells: readonly CellDefinition[];
}

/**
 * Defines a runbook in TypeScript.
 *
 * @throws RunbookError that lists every problem
 */
export function defineRunbook(definition: RunbookDefinition): Runbook {
  const parsed = parseRunbookValue(definition, `runbook ${definition.runbook}`);
  if (!parsed.ok) throw new RunbookError(parsed.problems, parsed.warnings);
  return parsed.runbook;
}
