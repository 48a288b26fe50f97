import { hash } from 'node:crypto';

import { derivedId } from '../ids.ts';
import { isJsonObject, type Json, type JsonObject } from '../json.ts';
import { lostOutput } from '../runbook/lost-output.ts';
import { fill, type Scope } from '../runbook/placeholder.ts';
import { MAX_CHILDREN } from '../runbook/fields.ts';
import type { RunCell, Runbook } from '../runbook/runbook.ts';
import type { Row, RowKind } from './row.ts';
import type { ChildrenView } from './views.ts';

/**
 * How many parents an instance may have above it. A runbook that runs itself ends here.
 */
export const MAX_DEPTH = 10;
/**
 * How many bytes of outputs the row of a run cell holds. Children whose outputs do not fit, the
 * largest first, keep their outputs in their logs.
 */
export const MAX_CHILD_OUTPUT_BYTES = 256 * 1024;
/**
 * How many bytes of inputs, as JSON, the children of one attempt of a run cell have together. They
 * are inserted by one statement, which Postgres ends after 1.5 s; these take a quarter of that.
 */
export const MAX_CHILD_INPUT_BYTES = 16 * 1024 * 1024;

/** A reason names at most this many children; the body lists all of them. */
const MAX_NAMED = 20;

/** One instance that a run cell asks for. */
export interface ChildPlan {
  /** The position of its element in the list, from 0; null without a list. */
  n: number | null;
  inputs: JsonObject;
}

/** How an instance ended for good. */
export type Ending = 'completed' | 'cancelled';

/** An instance that a run cell started. */
export interface Child {
  instanceId: string;
  cellId: string;
  n: number | null;
  /** The attempt of the run cell that started it. */
  attempt: number;
  runbookId: string;
  version: number;
  /** Undefined while it has not ended. Final, so that it is true whenever it was read. */
  ending: Ending | undefined;
}

/** A run cell that is next: its instances are to be started, or {@link judgeRun} judges them. */
export interface RunStep {
  do: 'run';
  cell: RunCell;
  attempt: number;
  runbookId: string;
  /** Undefined for the newest one, when they are started. */
  version: number | undefined;
  children: ChildPlan[];
}

type Judged = { do: 'satisfy' | 'refute'; cell: RunCell; attempt: number; body: JsonObject };

/**
 * What a run cell asks for. An empty list is satisfied at once; a list or inputs that cannot be
 * filled in refute the cell.
 */
export function planRun(cell: RunCell, attempt: number, scope: Scope): RunStep | Judged {
  const { runbook, version, each, inputs = {} } = cell.run;
  const refute = (error: string): Judged => ({ do: 'refute', cell, attempt, body: { error } });
  let elements: (Json | undefined)[] = [undefined];
  if (each !== undefined) {
    const list = fill(each, scope);
    if (!list.ok) return refute(`each: ${list.message}`);
    if (!Array.isArray(list.value))
      return refute(`each: must be a list, not ${kindOf(list.value)}`);
    elements = list.value;
    if (elements.length > MAX_CHILDREN) {
      return refute(
        `each: has ${elements.length} elements, and a run cell starts at most ${MAX_CHILDREN}: ` +
          'use several run cells, or children that have children',
      );
    }
    if (elements.length === 0) return { do: 'satisfy', cell, attempt, body: { instances: [] } };
  }
  const children: ChildPlan[] = [];
  for (const [n, element] of elements.entries()) {
    const own = element === undefined ? scope : { ...scope, each: element };
    const filled = fill(inputs, own);
    if (!filled.ok)
      return refute(element === undefined ? filled.message : `element ${n}: ${filled.message}`);
    children.push({
      n: element === undefined ? null : n,
      inputs: isJsonObject(filled.value) ? filled.value : {},
    });
  }
  return { do: 'run', cell, attempt, runbookId: runbook, version, children };
}

/** What a child is derived from. */
export interface ChildPlace {
  parentId: string;
  cellId: string;
  n: number | null;
  attempt: number;
}

/**
 * The id of a child: `<instance>-<cell>`, or `<instance>-<cell>-<n>` for an element of a list; from
 * attempt 2 on, with `-r<attempt>`. One that is too long for an id ends in a hash.
 */
export function childId(place: ChildPlace): string {
  return derivedId(childText(place));
}

/** The id of a child whose own id belongs to another instance. */
export function hashedChildId(place: ChildPlace): string {
  const { parentId, cellId, n, attempt } = place;
  // Of the origin, not of the id: two origins may have the same id.
  const digest = hash('sha256', JSON.stringify([parentId, cellId, n, attempt])).slice(0, 32);
  return `${childText(place).slice(0, 95)}-${digest}`;
}

function childText({ parentId, cellId, n, attempt }: ChildPlace): string {
  const base = n === null ? `${parentId}-${cellId}` : `${parentId}-${cellId}-${n}`;
  return attempt === 1 ? base : `${base}-r${attempt}`;
}

/** What an ending is derived from: the newest row of a log, without its large members. */
export interface NewestRow {
  kind: RowKind;
  cellId: string;
  /** Of a decision. */
  as: string | null;
}

/**
 * How an instance ended, from the newest row of its log alone: cells run in order, so it is
 * completed once the last of them has passed. A test compares this with `nextStep`.
 */
export function endingOf(
  { cells }: Pick<Runbook, 'cells'>,
  newest: NewestRow | undefined,
): Ending | undefined {
  if (newest?.kind === 'cancelled') return 'cancelled';
  const last = cells.findLast((cell) => !('prose' in cell));
  if (last === undefined) return 'completed';
  return newest?.cellId === last.id && passes(newest) ? 'completed' : undefined;
}

function passes({ kind, as }: NewestRow): boolean {
  switch (kind) {
    case 'completed':
    case 'satisfied':
    case 'skipped':
      return true;
    case 'decided':
      return as === 'succeeded' || as === 'skipped';
    default:
      return false;
  }
}

/** The children of a run cell at its present attempt, and those that are still to be started. */
export interface ChildrenAtHand {
  /** In the order of the list. */
  current: Child[];
  missing: ChildPlan[];
}

/**
 * Which of the children that were ever started count at this attempt. A child of an earlier attempt
 * counts unless it ended without completing: then another one takes its place.
 */
export function childrenAtHand(step: RunStep, known: readonly Child[]): ChildrenAtHand {
  const newest = new Map<number | null, Child>();
  for (const child of known) {
    if (child.cellId !== step.cell.id) continue;
    if ((newest.get(child.n)?.attempt ?? 0) < child.attempt) newest.set(child.n, child);
  }
  const current: Child[] = [];
  const missing: ChildPlan[] = [];
  for (const plan of step.children) {
    const child = newest.get(plan.n);
    const replaced = child?.ending === 'cancelled' && child.attempt < step.attempt;
    if (child === undefined || replaced) missing.push(plan);
    else current.push(child);
  }
  return { current, missing };
}

/** What the children of a run cell mean for it, once all of them are started. */
export type RunJudgement =
  { do: 'park'; children: ChildrenView } | { do: 'satisfy' } | { do: 'refute'; body: JsonObject };

/** Whether a run cell is satisfied or refuted, or the instance parks. */
export function judgeRun(cellId: string, children: readonly Child[]): RunJudgement {
  const view = childrenView(cellId, children);
  if (view.ended < view.total) return { do: 'park', children: view };
  const cancelled = children.filter(({ ending }) => ending === 'cancelled');
  if (cancelled.length === 0) return { do: 'satisfy' };
  const names = cancelled.map(({ instanceId }) => instanceId);
  const error = `${cancelled.length} of ${children.length} instances were cancelled: ${listed(names)}`;
  const instances = children.map(({ instanceId, ending }) => ({
    instanceId,
    status: ending ?? null,
  }));
  return { do: 'refute', body: { error, instances } };
}

/** How many children have ended, as receipts and `status` show it. */
export function childrenView(cellId: string, children: readonly Child[]): ChildrenView {
  const ended = children.filter(({ ending }) => ending !== undefined).length;
  return { cellId, ended, total: children.length };
}

/** The outputs of a completed child, or how many bytes they have if they do not fit. */
export type ChildOutputs = { outputs: JsonObject } | { bytes: number };

/** The output of a run cell whose children have all completed. */
export function runOutput(
  children: readonly Child[],
  outputs: ReadonlyMap<string, ChildOutputs>,
): JsonObject {
  const instances = children.map(({ instanceId }) => {
    const own = outputs.get(instanceId) ?? { outputs: {} };
    return {
      instanceId,
      status: 'completed',
      outputs: 'outputs' in own ? own.outputs : tooLarge(instanceId, own.bytes),
    };
  });
  return { instances };
}

function tooLarge(instanceId: string, bytes: number): JsonObject {
  const why =
    `the outputs of ${instanceId} have ${bytes} bytes, and those of all children together may ` +
    `have ${MAX_CHILD_OUTPUT_BYTES}; they are in its own log`;
  return lostOutput(why, bytes, '');
}

/**
 * What a row adds to the outputs of its instance; undefined for nothing. A test compares this with
 * the fold of whole logs.
 */
export function outputIn({ kind, body }: Pick<Row, 'kind' | 'body'>): Json | undefined {
  switch (kind) {
    case 'completed':
      return body['output'] ?? null;
    case 'satisfied':
      return body;
    case 'skipped':
      return null;
    case 'decided':
      if (body['as'] === 'succeeded') return body['output'] ?? null;
      return body['as'] === 'skipped' ? null : undefined;
    default:
      return undefined;
  }
}

/** Up to {@link MAX_NAMED} names in a sentence. */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMED).join(', ');
  return names.length > MAX_NAMED ? `${shown} and ${names.length - MAX_NAMED} more` : shown;
}

function kindOf(value: Json): string {
  if (value === null) return 'null';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
