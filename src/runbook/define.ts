import type { z } from 'zod';

import type { JsonObject } from '../json.ts';
import type { AssertCell, AwaitCell, ExecCell, ProseCell, RunCell } from './cells.ts';
import type { OnHalt } from './head.ts';
import { parseRunbookValue } from './parse.ts';
import { RunbookError } from './problem.ts';
import type { Runbook } from './runbook.ts';

/** A cell as an author writes it: fields with a default are optional. */
export type CellDefinition =
  | z.input<typeof ExecCell>
  | z.input<typeof AwaitCell>
  | z.input<typeof AssertCell>
  | z.input<typeof RunCell>
  | z.input<typeof ProseCell>;

/** A runbook as an author writes it in TypeScript; the same shape as a file. */
export interface RunbookDefinition {
  runbook: string;
  version: number;
  title?: string;
  description?: string;
  onHalt?: OnHalt;
  /** Names, or a JSON Schema by name. */
  inputs?: readonly string[] | Readonly<Record<string, JsonObject>>;
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
