import { stampedRow, type NewRow, type Row, type RowKind } from '../../src/execution/row.ts';
import { foldRows, applyRow } from '../../src/execution/state.ts';
import { statusOf, type InstanceStatus } from '../../src/execution/status.ts';
import { nextCell, type InstanceView } from '../../src/execution/plan.ts';
import { storableJson, type JsonObject } from '../../src/json.ts';
import type { Holding } from '../../src/lease/holding.ts';
import type { Step } from '../../src/execution/views.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { Failpoint } from '../failpoints.ts';
import type { LateOutcome, ProjectionLine, Snapshot } from '../log/log.ts';
import { appendDefinitely, type Definite } from './append.ts';
import type { AttemptInHand } from './attempts.ts';
import type { RunContext } from './context.ts';
import type { Lagging } from './late-projections.ts';

/** For whom a row is written. */
export interface OnBehalfOf {
  requestId: string | null;
  agentId: string | null;
}

/** What came of committing. After anything but `committed` the term's state is spent. */
export type Commit =
  /** `resent`: an earlier send had committed it, so that others may have seen it for a while. */
  | { kind: 'committed'; resent: boolean }
  /** The log moved on under us: read it again. */
  | { kind: 'stale' }
  /** A higher token is in the log: this replica does not lead the instance any more. */
  | { kind: 'fenced' }
  /** The request has its receipt already. */
  | { kind: 'receipted'; receipt: Receipt };

/**
 * An instance that was left `ready`, or whose line was written as `running`, not longer ago than
 * this is being advanced over and over. Shorter than a sweep leaves a `running` line alone, so that
 * the line of such an instance never looks left behind.
 */
const BUSY_MS = 250;
/** For how long it must not have been advanced, for its line to be written after all. */
const AT_REST_MS = 100;

const COMMITTED: Commit = { kind: 'committed', resent: false };

/**
 * A holding together with the log that was read under it.
 *
 * Rows are proposed, which takes them into the state at once, and then committed together: the
 * outcome of one cell, what follows from it, the intent of the next cell or the receipt ride in one
 * append.
 */
export class InstanceLog implements Lagging {
  readonly holding: Holding;
  readonly course: InstanceView;
  readonly #context: RunContext;
  #pending: NewRow[] = [];
  #closing: AttemptInHand | undefined;
  #committedSeq: number;
  #spent = false;
  /**
   * Whether the line in the projection may be older than the log: true of a log that was just read,
   * as far as is known.
   */
  #lags = true;
  /** When the instance was last left `ready`, on the monotonic clock. */
  #readySinceMs = Number.NEGATIVE_INFINITY;
  /**
   * When the line was last written as `running`, if it says so for certain; on the monotonic clock.
   */
  #saidRunningMs = Number.NEGATIVE_INFINITY;

  constructor(context: RunContext, holding: Holding, snapshot: Snapshot) {
    this.#context = context;
    this.holding = holding;
    this.course = {
      runbook: snapshot.runbook,
      inputs: snapshot.instance.inputs,
      state: foldRows(snapshot.rows),
    };
    this.#committedSeq = this.course.state.lastSeq;
  }

  /** Whether somebody with a higher token has written already. */
  get superseded(): boolean {
    return this.course.state.lastToken > this.holding.token;
  }

  /**
   * Whether a commit was refused: the state holds rows that the log does not, and the log is to be
   * read again.
   */
  get spent(): boolean {
    return this.#spent;
  }

  /** Whether anything is proposed and not committed. */
  get dirty(): boolean {
    return this.#pending.length > 0;
  }

  /** The rows of a request that are definitely in the log. */
  committedSteps(requestId: string): Step[] {
    const steps = this.course.state.stepsByRequest.get(requestId) ?? [];
    return steps.filter(({ seq }) => seq <= this.#committedSeq);
  }

  /** The first cell that is not through, as receipts name it. */
  get nextCellId(): string | null {
    return nextCell(this.course.runbook, this.course.state)?.id ?? null;
  }

  /**
   * Adds the next row. It counts for the state from now on, and for the world once it is committed.
   */
  propose(
    kind: RowKind,
    cellId: string,
    attempt: number,
    body: JsonObject,
    whom: OnBehalfOf,
  ): void {
    const { instanceId, token } = this.holding;
    const row: NewRow = {
      instanceId,
      seq: this.course.state.lastSeq + 1,
      fencingToken: token,
      replicaId: this.#context.leases.replicaId,
      kind,
      cellId,
      attempt,
      requestId: whom.requestId,
      agentId: whom.agentId,
      body: storableJson(body),
    };
    this.#pending.push(row);
    // The database stamps the row; until then this replica's own clock will do for what people
    // read.
    applyRow(
      this.course.state,
      stampedRow(row, new Date(this.#context.clock.wallMs()).toISOString()),
    );
  }

  /** Says that the proposed rows close this attempt; it stays in hand until they are definite. */
  closes(attempt: AttemptInHand): void {
    this.#closing = attempt;
  }

  /**
   * Appends what is proposed, and the receipt if there is one, all or nothing.
   *
   * @param parked whether the next cell is an await that does not hold yet
   */
  async commit(receipt?: Receipt, parked = false): Promise<Commit> {
    if (this.#pending.length === 0 && receipt === undefined) return COMMITTED;
    const rows = this.#pending;
    const closing = this.#closing;
    this.#pending = [];
    this.#closing = undefined;
    const status = statusOf(this.course, parked);
    const requestId = receipt?.requestId ?? null;
    const sentMs = this.#context.clock.monotonicMs();
    const late = this.#mayLag(status, sentMs);
    if (!late) {
      this.#lags = false;
      this.#saidRunningMs = Number.NEGATIVE_INFINITY;
    }
    const definite = await appendDefinitely(this.#context, {
      instanceId: this.holding.instanceId,
      fencingToken: this.holding.token,
      replicaId: this.#context.leases.replicaId,
      rows,
      receipt:
        receipt === undefined || requestId === null
          ? undefined
          : { requestId, receipt, lastSeq: this.course.state.lastSeq },
      projection: late ? undefined : { status, nextCellId: this.nextCellId },
    });
    const commit = definite.kind === 'appended' ? COMMITTED : await this.#take(definite, rows);
    if (closing !== undefined) this.#context.attempts.end(closing);
    this.#spent ||= commit.kind !== 'committed';
    if (commit.kind === 'committed') {
      const committed =
        definite.kind === 'appended' || definite.kind === 'already_recorded' ? definite.rows : [];
      this.#committedSeq = committed.at(-1)?.seq ?? this.#committedSeq;
      this.#restamp(committed);
      if (status === 'ready') this.#readySinceMs = this.#context.clock.monotonicMs();
      if (late) {
        this.#lags = true;
        this.#context.projections.add(this);
      } else if (status === 'running') {
        this.#saidRunningMs = sentMs;
      }
      // The receipt has them all, and answers for the request from now on.
      if (requestId !== null) this.course.state.stepsByRequest.delete(requestId);
      if (this.#context.failpoint !== undefined)
        await this.#afterOutcome(this.#context.failpoint, committed);
      this.#context.announce({
        instanceId: this.holding.instanceId,
        rows: committed,
        status,
        receipt,
      });
      for (const { kind } of committed) this.#context.count({ what: 'row', kind });
    }
    return commit;
  }

  /**
   * Whether the line may stay as it is for now: it will be written soon, or says already what a
   * sweep must know. Should it not say so any more, because a later term has found the instance at
   * rest, the log's guard writes it all the same.
   */
  #mayLag(status: InstanceStatus, nowMs: number): boolean {
    if (status === 'ready') return nowMs - this.#readySinceMs < BUSY_MS;
    return status === 'running' && nowMs - this.#saidRunningMs < BUSY_MS;
  }

  /** See {@link Lagging}. */
  lateLine(nowMs: number): ProjectionLine | 'later' | undefined {
    if (!this.#lags || this.#spent || this.dirty) return undefined;
    // What is on its way may not come to stand.
    if (this.course.state.lastSeq !== this.#committedSeq || nowMs - this.#readySinceMs < AT_REST_MS)
      return 'later';
    this.#lags = false;
    // From here on it may say `ready`.
    this.#saidRunningMs = Number.NEGATIVE_INFINITY;
    const projection = { status: statusOf(this.course, false), nextCellId: this.nextCellId };
    return { instanceId: this.holding.instanceId, lastSeq: this.#committedSeq, projection };
  }

  async #take(
    definite: Exclude<Definite, { kind: 'appended' }>,
    rows: readonly NewRow[],
  ): Promise<Commit> {
    switch (definite.kind) {
      case 'already_recorded':
        return { kind: 'committed', resent: true };
      case 'receipted':
        await this.#closeAllTheSame(rows, definite.receipt);
        return { kind: 'receipted', receipt: definite.receipt };
      case 'conflict':
        await this.#keepEvidence(rows, definite.detail);
        return { kind: 'stale' };
      case 'fenced':
        this.#context.count({ what: 'fenced' });
        this.#context.logger.info(
          { instanceId: this.holding.instanceId, token: this.holding.token, by: definite.by },
          'fenced: a later term has written',
        );
        // Whoever loses to a higher token drops the holding at once.
        this.#context.leases.supersede(this.holding);
        await this.#keepEvidence(rows, definite.detail);
        return { kind: 'fenced' };
    }
  }

  async #afterOutcome(failpoint: Failpoint, rows: readonly Row[]): Promise<void> {
    for (const { kind, instanceId, cellId, attempt, requestId } of rows) {
      if (kind !== 'completed' && kind !== 'failed') continue;
      await failpoint('after_outcome', { instanceId, cellId, attempt, requestId });
    }
  }

  /**
   * The request got its receipt elsewhere, so nothing of the entry was written, and nothing may be
   * under its id. What closes an attempt or settles a doubt is written all the same, under no
   * request; where somebody else has done so already, what we know becomes evidence.
   */
  async #closeAllTheSame(rows: readonly NewRow[], receipt: Receipt): Promise<void> {
    const opening = rows.findIndex(
      ({ kind }) => kind === 'started' || kind === 'satisfied' || kind === 'refuted',
    );
    const closing = (opening === -1 ? rows : rows.slice(0, opening)).map((row) => ({
      ...row,
      requestId: null,
    }));
    if (closing.length === 0) return;
    const definite = await appendDefinitely(this.#context, {
      instanceId: this.holding.instanceId,
      fencingToken: this.holding.token,
      replicaId: this.#context.leases.replicaId,
      rows: closing,
      projection: {
        status: closing.at(-1)?.kind === 'interrupted' ? 'in_doubt' : 'ready',
        nextCellId: null,
      },
    });
    if (definite.kind === 'appended' || definite.kind === 'already_recorded') return;
    await this.#keepEvidence(closing, `request ${receipt.requestId} has its receipt`);
  }

  /** The database's times take the place of our own. */
  #restamp(rows: readonly Row[]): void {
    const { state } = this.course;
    const last = rows.at(-1);
    if (last === undefined || state.last?.seq !== last.seq) return;
    state.last = last;
    if (state.open !== undefined) state.open.since = last.recordedAt;
    if (state.doubt !== undefined) state.doubt.since = last.recordedAt;
  }

  /**
   * Refused rows are recorded, so that a fired fence can be seen; an outcome among them can settle
   * the doubt.
   */
  async #keepEvidence(rows: readonly NewRow[], reason: string): Promise<void> {
    for (const row of rows) {
      const { instanceId, seq, fencingToken, replicaId, kind } = row;
      await this.#untilStored(() =>
        this.#context.log.addRefusal({ instanceId, seq, fencingToken, replicaId, kind, reason }),
      );
      const late = lateOutcomeOf(row);
      if (late === undefined) continue;
      await this.#untilStored(() => this.#context.log.addLateOutcome(late));
      this.#context.count({ what: 'late_outcome', kind: late.kind });
      this.#context.askToSettle(instanceId);
    }
  }

  async #untilStored(store: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await store();
        return;
      } catch (cause) {
        this.#context.logTrouble(cause);
        await this.#context.clock.sleep(500);
      }
    }
  }
}

function lateOutcomeOf(row: NewRow): LateOutcome | undefined {
  const kind =
    row.kind === 'completed' || row.kind === 'failed'
      ? row.kind
      : row.kind === 'interrupted' && row.body['reason'] === 'not_started'
        ? 'not_started'
        : undefined;
  if (kind === undefined) return undefined;
  const { instanceId, cellId, attempt, fencingToken, replicaId, body } = row;
  return { instanceId, cellId, attempt, fencingToken, replicaId, kind, body };
}
