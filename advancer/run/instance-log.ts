import { stampedRow, type NewRow, type RowKind } from '../../src/execution/row.ts';
import { applyRow } from '../../src/execution/state.ts';
import { statusOf, type InstanceStatus } from '../../src/execution/status.ts';
import { nextCell, type InstanceView } from '../../src/execution/plan.ts';
import type { Step } from '../../src/execution/views.ts';
import { storableJson, type JsonObject } from '../../src/json.ts';
import type { Holding } from '../../src/lease/holding.ts';
import { isRecorded, type Receipt } from '../../src/request/receipt.ts';
import type { Rest } from '../log/due.ts';
import type { AppendOutcome, Projection, ProjectionLine, Snapshot } from '../log/log.ts';
import { appendUntilDefinite } from './append.ts';
import type { AttemptInHand } from './attempts.ts';
import { failAfterOutcome, placeOf } from './commit-log.ts';
import type { RunContext } from './context.ts';
import { closeForNoRequest, keepRefusedRows } from './evidence.ts';
import { closeRejected } from './rejected.ts';
import type { Lagging } from './late-projections.ts';
import { restamp } from './restamp.ts';
import { restOf, type Parked } from './rest.ts';
import { ProjectionLag } from './projection-lag.ts';
import { viewOf } from './view-of.ts';
import { isWaiting } from './waits.ts';

/** The request and the agent that a row is written for. */
export interface Requester {
  requestId: string | null;
  agentId: string | null;
}

/** The requester of rows that recovery writes by itself. */
export const NO_REQUESTER: Requester = { requestId: null, agentId: null };

/** A receipt to commit, and the agent whose request it answers. */
export interface Receipted {
  receipt: Receipt;
  agentId: string | null;
}

/**
 * What became of a commit, as its caller has to act on it.
 *
 * Unlike {@link AppendOutcome} it is definite, and what the log refused has been kept as evidence.
 */
export type Commit =
  /** `resent`: an earlier send had committed, so others may have seen the rows for a while. */
  { kind: 'committed'; resent: boolean } | NotCommitted;

/** Nothing was committed; the {@link InstanceLog} has diverged from the log. */
export type NotCommitted =
  /** Another row stands in this place: read the log again. */
  | { kind: 'conflict' }
  /** A higher token is in the log: this replica no longer leads the instance. */
  | { kind: 'handed_on' }
  /** The request has its receipt already. */
  | { kind: 'receipted'; receipt: Receipt }
  /** Postgres refuses what the rows hold, and nothing of them was written. */
  | { kind: 'rejected'; why: string };

const COMMITTED: Commit = { kind: 'committed', resent: false };

/**
 * The log of one instance, as read and written under one holding.
 *
 * Rows are proposed, which applies them to the state at once, and then committed together: the
 * outcome of one cell, what follows from it, and the intent of the next cell or the receipt go into
 * one append.
 */
export class InstanceLog implements Lagging {
  readonly holding: Holding;
  readonly view: InstanceView;
  /** Whether the instance goes on by itself. */
  readonly unattended: boolean;
  readonly #isChild: boolean;
  readonly #context: RunContext;
  readonly #projection = new ProjectionLag();
  #proposed: NewRow[] = [];
  #closing: AttemptInHand | undefined;
  #committedSeq: number;
  #diverged = false;
  /** When the newest committed row was written, on this machine's monotonic clock. */
  #newestAtMs: number;

  constructor(context: RunContext, holding: Holding, snapshot: Snapshot) {
    this.#context = context;
    this.holding = holding;
    this.view = viewOf(snapshot);
    this.unattended = snapshot.instance.unattended === true;
    this.#isChild = snapshot.instance.parent !== undefined;
    this.#committedSeq = this.view.state.lastSeq;
    // How old the newest row was when it was read, both by the database's clock: then no two clocks
    // are compared.
    const newestMs = Date.parse(snapshot.rows.at(-1)?.recordedAt ?? '');
    const ageMs = Number.isNaN(newestMs) ? 0 : Math.max(0, snapshot.readAtMs - newestMs);
    this.#newestAtMs = context.clock.monotonicMs() - ageMs;
  }

  /** How long nothing has been written to the log, in milliseconds. */
  quietForMs(nowMs: number): number {
    return nowMs - this.#newestAtMs;
  }

  /** Whether a later term has written to the log. */
  get superseded(): boolean {
    return this.view.state.lastToken > this.holding.token;
  }

  /** Whether a commit was refused: the state has rows that the log does not. */
  get diverged(): boolean {
    return this.#diverged;
  }

  /** Whether rows are proposed and not committed. */
  get dirty(): boolean {
    return this.#proposed.length > 0;
  }

  /** The rows of a request that are definitely in the log. */
  committedSteps(requestId: string): Step[] {
    const steps = this.view.state.stepsByRequest.get(requestId) ?? [];
    return steps.filter(({ seq }) => seq <= this.#committedSeq);
  }

  /** The first cell that is neither finished nor prose; null if there is none. */
  get nextCellId(): string | null {
    return nextCell(this.view.runbook, this.view.state)?.id ?? null;
  }

  /** Adds the next row. The state has it from now on; the log has it once it is committed. */
  propose(
    kind: RowKind,
    cellId: string,
    attempt: number,
    body: JsonObject,
    requester: Requester,
  ): void {
    const { instanceId, token } = this.holding;
    const row: NewRow = {
      instanceId,
      seq: this.view.state.lastSeq + 1,
      fencingToken: token,
      replicaId: this.#context.leases.replicaId,
      kind,
      cellId,
      attempt,
      requestId: requester.requestId,
      agentId: requester.agentId,
      body: storableJson(body),
    };
    this.#proposed.push(row);
    // The database stamps the row when it is committed. Until then people read this replica's time.
    const now = new Date(this.#context.clock.wallMs()).toISOString();
    applyRow(this.view.state, stampedRow(row, now));
  }

  /** The rows proposed next close this attempt. It stays in hand until they are definite. */
  closes(attempt: AttemptInHand): void {
    this.#closing = attempt;
  }

  /**
   * Appends what is proposed, and the receipt if there is one, all or nothing.
   *
   * @param parked what the next cell waits for, if it waits; see `statusOf`
   */
  async commit(receipted?: Receipted, parked?: Parked): Promise<Commit> {
    if (this.#proposed.length === 0 && receipted === undefined) return COMMITTED;
    const { receipt, agentId = null } = receipted ?? {};
    const { clock, attempts, failpoint } = this.#context;
    const rows = this.#proposed;
    const closing = this.#closing;
    this.#proposed = [];
    this.#closing = undefined;
    // A refusal leaves the instance as it was, and its line in the projection.
    const refuses = receipt !== undefined && !isRecorded(receipt.outcome);
    const status = statusOf(this.view, refuses ? isWaiting(this.view) : parked !== undefined);
    const requestId = receipt?.requestId ?? null;
    const sentMs = clock.monotonicMs();
    const lineWaits = refuses || this.#lineMayWait(status, sentMs);
    const outcome = await appendUntilDefinite(this.#context, {
      instanceId: this.holding.instanceId,
      fencingToken: this.holding.token,
      replicaId: this.#context.leases.replicaId,
      rows,
      receipt:
        receipt === undefined || requestId === null
          ? undefined
          : { requestId, agentId, receipt, lastSeq: this.view.state.lastSeq },
      projection: lineWaits ? undefined : this.#line(status, parked),
    });
    if (outcome.kind !== 'appended' && outcome.kind !== 'already_recorded') {
      const refused = await this.#refused(outcome, rows);
      if (closing !== undefined) attempts.end(closing);
      this.#diverged = true;
      return refused;
    }
    if (closing !== undefined) attempts.end(closing);
    const committed = outcome.rows;
    if (committed.length > 0) this.#newestAtMs = clock.monotonicMs();
    this.#committedSeq = committed.at(-1)?.seq ?? this.#committedSeq;
    restamp(this.view.state, committed);
    if (!refuses) this.#projection.committed(status, lineWaits, sentMs, clock.monotonicMs());
    if (lineWaits && !refuses) this.#context.projections.add(this);
    // The receipt has the request's steps, and answers for the request from now on.
    if (requestId !== null) this.view.state.stepsByRequest.delete(requestId);
    if (failpoint !== undefined) await failAfterOutcome(failpoint, committed);
    const { instanceId } = this.holding;
    const childEnded = this.#isChild && (status === 'completed' || status === 'cancelled');
    this.#context.announce({ instanceId, rows: committed, status, receipt, childEnded });
    for (const { kind } of committed) this.#context.count({ what: 'row', kind });
    return outcome.kind === 'appended' ? COMMITTED : { kind: 'committed', resent: true };
  }

  /**
   * What brings an unattended instance back is in the log's database together with the row that
   * leaves it at rest. While an attempt is open, the sweep would find it.
   */
  #lineMayWait(status: InstanceStatus, nowMs: number): boolean {
    if (!this.unattended || status === 'running') return this.#projection.mayWait(status, nowMs);
    this.#projection.written();
    return false;
  }

  #line(status: InstanceStatus, parked: Parked | undefined): Projection {
    const line = { status, nextCellId: this.nextCellId };
    return this.unattended ? { ...line, rest: restOf(this.view, status, parked) } : line;
  }

  /**
   * Writes down what brings an unattended instance back, where a look at it has led to no row. What
   * was proposed is in the log.
   */
  async rest(parked?: Parked, at?: Rest['at']): Promise<void> {
    const { lastSeq } = this.view.state;
    const { instanceId } = this.holding;
    // What is not in the log yet may never be.
    if (!this.unattended || this.#diverged || lastSeq !== this.#committedSeq) return;
    const line = this.#line(statusOf(this.view, parked !== undefined), parked);
    const { rest } = line;
    const later = at === undefined || typeof rest !== 'object' ? {} : { rest: { ...rest, at } };
    this.#projection.written();
    await this.#context.log.project([{ instanceId, lastSeq, projection: { ...line, ...later } }]);
  }

  /** See {@link Lagging}. */
  lateLine(nowMs: number): ProjectionLine | 'later' | undefined {
    if (!this.#projection.lags || this.#diverged || this.dirty) return undefined;
    // An append that is under way may still be refused.
    const { lastSeq } = this.view.state;
    if (lastSeq !== this.#committedSeq || !this.#projection.atRest(nowMs)) return 'later';
    this.#projection.written();
    const projection = this.#line(statusOf(this.view, false), undefined);
    return { instanceId: this.holding.instanceId, lastSeq, projection };
  }

  /** Keeps what the refused rows knew. */
  async #refused(
    outcome: Extract<AppendOutcome, { kind: 'conflict' | 'fenced' | 'receipted' | 'rejected' }>,
    rows: readonly NewRow[],
  ): Promise<NotCommitted> {
    switch (outcome.kind) {
      case 'receipted': {
        const { receipt } = outcome;
        this.#logRefusal(rows, 'refused a write: the request has its receipt');
        await closeForNoRequest(this.#context, this, rows, receipt.requestId);
        return { kind: 'receipted', receipt };
      }
      case 'rejected': {
        const { why } = outcome;
        const closed = await closeRejected(this.#context, this, rows, outcome);
        return closed === 'closed' ? { kind: 'conflict' } : { kind: 'rejected', why };
      }
      case 'conflict':
        this.#logRefusal(rows, 'refused a write: the log has moved on');
        await keepRefusedRows(this.#context, rows, outcome.detail);
        return { kind: 'conflict' };
      case 'fenced':
        this.#context.count({ what: 'fenced' });
        this.#logRefusal(rows, 'refused a write: fenced by a later term', { by: outcome.by });
        // A holder that loses to a higher token drops the holding at once.
        this.#context.leases.supersede(this.holding);
        await keepRefusedRows(this.#context, rows, outcome.detail);
        return { kind: 'handed_on' };
    }
  }

  #logRefusal(rows: readonly NewRow[], message: string, more: object = {}): void {
    const { instanceId, token } = this.holding;
    const first = rows[0];
    const place = first === undefined ? { instanceId, token } : placeOf(first);
    this.#context.logger.info({ ...place, ...more }, message);
  }
}
