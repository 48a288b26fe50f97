import { TransientMap } from '../transient-map.ts';
import type { Json } from '../json.ts';
import type { Row } from './row.ts';
import type { Step } from './views.ts';

/** An attempt that is open: its `started` row is the newest row of the log. */
export interface OpenAttempt {
  cellId: string;
  attempt: number;
  requestId: string | null;
  replicaId: string;
  fencingToken: number;
  idempotencyKey: string;
  since: string;
}

/**
 * An interrupted attempt that is not decided yet: its `interrupted` row is the newest row of the
 * log.
 */
export interface Doubt {
  cellId: string;
  attempt: number;
  reason: string;
  requestId: string | null;
  /**
   * The token of the interrupted attempt itself, which an effect may have been carried out under.
   */
  fencingToken: number;
  idempotencyKey: string;
  since: string;
}

/** What the log says of one cell. */
export interface CellRecord {
  /** The newest attempt's number. */
  attempts: number;
  /** Definite failures so far, decided ones included. */
  failures: number;
  /**
   * Interruptions since the last definite outcome or person's decision, `not_started` ones left
   * out.
   */
  interruptions: number;
  /** Undefined while the cell is not through. */
  result: 'satisfied' | 'skipped' | 'refuted' | undefined;
  /** What a satisfied cell gave; null for a skipped one. */
  output: Json | undefined;
  /** The newest definite failure, while it is the newest word on the cell. */
  failure: Json | undefined;
}

/** What the log of one instance adds up to. */
export interface InstanceState {
  lastSeq: number;
  lastToken: number;
  last: Row | undefined;
  open: OpenAttempt | undefined;
  doubt: Doubt | undefined;
  cells: Map<string, CellRecord>;
  /**
   * What the cells that are through gave, by cell id, as effects and placeholders see it; null for
   * a skipped one.
   */
  outputs: { [cellId: string]: Json };
  /** Every row by the request that it was written for. */
  stepsByRequest: TransientMap<string, Step[]>;
}

/** The state of an instance whose log is empty. */
export function emptyState(): InstanceState {
  return {
    lastSeq: 0,
    lastToken: 0,
    last: undefined,
    open: undefined,
    doubt: undefined,
    cells: new Map(),
    outputs: {},
    stepsByRequest: new TransientMap(),
  };
}

/** The state that a whole log adds up to. */
export function foldRows(rows: Iterable<Row>): InstanceState {
  const state = emptyState();
  for (const row of rows) applyRow(state, row);
  return state;
}

/**
 * Takes the next row into the state, in place: a held instance's state is kept by its holder, not
 * read anew.
 *
 * @throws Error when the row is not the next one; the caller has lost track of the log.
 */
export function applyRow(state: InstanceState, row: Row): void {
  if (row.seq !== state.lastSeq + 1) {
    throw new Error(
      `instance ${row.instanceId}: row ${row.seq} was applied after row ${state.lastSeq}`,
    );
  }
  const cell = recordOf(state, row.cellId);
  const interrupted = state.open;
  state.open = undefined;
  state.doubt = undefined;
  cell.attempts = Math.max(cell.attempts, row.attempt);
  switch (row.kind) {
    case 'started':
      cell.failure = undefined;
      state.open = {
        cellId: row.cellId,
        attempt: row.attempt,
        requestId: row.requestId,
        replicaId: row.replicaId,
        fencingToken: row.fencingToken,
        idempotencyKey: idempotencyKeyOf(row.instanceId, row.cellId, cell),
        since: row.recordedAt,
      };
      break;
    case 'completed':
      satisfy(state, row.cellId, cell, row.body['output'] ?? null);
      break;
    case 'failed':
      fail(cell, row.body['error'] ?? null);
      break;
    case 'interrupted': {
      const reason = textOf(row.body['reason']);
      if (reason !== 'not_started') cell.interruptions += 1;
      state.doubt = {
        cellId: row.cellId,
        attempt: row.attempt,
        reason,
        requestId: row.requestId,
        fencingToken: interrupted?.fencingToken ?? row.fencingToken,
        idempotencyKey: idempotencyKeyOf(row.instanceId, row.cellId, cell),
        since: row.recordedAt,
      };
      break;
    }
    case 'decided':
      decide(state, cell, row);
      break;
    case 'satisfied':
      satisfy(state, row.cellId, cell, row.body);
      break;
    case 'refuted':
      cell.result = 'refuted';
      cell.failure = row.body;
      break;
  }
  state.last = row;
  state.lastSeq = row.seq;
  state.lastToken = row.fencingToken;
  if (row.requestId !== null) {
    const step = { seq: row.seq, cellId: row.cellId, kind: row.kind, attempt: row.attempt };
    const steps = state.stepsByRequest.get(row.requestId);
    if (steps === undefined) state.stepsByRequest.set(row.requestId, [step]);
    else steps.push(step);
  }
}

/**
 * `instance/cell/run`, where run is one more than the cell's definite failures: the same across
 * interrupted attempts, so that a receiving system can tell a repeat; new after a definite failure,
 * so that a retry counts.
 */
export function idempotencyKeyOf(
  instanceId: string,
  cellId: string,
  cell: CellRecord | undefined,
): string {
  return `${instanceId}/${cellId}/${(cell?.failures ?? 0) + 1}`;
}

function decide(state: InstanceState, cell: CellRecord, row: Row): void {
  const by = textOf(row.body['by']);
  switch (row.body['as']) {
    case 'succeeded':
      satisfy(state, row.cellId, cell, row.body['output'] ?? null);
      return;
    case 'skipped':
      satisfy(state, row.cellId, cell, null);
      cell.result = 'skipped';
      return;
    case 'failed':
      fail(cell, row.body['reason'] ?? null);
      return;
    default:
      // A person who asks for another run has looked: the count of fruitless reruns starts over.
      if (!isAutomatic(by)) cell.interruptions = 0;
  }
}

/** Who decides without a person. The `@` keeps them out of the alphabet of agent ids. */
export const AUTOMATIC_DECIDERS = ['@policy', '@probe', '@late-outcome'] as const;
/** See {@link AUTOMATIC_DECIDERS}. */
export type AutomaticDecider = (typeof AUTOMATIC_DECIDERS)[number];

function isAutomatic(by: string): boolean {
  return (AUTOMATIC_DECIDERS as readonly string[]).includes(by);
}

function satisfy(state: InstanceState, cellId: string, cell: CellRecord, output: Json): void {
  cell.result = 'satisfied';
  cell.output = output;
  state.outputs[cellId] = output;
  cell.interruptions = 0;
  cell.failure = undefined;
}

function fail(cell: CellRecord, failure: Json): void {
  cell.failures += 1;
  cell.interruptions = 0;
  cell.failure = failure;
}

function recordOf(state: InstanceState, cellId: string): CellRecord {
  let cell = state.cells.get(cellId);
  if (cell === undefined) {
    cell = {
      attempts: 0,
      failures: 0,
      interruptions: 0,
      result: undefined,
      output: undefined,
      failure: undefined,
    };
    state.cells.set(cellId, cell);
  }
  return cell;
}

/** A member of a body that is text in every row that the guard let in. */
function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}
