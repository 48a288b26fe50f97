import type { Json, JsonObject } from '../json.ts';
import { parseWaitMs } from '../time/duration.ts';
import { checkAttempt } from './check-effect.ts';
import { checkConditions } from './check-conditions.ts';
import { checkProse } from './check-secrets.ts';
import {
  checkPlaceholders,
  error,
  warning,
  type CellContext,
  type ReadCell,
} from './check-names.ts';
import type { AwaitCell, Cell, RunCell } from './cells.ts';
import { isEffect, type Undo } from './effect.ts';
import type { Finding, Path } from './problem.ts';

/** What of the runbook's own fields its cells depend on. */
export interface HeadContext {
  /** The names of the declared inputs. */
  inputs: readonly string[];
  /** The schemas of those that have a valid one. */
  schemas: Readonly<Record<string, JsonObject>>;
  onHalt: unknown;
}

/**
 * Checks what the schema of a runbook cannot: that names exist, in the right order, and more. Of a
 * cell with schema errors, the parts that have none are checked, and the names in the others.
 */
export function checkCells(head: HeadContext, cells: readonly ReadCell[]): Finding[] {
  const { inputs, schemas, onHalt } = head;
  const findings: Finding[] = [];
  const firstAt = new Map<string, number>();
  for (const [i, { id }] of cells.entries()) {
    if (id === undefined) continue;
    const earlier = firstAt.get(id);
    if (earlier === undefined) firstAt.set(id, i);
    else
      findings.push(error(['cells', i, 'id'], `is used twice: cell ${earlier + 1} is also ${id}`));
  }
  for (const [i, name] of inputs.entries()) {
    if (inputs.indexOf(name) < i) findings.push(error(['inputs', i], `declares ${name} twice`));
  }
  for (const [i, { cell, rest, removed = [] }] of cells.entries()) {
    const context = { inputs, schemas, cells, firstAt, here: i };
    const readable = cell ?? rest;
    const found = [
      ...(readable === undefined ? [] : checkCell(readable, context)),
      ...removed
        .filter(({ path }) => path[0] !== 'prose')
        .flatMap(({ path, value }) =>
          checkPlaceholders(value, path, { ...context, isUndo: path[0] === 'undo' }),
        ),
    ];
    findings.push(...found.map((finding) => ({ ...finding, path: ['cells', i, ...finding.path] })));
  }
  const isUnread = cells.some(({ type, cell }) => type === undefined && cell === undefined);
  if (!isUnread && !cells.some(({ type }) => type === 'exec' || type === 'run')) {
    findings.push(warning(['cells'], 'have no exec or run cell, so this runbook does nothing'));
  }
  if (onHalt === 'undo' && !isUnread && !cells.some(hasUndo)) {
    const message = 'is undo, but no cell defines one: a halted instance would be cancelled';
    findings.push(warning(['onHalt'], message));
  }
  return findings;
}

function hasUndo({ cell, rest, removed = [] }: ReadCell): boolean {
  const readable = cell ?? rest;
  return (
    (readable !== undefined && 'undo' in readable && readable.undo !== undefined) ||
    removed.some(({ path }) => path[0] === 'undo')
  );
}

function checkCell(cell: Cell, context: CellContext): Finding[] {
  if ('prose' in cell) return checkProse(cell.prose);
  return [
    ...checkConditions(cell.when ?? [], ['when'], context),
    ...checkContent(cell, context),
    ...('undo' in cell && cell.undo !== undefined ? checkUndo(cell.undo, context) : []),
  ];
}

function checkContent(cell: Exclude<Cell, { prose: string }>, context: CellContext): Finding[] {
  if ('await' in cell) {
    return [
      ...checkPlaceholders(cell.await as JsonObject, ['await'], context),
      ...checkWait(cell.await),
    ];
  }
  if ('assert' in cell) return checkConditions(cell.assert, ['assert'], context);
  if ('run' in cell) return checkRun(cell.run, context);
  return checkAttempt(cell, context);
}

function checkRun({ inputs, ...rest }: RunCell['run'], context: CellContext): Finding[] {
  const perElement = { ...context, hasEach: rest.each !== undefined };
  return [
    ...checkPlaceholders(rest as JsonObject, ['run'], context),
    ...checkPlaceholders(inputs ?? {}, ['run', 'inputs'], perElement),
  ];
}

function checkWait(wait: AwaitCell['await']): Finding[] {
  return (['for', 'within'] as const).flatMap((name) => {
    const text = (wait as { [field: string]: Json | undefined })[name];
    return typeof text === 'string' && parseWaitMs(text) === 0
      ? [error(['await', name], 'must be longer than zero')]
      : [];
  });
}

function checkUndo(undo: Undo, context: CellContext): Finding[] {
  const attempt = isEffect(undo) ? { exec: undo } : undo;
  // An undo that is an effect alone stands in the file without exec.
  const inFile = (path: Path): Path => ['undo', ...(isEffect(undo) ? path.slice(1) : path)];
  return checkAttempt(attempt, { ...context, isUndo: true }).map((finding) => ({
    ...finding,
    path: inFile(finding.path),
  }));
}
