import { judgeAwait, judgeWait } from '../../src/execution/await.ts';
import { nextStep, type NextStep } from '../../src/execution/plan.ts';
import { inDoubtOf, inFlightOf } from '../../src/execution/status.ts';
import type { ExecCell } from '../../src/runbook/runbook.ts';
import type { Receipt, ReceiptError, RecordedOutcome } from '../../src/request/receipt.ts';
import type { ActiveRequest, AdvanceRequest } from './active-request.ts';
import { runAttempt } from './attempt.ts';
import type { RunContext } from './context.ts';
import type { Commit, InstanceLog, NotCommitted, Requester } from './instance-log.ts';
import {
  receiptOf,
  recordedFor,
  refusedByPostgres,
  refusedOutright,
  type ReceiptDetail,
} from './receipts.ts';
import type { Job, NotDone, ReadAgain } from './recover.ts';
import { settleDoubt } from './settle.ts';
import { proposeUnwinding, proposeUnwound, proposeVerdict } from './verdicts.ts';
import { startAfterNotStarted, wrongReplica } from './wrong-replica.ts';
import type { AdvanceAtWrongReplica, WrongReplica } from './wrong-replica.ts';

/** How an advance request ended. */
export type Handled =
  | { kind: 'receipt'; receipt: Receipt }
  /** This replica does not lead the instance any more: the request is for the one that does. */
  | { kind: 'handed_on' }
  | AdvanceAtWrongReplica;

const HANDED_ON: Handled = { kind: 'handed_on' };

/** How often an attempt that another process runs is checked again. */
const CHECK_AGAIN_MS = 200;

const POSTGRES_UNAVAILABLE: ReceiptError = {
  code: 'unavailable',
  message: 'Postgres does not answer; nothing was run. Ask again with the same request id.',
};

/**
 * Moves an instance forward for one request, until it completes, parks, halts, is in doubt, or the
 * request's cells are used up. What the log already holds under this request id counts: a request
 * that another replica began goes on where that one stopped.
 */
export class AdvanceJob implements Job<Handled> {
  readonly requester: Requester;
  readonly #context: RunContext;
  readonly #active: ActiveRequest;
  readonly #request: AdvanceRequest;
  /** Whether the request had expired when its turn came. */
  readonly #expired: boolean;

  constructor(context: RunContext, active: ActiveRequest) {
    const { request } = active;
    this.#context = context;
    this.#active = active;
    this.#request = request;
    this.#expired = context.clock.wallMs() > request.expiresAtMs;
    this.requester = { requestId: request.requestId, agentId: request.agentId };
  }

  notDone(why: NotDone): Handled {
    if (typeof why === 'object')
      return receipted(
        refusedOutright(this.#request, 'unavailable', refusedByPostgres(why.rejected)),
      );
    if (why !== 'no_instance') return HANDED_ON;
    const message = `there is no instance ${this.#request.instanceId}`;
    return receipted(refusedOutright(this.#request, 'not_found', message));
  }

  admit(log: InstanceLog): Handled | undefined {
    // One that an earlier holder had begun was admitted in time.
    if (this.#expired && !this.#hasBegun(log)) {
      const message = 'the request has expired; nothing was run';
      return receipted(refusedOutright(this.#request, 'expired', message));
    }
    this.#active.hasRead(log);
    const { earlyReceipt } = this.#active;
    const refusal = this.#outOfOrder(log) ?? earlyReceipt;
    return refusal && receipted(refusal);
  }

  async stillOpen(
    log: InstanceLog,
    { open }: Extract<NextStep, { do: 'close' }>,
  ): Promise<Handled | ReadAgain> {
    const { attempts, clock, draining } = this.#context;
    const { instanceId, expiresAtMs } = this.#request;
    const mayWait = this.#hasBegun(log) || this.#request.wait;
    if (!mayWait || clock.wallMs() > expiresAtMs)
      return this.#receipt(log, 'in_flight', { inFlight: inFlightOf(open) });
    // The same id joins the run under way, whichever replica runs it.
    const own = attempts.get(instanceId, open.cellId, open.attempt);
    const pause = clock.sleep(CHECK_AGAIN_MS, draining);
    await (own === undefined ? pause : Promise.race([pause, own.done]));
    const over =
      draining.aborted || !log.holding.trusted() || this.#active.progress.answeredElsewhere;
    return over ? HANDED_ON : 'read_again';
  }

  async work(log: InstanceLog): Promise<Handled | ReadAgain> {
    for (;;) {
      const { earlyReceipt } = this.#active;
      if (earlyReceipt !== undefined) {
        await log.commit();
        return receipted(earlyReceipt);
      }
      const step = nextStep(log.view);
      switch (step.do) {
        case 'close':
          throw new Error(`attempt ${step.open.attempt} of cell ${step.open.cellId} is open`);
        case 'settle': {
          const settled = await settleDoubt(this.#context, log, step, this.requester);
          if (settled === 'settled') break;
          if (settled !== 'unsettled') return this.#atWrongReplica(log, step.cell, settled);
          return this.#finish(log, 'in_doubt', { inDoubt: inDoubtOf(step.doubt) });
        }
        case 'complete':
          return this.#finish(log, 'completed', {});
        case 'cancelled':
          return this.#finish(log, 'cancelled', {});
        case 'halt': {
          const error = { code: 'halted', message: `cell ${step.cell.id} ${step.why}` };
          return this.#finish(log, 'halted', { error });
        }
        case 'await': {
          const claim = await this.#context.log.claimStatus(step.claimId);
          const judged = judgeAwait(step, claim, false);
          if (judged.do === 'park')
            return this.#finish(log, 'parked', { awaiting: judged.awaiting });
          proposeVerdict(log, step, judged, this.requester);
          break;
        }
        case 'wait': {
          const judged = judgeWait(step, false);
          if (judged.do === 'park') return this.#finish(log, 'parked', { waiting: judged.waiting });
          proposeVerdict(log, step, judged, this.requester);
          break;
        }
        case 'run':
          return this.#finish(log, 'parked', {});
        case 'satisfy':
        case 'refute':
        case 'skip':
          proposeVerdict(log, step, step, this.requester);
          break;
        case 'unwind':
          proposeUnwinding(log, step.reason, this.requester);
          break;
        case 'cancel':
          proposeUnwound(log, this.requester);
          break;
        case 'start': {
          if (this.#cellsUsedUp(log)) return this.#finish(log, 'advanced', {});
          if (log.dirty && log.view.state.cells.get(step.cell.id)?.notStarted !== undefined) {
            // The wait counts from when the log has the attempt that never began.
            const commit = await log.commit();
            if (commit.kind !== 'committed') return this.#notCommitted(commit);
          }
          const may = this.#mayStart(log, step);
          if (may.kind !== 'start') return this.#atWrongReplica(log, step.cell, may);
          const backoffMs = Math.max(step.backoffMs, may.afterMs);
          if (backoffMs > 0) {
            const commit = await this.#backOff(log, backoffMs);
            if (commit.kind !== 'committed') return this.#notCommitted(commit);
          }
          const onSlow = (): void => this.#answerUnavailable(log);
          const result = await runAttempt(this.#context, log, step, this.requester, onSlow);
          if (result === 'closed') break;
          if (result.kind === 'handed_on') await log.commit();
          return this.#notCommitted(result);
        }
      }
    }
  }

  /** Whether this replica may and can make the next attempt: found out before any row. */
  #mayStart(
    log: InstanceLog,
    { cell }: Extract<NextStep, { do: 'start' }>,
  ): { kind: 'start'; afterMs: number } | WrongReplica {
    const unfit = this.#context.effects.unfitFor(cell.exec);
    if (unfit !== undefined) return wrongReplica(unfit);
    return startAfterNotStarted(this.#context, log, log.view.state.cells.get(cell.id)?.notStarted);
  }

  /**
   * Writes what is known, and nothing about this cell. Nobody holds the instance once the lease is
   * released.
   */
  async #atWrongReplica(
    log: InstanceLog,
    cell: ExecCell,
    wrong: WrongReplica,
  ): Promise<Handled | ReadAgain> {
    const commit = await log.commit();
    if (commit.kind !== 'committed') return this.#notCommitted(commit);
    const message =
      `no live replica can run cell ${cell.id} now: ${wrong.unfit.why}. ` +
      'Ask again with the same request id.';
    const error = { code: 'unavailable', message };
    const { receipt } = this.#receipt(log, 'unavailable', { error });
    return { ...wrong, receipt: { ...receipt, holder: null } };
  }

  /** Waits before an attempt. What is known is written before the wait, not after it. */
  async #backOff(log: InstanceLog, backoffMs: number): Promise<Commit> {
    const commit = await log.commit();
    if (commit.kind !== 'committed') return commit;
    const { clock, draining } = this.#context;
    await clock.sleep(backoffMs, AbortSignal.any([draining, log.holding.signal]));
    return commit;
  }

  #answerUnavailable(log: InstanceLog): void {
    const detail = { error: POSTGRES_UNAVAILABLE };
    const { receipt } = this.#receipt(log, 'unavailable', detail);
    const steps = log.committedSteps(this.#request.requestId);
    this.#active.answerEarly({ ...receipt, steps });
  }

  /** Records the receipt together with the request's last row. */
  async #finish(
    log: InstanceLog,
    outcome: RecordedOutcome,
    detail: ReceiptDetail,
  ): Promise<Handled | ReadAgain> {
    const handled = this.#receipt(log, outcome, detail);
    const commit = await log.commit(handled.receipt, outcome === 'parked');
    return commit.kind === 'committed' ? handled : this.#notCommitted(commit);
  }

  #notCommitted(commit: NotCommitted): Handled | ReadAgain {
    switch (commit.kind) {
      case 'conflict':
        return 'read_again';
      case 'handed_on':
        return HANDED_ON;
      case 'receipted':
        return receipted(recordedFor(this.#request, commit.receipt));
      case 'rejected':
        return this.notDone({ rejected: commit.why });
    }
  }

  #receipt(
    log: InstanceLog,
    outcome: Receipt['outcome'],
    detail: ReceiptDetail,
  ): Extract<Handled, { kind: 'receipt' }> {
    return receipted(receiptOf(this.#context, log, this.#request, outcome, detail));
  }

  /** Whether a row was written for the request, by this holder or an earlier one. */
  #hasBegun(log: InstanceLog): boolean {
    return log.view.state.stepsByRequest.has(this.#request.requestId);
  }

  /** Whether the request's `maxCells` exec cells are finished, whichever replicas ran them. */
  #cellsUsedUp(log: InstanceLog): boolean {
    const { maxCells, requestId } = this.#request;
    if (maxCells === undefined) return false;
    const { cells, stepsByRequest } = log.view.state;
    const steps = stepsByRequest.get(requestId) ?? [];
    if (steps.length < maxCells) return false;
    const finished = new Set<string>();
    for (const { kind, cellId } of steps) {
      if (kind !== 'completed' && kind !== 'decided') continue;
      if (cells.get(cellId)?.result !== undefined) finished.add(cellId);
    }
    return finished.size >= maxCells;
  }

  /** The refusal of a request whose `cellId` is not next; undefined if it is in order. */
  #outOfOrder(log: InstanceLog): Receipt | undefined {
    const { cellId, requestId } = this.#request;
    if (cellId === undefined || cellId === log.nextCellId) return undefined;
    // A cell for which this request has written a row was next when the request began.
    const steps = log.view.state.stepsByRequest.get(requestId) ?? [];
    if (steps.some((step) => step.cellId === cellId)) return undefined;
    const expected =
      log.nextCellId === null ? 'no cell is left' : `the next cell is ${log.nextCellId}`;
    const message = `cellId: ${cellId} is not next, ${expected}`;
    const error = { code: 'out_of_order', message, field: 'cellId' };
    return receiptOf(this.#context, log, this.#request, 'out_of_order', { error });
  }
}

function receipted(receipt: Receipt): Extract<Handled, { kind: 'receipt' }> {
  return { kind: 'receipt', receipt };
}
