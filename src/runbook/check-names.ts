import type { Json, JsonObject } from '../json.ts';
import type { Cell, CellType } from './cells.ts';
import { secretFault } from './check-secrets.ts';
import { didYouMean } from './nearest.ts';
import { placeholdersOf, placeholderText, type Placeholder } from './placeholder.ts';
import type { Finding, Path } from './problem.ts';
import type { CellReading } from './shape.ts';

/**
 * A cell as far as it could be read: one with a schema error still has its position and its id.
 */
export interface ReadCell extends Pick<CellReading, 'rest' | 'removed'> {
  id: string | undefined;
  type: CellType | undefined;
  cell: Cell | undefined;
}

/** What is known around a cell. */
export interface CellContext {
  /** The names of the declared inputs. */
  inputs: readonly string[];
  /** The schemas of those that have a valid one. */
  schemas: Readonly<Record<string, JsonObject>>;
  cells: readonly ReadCell[];
  /** The index at which each cell id is first used. */
  firstAt: ReadonlyMap<string, number>;
  here: number;
  /** What is checked runs after the cell itself, so it may use the cell's output. */
  isUndo?: boolean;
  /** What is checked is filled once for each element of a list. */
  hasEach?: boolean;
}

/** Checks that each placeholder in a value names an input, or a cell that has an output by then. */
export function checkPlaceholders(value: Json, path: Path, context: CellContext): Finding[] {
  return placeholdersOf(value, path).flatMap((use) => {
    if (use.placeholder === undefined)
      return [error(use.at, `has an invalid placeholder: ${use.fault}`)];
    const { root, path: names } = use.placeholder;
    const [name = ''] = names;
    const fault = root === 'secrets' ? secretFault(use.at) : faultOf(root, name, context);
    return fault === undefined
      ? []
      : [error(use.at, `refers to ${placeholderText(use.placeholder)}, ${fault}`)];
  });
}

function faultOf(
  root: Exclude<Placeholder['root'], 'secrets'>,
  name: string,
  context: CellContext,
): string | undefined {
  switch (root) {
    case 'inputs':
      return inputFault(name, context);
    case 'outputs':
      return outputFault(name, context);
    case 'each':
      return context.hasEach === true
        ? undefined
        : 'but there is no list here: each is for the inputs of a run cell that has each';
  }
}

/** Why there is no input with this name; continues a sentence after it. */
export function inputFault(name: string, { inputs }: CellContext): string | undefined {
  if (inputs.includes(name)) return undefined;
  const declared = inputs.length === 0 ? 'no inputs are declared' : `inputs: ${inputs.join(', ')}`;
  return `but ${name} is not declared (${declared})${didYouMean(name, inputs)}`;
}

/** Why the cell with this id has no output here; continues a sentence after its name. */
export function outputFault(id: string, context: CellContext): string | undefined {
  const index = context.firstAt.get(id);
  if (index === undefined) {
    return `but there is no cell ${id}${didYouMean(id, [...context.firstAt.keys()])}`;
  }
  if (index === context.here && context.isUndo !== true)
    return 'which is this cell itself, and has no output yet';
  if (index > context.here) return 'which comes later and has no output yet';
  return context.cells[index]?.type === 'prose'
    ? 'which is prose and never has an output'
    : undefined;
}

/** A finding that rejects the runbook. */
export function error(path: Path, message: string): Finding {
  return { path, severity: 'error', message };
}

/** A finding that its author may not expect. */
export function warning(path: Path, message: string): Finding {
  return { path, severity: 'warning', message };
}
