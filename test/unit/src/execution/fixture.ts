import type { InstanceView } from '../../../../src/execution/plan.ts';
import { isRefusal } from '../../../../src/execution/outcome.ts';
import type { Row, RowKind } from '../../../../src/execution/row.ts';
import { foldRows } from '../../../../src/execution/state.ts';
import type { JsonObject } from '../../../../src/json.ts';
import type { Cell, ExecCell, Runbook } from '../../../../src/runbook/runbook.ts';

/**
 * Rows as they are written in a test: kind, cell, attempt, and what is different from the usual.
 */
export type Line = [
  kind: RowKind,
  cellId: string,
  attempt: number,
  body?: JsonObject,
  over?: Partial<Row>,
];

/**
 * A log of these lines. The time of a row is its seq in seconds; a `started` line that names no
 * idempotency key gets the one of its run.
 */
export function rows(...lines: Line[]): Row[] {
  return lines.map(([kind, cellId, attempt, body = {}, over = {}], index) => ({
    instanceId: 'i',
    seq: index + 1,
    fencingToken: 5,
    replicaId: 'a-00000001',
    kind,
    cellId,
    attempt,
    requestId: 'q1',
    agentId: 'agent',
    body: kind === 'started' ? { idempotencyKey: runKey(lines, index), ...body } : body,
    recordedAt: new Date((index + 1) * 1_000).toISOString(),
    ...over,
  }));
}

/** `instance/cell/run`, where run is one more than the cell's refusals before this line. */
function runKey(lines: readonly Line[], index: number): string {
  const cellId = lines[index]?.[1];
  const refusals = lines
    .slice(0, index)
    .filter(([kind, cell, , body = {}]) => cell === cellId && isRefusal({ kind, body }));
  return `i/${cellId}/${refusals.length + 1}`;
}

/** An instance of these cells whose log is these lines. */
export function viewOf(cells: Cell[], ...lines: Line[]): InstanceView {
  return viewOfBook({ runbook: 'book', version: 1, inputs: [], cells }, ...lines);
}

/** An instance of this runbook whose log is these lines. */
export function viewOfBook(runbook: Runbook, ...lines: Line[]): InstanceView {
  return {
    runbook,
    inputs: { order: 'o1' },
    recordedAt: '1970-01-01T00:00:00.000000Z',
    state: foldRows(rows(...lines)),
  };
}

export function exec(id: string, over: Partial<ExecCell> = {}): ExecCell {
  return { id, exec: { handler: 'any' }, ...over };
}

/** A cell that ran and completed. */
export const ran = (cellId: string, output: number = 1): Line[] => [
  ['started', cellId, 1],
  ['completed', cellId, 1, { output }],
];
/** An attempt that failed. */
export const failed = (cellId: string, attempt: number, body = {}): Line[] => [
  ['started', cellId, attempt],
  ['failed', cellId, attempt, { error: { message: 'no' }, ...body }],
];
/** A decision by an agent. */
export const decided = (cellId: string, attempt: number, as: string, more = {}): Line => [
  'decided',
  cellId,
  attempt,
  { as, by: 'ann', reason: 'looked', ...more },
];
