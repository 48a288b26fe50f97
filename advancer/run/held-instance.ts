import { TransientMap } from '../../src/transient-map.ts';
import type { InFlight } from '../../src/execution/views.ts';
import type { Holding } from '../../src/lease/holding.ts';
import type { DecideMessage } from '../../src/request/messages.ts';
import { isRecorded, type Receipt } from '../../src/request/receipt.ts';
import type { ParentCancel } from '../log/children.ts';
import { ActiveRequest, type AdvanceRequest, type RequestProgress } from './active-request.ts';
import { AdvanceJob } from './advance.ts';
import { CancelJob, mayEndAttempt } from './cancel.ts';
import { cancelByParent } from './cancel-children.ts';
import type { RunContext } from './context.ts';
import { DecideJob, type Decided } from './decide.ts';
import type { Handled } from './handled.ts';
import type { InstanceLog } from './instance-log.ts';
import { PendingCancels, type CancelRequest, type CancelResult } from './pending-cancels.ts';
import { canGoOn, proceed, type Proceeded } from './proceed.ts';
import { receiptOf, recordedFor } from './receipts.ts';
import { Recovery } from './recover.ts';
import { SettleJob, type Settled } from './settle.ts';

const JUST_ARRIVED: RequestProgress = {
  remembered: false,
  answeredElsewhere: false,
  takeSnapshot: () => undefined,
};

/**
 * One instance under one holding. Its work is done one thing at a time, in order of arrival.
 * Different instances do not wait for each other.
 */
export class HeldInstance {
  readonly holding: Holding;
  readonly #context: RunContext;
  readonly #recovery: Recovery;
  /** Requests in flight, by request id. */
  readonly #requests = new TransientMap<string, Promise<Handled>>();
  readonly #cancels = new PendingCancels();
  #active: ActiveRequest | undefined;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(context: RunContext, holding: Holding) {
    this.#context = context;
    this.holding = holding;
    this.#recovery = new Recovery(context, holding);
  }

  /** Handles an advance. The same request id joins the run under way and gets its receipt. */
  advance(request: AdvanceRequest, progress: RequestProgress = JUST_ARRIVED): Promise<Handled> {
    const underWay = this.#requests.get(request.requestId);
    if (underWay !== undefined) return underWay;
    const handled = this.#handle(request, progress);
    this.#requests.set(request.requestId, handled);
    return handled;
  }

  async #handle(request: AdvanceRequest, progress: RequestProgress): Promise<Handled> {
    try {
      return await this.#pinned(() => this.#advance(request, progress));
    } finally {
      this.#requests.delete(request.requestId);
    }
  }

  /**
   * Answers a doubt, or a cell that halted the instance. Only one answer counts; a second one gets
   * `conflict`.
   */
  async decide(message: DecideMessage): Promise<Decided> {
    const job = new DecideJob(this.#context, this.holding.instanceId, message);
    const decided = await this.#pinned(() => this.#exclusively(() => this.#recovery.recover(job)));
    this.#goOn();
    return decided;
  }

  /**
   * Lets an unattended instance go on, as far as it can, if nothing else is at work on it. What it
   * rests on is read under the holding, so what found it due may have been mistaken.
   *
   * @returns how that went, or that another replica has to do it
   */
  async proceed(): Promise<Proceeded> {
    if (this.busy) return 'busy';
    const work = {
      advance: (request: AdvanceRequest) => this.advance(request),
      cancelWith: (parent: ParentCancel) => this.#cancelWith(parent),
      readAgain: () => this.#readAgain(),
    };
    return this.#pinned(() => proceed(this.#context, this.holding, this.#recovery, work));
  }

  /** Puts off the next look at an unattended instance that cannot go on now. */
  async putOff(forMs: number): Promise<void> {
    await this.#exclusively(async () => this.#recovery.log?.rest(undefined, { afterMs: forMs }));
  }

  #goOn(): void {
    if (canGoOn(this.#recovery)) this.#context.goOn(this.holding.instanceId);
  }

  /**
   * Cancels the instance. It does not wait for its turn: the request that is being worked on ends
   * its attempt or its wait, applies the cancel, and then goes on.
   */
  cancel(request: CancelRequest): Promise<CancelResult> {
    return this.#pinned(async () => {
      const pending = this.#cancels.add(request);
      try {
        this.#endAttempt(request);
        const job = new CancelJob(this.#context, this.holding.instanceId, pending);
        const result = this.#exclusively(() => this.#recovery.recover(job));
        return await Promise.race([pending.answered, result]);
      } finally {
        this.#cancelChildren();
        this.#cancels.remove(pending);
        this.#goOn();
      }
    });
  }

  #endAttempt(request: CancelRequest): void {
    const { log } = this.#recovery;
    const open = log?.view.state.open;
    if (log === undefined || open === undefined || !mayEndAttempt(log, request)) return;
    this.#context.attempts.cancel(this.holding.instanceId, open.cellId, open.attempt);
  }

  /**
   * Does what needs no person: closes and settles, or cancels the instance if its parent was
   * cancelled together with its children.
   */
  async settle(): Promise<Settled> {
    const { instanceId } = this.holding;
    const parent = await this.#context.log.children.cancelledParent(instanceId);
    if (parent !== undefined) return this.#cancelWith(parent);
    const job = new SettleJob(this.#context);
    const settled = await this.#pinned(() => this.#exclusively(() => this.#recovery.recover(job)));
    if (settled === 'settled') this.#goOn();
    return settled;
  }

  async #cancelWith(parent: ParentCancel): Promise<Settled> {
    const result = await this.cancel(cancelByParent(parent, this.#context.clock.wallMs()));
    // It may have ended before.
    const ended = result.kind === 'refused' && result.error.code === 'conflict';
    return ended || result.kind === 'cancelled' ? 'settled' : 'unsettled';
  }

  /** If the log says that the children are cancelled as well, sees to it. */
  #cancelChildren(): void {
    const view = this.#recovery.log?.view;
    if (view === undefined) return;
    const { cancelled, unwinding } = view.state;
    // Asked after every request, so the cells are looked through last.
    if ((cancelled ?? unwinding)?.children !== true) return;
    if (view.runbook.cells.some((cell) => 'run' in cell))
      this.#context.cancelChildren(this.holding.instanceId);
  }

  /** Whether a request is being worked on, or is about to be. */
  get busy(): boolean {
    return this.#active !== undefined || this.#requests.size > 0;
  }

  async #pinned<T>(work: () => Promise<T>): Promise<T> {
    const unpin = this.#context.leases.pin(this.holding);
    try {
      return await work();
    } finally {
      unpin();
    }
  }

  /**
   * Looks for a receipt before the work, and again before a refusal.
   *
   * If the log is read, the request's receipt is read with it, so that what others have answered is
   * not worked on again. If the log is known already, the receipt is looked up only for a request
   * that waited: the log refuses whatever is written for a request that has its receipt, and
   * answers with that receipt.
   *
   * A refusal writes nothing, so before one is given the log is asked for this request's receipt,
   * and for that of the request in its way. Others may have answered that one from the log before
   * this process has read that its append is committed.
   */
  async #advance(request: AdvanceRequest, progress: RequestProgress): Promise<Handled> {
    const { log, receipts } = this.#context;
    const recent = receipts.get(request.requestId);
    if (recent !== undefined) return answeredBy(recent, request);
    if (this.#recovery.log === undefined) {
      const { instanceId, requestId } = request;
      const snapshot = progress.takeSnapshot() ?? (await log.snapshot(instanceId, requestId));
      if (snapshot?.receipt !== undefined) return answeredBy(snapshot.receipt, request);
      this.#recovery.offer(snapshot);
    } else if (progress.remembered) {
      const recorded = await log.receipt(request.requestId);
      if (recorded !== undefined) return answeredBy(recorded, request);
    }
    for (;;) {
      const handled = await this.#refuseOrRun(request, progress);
      if (handled.kind !== 'receipt') return handled;
      const { receipt } = handled;
      if (handled.recorded === true || isRecorded(receipt.outcome)) {
        if (handled.unrecorded !== true) receipts.add(request.requestId, receipt);
        if (receipt.outcome === 'advanced') this.#goOn();
        return handled;
      }
      // Postgres does not answer: looking for a receipt would only delay the reply.
      if (receipt.outcome === 'unavailable') return handled;
      const inTheWay = receipt.inFlight?.requestId ?? undefined;
      const [recorded, over] = await Promise.all([
        log.receipt(request.requestId),
        inTheWay === undefined ? undefined : log.receipt(inTheWay),
      ]);
      if (recorded !== undefined) return answeredBy(recorded, request);
      if (over === undefined) return handled;
      // The other request has ended, whatever this process knows about it.
      await this.#readAgain();
    }
  }

  /** Refuses the request if another one is in its way, else runs it when its turn comes. */
  async #refuseOrRun(request: AdvanceRequest, progress: RequestProgress): Promise<Handled> {
    const other = this.#active;
    if (other !== undefined && !request.wait) {
      // Which cell the other one is at is known only once the log is read.
      const read = await other.firstRead();
      const receipt = read && this.#inFlight(request, other, this.#recovery.log ?? read);
      if (receipt !== undefined) return { kind: 'receipt', receipt };
    }
    const { clock, failpoint } = this.#context;
    const { instanceId, requestId } = request;
    return new Promise<Handled>((resolve, reject) => {
      const answer = (receipt: Receipt): void => resolve({ kind: 'receipt', receipt });
      const active = new ActiveRequest(request, progress, clock.wallMs(), answer);
      this.#exclusively(async () => {
        this.#active = active;
        try {
          const job = new AdvanceJob(this.#context, active, this.#cancels);
          if (failpoint !== undefined) await failpoint('on_admission', { instanceId, requestId });
          const handled = await this.#recovery.recover(job);
          this.#cancelChildren();
          this.#recovery.forgetIfEnded();
          return handled;
        } finally {
          active.hasRead(undefined);
          this.#active = undefined;
        }
      }).then(resolve, reject);
      // Set at once, so that two requests that arrive together cannot both find none active.
      this.#active ??= active;
    });
  }

  #readAgain(): Promise<void> {
    return this.#exclusively(() => Promise.resolve(this.#recovery.forget()));
  }

  /** One at a time, in order of arrival. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /**
   * The refusal of a request that another one is in the way of. Undefined for one that may wait for
   * its turn: no cell is left to run, or it has begun itself, or the other one is about to end.
   */
  #inFlight(request: AdvanceRequest, other: ActiveRequest, log: InstanceLog): Receipt | undefined {
    const { open, stepsByRequest } = log.view.state;
    // An earlier holder began it, so it was admitted and may not be refused as not run.
    if (stepsByRequest.has(request.requestId)) return undefined;
    const cellId = open?.cellId ?? log.nextCellId;
    if (cellId === null) return undefined;
    // If the other request was answered elsewhere and runs nothing here, it ends in a moment.
    const { attempts } = this.#context;
    const runs =
      open !== undefined &&
      attempts.get(request.instanceId, open.cellId, open.attempt) !== undefined;
    if (other.progress.answeredElsewhere && !runs) return undefined;
    const inFlight: InFlight = {
      cellId,
      attempt: open?.attempt ?? 1,
      requestId: other.request.requestId,
      since: open?.since ?? new Date(other.sinceMs).toISOString(),
    };
    return { ...receiptOf(this.#context, log, request, 'in_flight', { inFlight }), steps: [] };
  }
}

function answeredBy(recorded: Receipt, request: AdvanceRequest): Handled {
  return { kind: 'receipt', receipt: recordedFor(request, recorded) };
}
