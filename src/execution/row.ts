import type { JsonObject } from '../json.ts';
import type { FencingToken } from '../ids.ts';

/** The kinds of rows in an instance's log. */
export const ROW_KINDS = [
  'started',
  'completed',
  'failed',
  'interrupted',
  'decided',
  'satisfied',
  'refuted',
  'skipped',
  'unwinding',
  'cancelled',
] as const;

/** The kind of a row. See the table in `docs/protocol.md`. */
export type RowKind = (typeof ROW_KINDS)[number];

/**
 * Why an attempt is in doubt.
 *
 * - `crash`, `timeout`, `aborted`: its outcome is unknown.
 * - `not_started`: its own process reported that the effect never began.
 * - `unverified`: its `expect` could not be evaluated, because its output was lost. Only a person
 *   settles it. With `happened: true` the effect itself succeeded.
 */
export type InterruptReason = (typeof INTERRUPT_REASONS)[number];
/** See {@link InterruptReason}. */
export const INTERRUPT_REASONS = [
  'crash',
  'timeout',
  'aborted',
  'not_started',
  'unverified',
] as const;

/**
 * What a fenced holder reports of an attempt after its term was over: an outcome, that the effect
 * never began, or an `unverified` one. See {@link InterruptReason}.
 */
export type LateKind = 'completed' | 'failed' | 'not_started' | 'unverified';

/**
 * Whether a row opens something: an attempt, or the verdict on a cell that has none. It needs the
 * row before it to be at rest.
 */
export function opens({ kind }: Pick<NewRow, 'kind'>): boolean {
  return kind === 'started' || kind === 'satisfied' || kind === 'refuted' || kind === 'skipped';
}

/** Whether a row is about the instance as a whole, and not about the cell that it names. */
export function isOfInstance({ kind }: Pick<NewRow, 'kind'>): boolean {
  return kind === 'unwinding' || kind === 'cancelled';
}

/** How a doubt was settled. */
export const VERDICTS = ['succeeded', 'failed', 'rerun', 'skipped'] as const;
/** See {@link VERDICTS}. */
export type Verdict = (typeof VERDICTS)[number];

/** A row before the database has stamped it. */
export interface NewRow {
  instanceId: string;
  /** Position in the instance's log, from 1. */
  seq: number;
  fencingToken: FencingToken;
  replicaId: string;
  kind: RowKind;
  cellId: string;
  /**
   * From 1. A cell without effects (await, assert, run) counts its verdicts. `unwinding` and
   * `cancelled` have the cell and the attempt of the row before.
   */
  attempt: number;
  /** The request that the row was written for; null for a row of recovery or of a decision. */
  requestId: string | null;
  agentId: string | null;
  body: JsonObject;
}

/** A row of an instance's append-only log. */
export interface Row extends NewRow {
  /** ISO 8601, by the database's clock. */
  recordedAt: string;
}

/**
 * The row with its time. Every row of a log passes through here, so the members are written out:
 * spreading the row and then adding to the copy gives V8 objects of different shapes.
 */
export function stampedRow(row: NewRow, recordedAt: string): Row {
  return {
    instanceId: row.instanceId,
    seq: row.seq,
    fencingToken: row.fencingToken,
    replicaId: row.replicaId,
    kind: row.kind,
    cellId: row.cellId,
    attempt: row.attempt,
    requestId: row.requestId,
    agentId: row.agentId,
    body: row.body,
    recordedAt,
  };
}

/** A row in its wire format: the columns of `leasehold.executions`. */
export interface WireRow {
  instance_id: string;
  seq: number;
  fencing_token: number;
  replica_id: string;
  kind: RowKind;
  cell_id: string;
  attempt: number;
  request_id: string | null;
  agent_id: string | null;
  body: JsonObject;
  recorded_at: string;
  /**
   * True in an event that was too large for a message: `body` then lacks its large members. A
   * status with the cell's `cellId`, or with `log`, has more.
   */
  body_truncated?: true;
}

/** Converts a row to its wire format. */
export function toWireRow(row: Row): WireRow {
  return {
    instance_id: row.instanceId,
    seq: row.seq,
    fencing_token: row.fencingToken,
    replica_id: row.replicaId,
    kind: row.kind,
    cell_id: row.cellId,
    attempt: row.attempt,
    request_id: row.requestId,
    agent_id: row.agentId,
    body: row.body,
    recorded_at: row.recordedAt,
  };
}

/** Converts a row from its wire format. */
export function fromWireRow(wire: WireRow): Row {
  return {
    instanceId: wire.instance_id,
    seq: wire.seq,
    fencingToken: wire.fencing_token,
    replicaId: wire.replica_id,
    kind: wire.kind,
    cellId: wire.cell_id,
    attempt: wire.attempt,
    requestId: wire.request_id,
    agentId: wire.agent_id,
    body: wire.body,
    recordedAt: wire.recorded_at,
  };
}

/**
 * Whether two rows come from the same append, sent twice. A process never sends two different rows
 * that agree in these members.
 */
export function sameAppend(a: NewRow, b: NewRow): boolean {
  return (
    a.instanceId === b.instanceId &&
    a.seq === b.seq &&
    a.fencingToken === b.fencingToken &&
    a.replicaId === b.replicaId &&
    a.kind === b.kind &&
    a.cellId === b.cellId &&
    a.attempt === b.attempt &&
    a.requestId === b.requestId
  );
}
