import type { AwaitStep, WaitStep } from '../../src/execution/await.ts';
import { nextStep, type NextStep } from '../../src/execution/plan.ts';
import { inDoubtOf, inFlightOf } from '../../src/execution/status.ts';
import type { ExecCell } from '../../src/runbook/runbook.ts';
import type { Receipt, RecordedOutcome } from '../../src/request/receipt.ts';
import type { ActiveRequest, AdvanceRequest } from './active-request.ts';
import { applyCancel } from './cancel.ts';
import { runChildren } from './children.ts';
import type { RunContext } from './context.ts';
import { HANDED_ON, receipted, type Handled } from './handled.ts';
import type { InstanceLog, NotCommitted, Requester } from './instance-log.ts';
import type { PendingCancel, PendingCancels } from './pending-cancels.ts';
import {
  POSTGRES_UNAVAILABLE,
  receiptOf,
  recordedFor,
  refusedByPostgres,
  refusedOutright,
  type ReceiptDetail,
} from './receipts.ts';
import type { Job, NotDone, ReadAgain } from './recover.ts';
import { parkedView, type Parked } from './rest.ts';
import {
  admissionRefusal,
  cellsUsedUp,
  hasBegun,
  type AdmissionRefusal,
} from './request-limits.ts';
import { settleDoubt } from './settle.ts';
import { startAttempt } from './start.ts';
import { proposeUnwinding, proposeUnwound, proposeVerdict } from './verdicts.ts';
import { isTimed, judge } from './waits.ts';
import type { WrongReplica } from './wrong-replica.ts';

/** How often an attempt that another process runs is checked again. */
const CHECK_AGAIN_MS = 200;

/**
 * Moves an instance forward for one request, until it completes, parks, halts, is in doubt or
 * cancelled, or the request's cells are used up. What the log already holds under this request id
 * counts: a request that another replica began goes on where that one stopped.
 */
export class AdvanceJob implements Job<Handled> {
  readonly requester: Requester;
  readonly #context: RunContext;
  readonly #active: ActiveRequest;
  readonly #cancels: PendingCancels;
  readonly #request: AdvanceRequest;
  /** Whether the request had expired when its turn came. */
  readonly #expired: boolean;

  /** @param cancels what the instance's own holder is asked meanwhile */
  constructor(context: RunContext, active: ActiveRequest, cancels: PendingCancels) {
    const { request } = active;
    this.#context = context;
    this.#active = active;
    this.#cancels = cancels;
    this.#request = request;
    this.#expired = context.clock.wallMs() > request.expiresAtMs;
    this.requester = { requestId: request.requestId, agentId: request.agentId };
  }

  notDone(why: NotDone): Handled {
    if (typeof why === 'object') {
      const message = refusedByPostgres(why.rejected);
      const receipt = refusedOutright(this.#request, 'unavailable', message);
      return { kind: 'receipt', receipt, rejected: true };
    }
    if (why !== 'no_instance') return HANDED_ON;
    const message = `there is no instance ${this.#request.instanceId}`;
    return receipted(refusedOutright(this.#request, 'not_found', message));
  }

  admit(log: InstanceLog): Handled | undefined | Promise<Handled | ReadAgain> {
    const refusal = admissionRefusal(log, this.#request, this.#expired);
    if (refusal !== undefined && this.#request.enqueued !== undefined)
      return this.#finish(log, refusal.outcome, { error: refusal.error });
    if (refusal?.outcome === 'expired')
      return receipted(refusedOutright(this.#request, 'expired', refusal.error.message));
    this.#active.hasRead(log);
    const receipt =
      refusal === undefined
        ? this.#active.earlyReceipt
        : receiptOf(this.#context, log, this.#request, refusal.outcome, { error: refusal.error });
    return receipt && receipted(receipt);
  }

  async stillOpen(
    log: InstanceLog,
    { open }: Extract<NextStep, { do: 'close' }>,
  ): Promise<Handled | ReadAgain> {
    const { attempts, clock, draining } = this.#context;
    const { instanceId, expiresAtMs } = this.#request;
    const { enqueued, wait } = this.#request;
    // One that was enqueued waits in its stream, where it keeps nobody from being served.
    const mayWait = enqueued === undefined && (hasBegun(log, this.#request) || wait);
    if (!mayWait || clock.wallMs() > expiresAtMs)
      return this.#receipt(log, 'in_flight', { inFlight: inFlightOf(open) });
    if (this.#cancels.next !== undefined) attempts.cancel(instanceId, open.cellId, open.attempt);
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
      if (this.#cancels.next !== undefined) {
        const ended = await this.#applyCancel(log, this.#cancels.next);
        if (ended !== undefined) return ended;
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
        case 'unwind':
          proposeUnwinding(log, { by: '@policy', reason: step.reason }, this.requester);
          break;
        case 'cancel':
          proposeUnwound(log, this.requester);
          break;
        case 'await':
        case 'wait': {
          const ended = await this.#wait(log, step);
          if (ended !== undefined) return ended;
          break;
        }
        case 'run': {
          const result = await runChildren(this.#context, log, step);
          if ('kind' in result) return this.#notCommitted(result);
          if (result.do === 'park') return this.#park(log, { children: result.children });
          proposeVerdict(log, step, result, this.requester);
          break;
        }
        case 'satisfy':
        case 'refute':
        case 'skip':
          proposeVerdict(log, step, step, this.requester);
          break;
        case 'start': {
          if (cellsUsedUp(log, this.#request)) return this.#finish(log, 'advanced', {});
          const how = {
            requester: this.requester,
            cancels: this.#cancels,
            onSlow: (): void => this.#answerUnavailable(log),
          };
          const result = await startAttempt(this.#context, log, step, how);
          if (result === 'go_on') break;
          if (result.kind === 'wrong_replica') return this.#atWrongReplica(log, step.cell, result);
          return this.#notCommitted(result);
        }
      }
    }
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

  /** Applies a cancel. The request goes on, unless a commit failed or a person has to decide. */
  async #applyCancel(
    log: InstanceLog,
    cancel: PendingCancel,
  ): Promise<Handled | ReadAgain | undefined> {
    const applied = await applyCancel(this.#context, log, cancel);
    if (applied !== 'answered') return this.#notCommitted(applied);
    const { doubt } = log.view.state;
    // Somebody wants it undone: nothing runs again before the doubt is decided.
    if (cancel.result?.kind !== 'refused' || doubt === undefined) return undefined;
    return this.#finish(log, 'in_doubt', { inDoubt: inDoubtOf(doubt) });
  }

  /** Judges a wait: parks the instance if it goes on, and else proposes what it has come to. */
  async #wait(
    log: InstanceLog,
    step: AwaitStep | WaitStep,
  ): Promise<Handled | ReadAgain | undefined> {
    const { cell, attempt } = step;
    if (isTimed(step) && log.dirty) {
      // Until it is committed, the row that the wait begins with has the time of this replica.
      const commit = await log.commit();
      return commit.kind === 'committed' ? undefined : this.#notCommitted(commit);
    }
    const judged = await judge(this.#context.log, step);
    if (isTimed(step) && this.#context.failpoint !== undefined) {
      const { instanceId, requestId } = this.#request;
      const place = { instanceId, requestId, cellId: cell.id, attempt };
      await this.#context.failpoint('after_wait', place);
    }
    if (judged.do === 'park') return this.#park(log, judged.parked);
    proposeVerdict(log, step, judged, this.requester);
    return undefined;
  }

  #answerUnavailable(log: InstanceLog): void {
    const detail = { error: POSTGRES_UNAVAILABLE };
    const { receipt } = this.#receipt(log, 'unavailable', detail);
    const steps = log.committedSteps(this.#request.requestId);
    this.#active.answerEarly({ ...receipt, steps });
  }

  #park(log: InstanceLog, parked: Parked): Promise<Handled | ReadAgain> {
    return this.#finish(log, 'parked', parkedView(parked), parked);
  }

  /**
   * Records the receipt together with the request's last row. Nobody asked for a derived request:
   * one that wrote no row leaves no receipt, only what brings the instance back.
   */
  async #finish(
    log: InstanceLog,
    outcome: RecordedOutcome | AdmissionRefusal['outcome'],
    detail: ReceiptDetail,
    parked?: Parked,
  ): Promise<Handled | ReadAgain> {
    const { receipt } = this.#receipt(log, outcome, detail);
    const { agentId, derived, enqueued } = this.#request;
    if (derived === true && !hasBegun(log, this.#request)) {
      await log.rest(parked);
      return { kind: 'receipt', receipt, unrecorded: true };
    }
    const commit = await log.commit({ receipt, agentId }, parked);
    if (commit.kind !== 'committed') return this.#notCommitted(commit);
    return enqueued === undefined
      ? receipted(receipt)
      : { kind: 'receipt', receipt, recorded: true };
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
}
