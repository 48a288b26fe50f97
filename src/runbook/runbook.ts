import type { Cell } from './cells.ts';
import type { Inputs, OnHalt } from './head.ts';

export {
  cellType,
  onInterrupt,
  type AwaitCell,
  type Cell,
  type CellType,
  type ExecCell,
  type RunCell,
} from './cells.ts';
export type { Effect, Expectation, OutputMode } from './effect.ts';

/** A versioned, immutable, ordered list of cells. */
export interface Runbook {
  runbook: string;
  version: number;
  title?: string | undefined;
  description?: string | undefined;
  /** What follows when a cell halts the instance; default `hold`. */
  onHalt?: OnHalt | undefined;
  /** The inputs that `start` must give: their names, or a JSON Schema by name. */
  inputs: Inputs;
  cells: Cell[];
}
