import { TransientMap } from '../../src/transient-map.ts';
import { nextStep } from '../../src/execution/plan.ts';
import type { Holding } from '../../src/lease/holding.ts';
import type { DecideMessage, ReplyError } from '../../src/request/messages.ts';
import type { InFlight } from '../../src/execution/views.ts';
import { isRecorded, type Receipt } from '../../src/request/receipt.ts';
import type { Verdict } from '../../src/execution/row.ts';
import {
  advance,
  type AdvanceRequest,
  type EarlyAnswer,
  type Handled,
  type RequestProgress,
} from './advance.ts';
import type { RunContext } from './context.ts';
import { receiptOf, recordedFor, refusedOutright } from './receipts.ts';
import { closeAttempt, proposeDecision, settleByEvidence, settleDoubt } from './settle.ts';
import { InstanceLog } from './instance-log.ts';
import type { Snapshot } from '../log/log.ts';

/** How a decision ended. */
export type Decided =
  | { kind: 'decided'; instanceId: string; seq: number; as: Verdict }
  | { kind: 'refused'; error: ReplyError }
  | { kind: 'handed_on' };

/**
 * A completed instance is hardly asked for again: up to so many rows its log is sooner read again
 * than kept, since whatever outlives its request has to be looked after by the collector, for as
 * long as the lease is held.
 */
const SHORT_LOG = 64;

const JUST_CAME: RequestProgress = { remembered: false, answeredElsewhere: false };

/** A request that is being worked on. */
class Active {
  readonly requestId: string;
  readonly standing: RequestProgress;
  readonly sinceMs: number;
  #read: 'not_yet' | InstanceLog | undefined = 'not_yet';
  #waiting: ((term: InstanceLog | undefined) => void)[] | undefined;

  constructor(requestId: string, standing: RequestProgress, sinceMs: number) {
    this.requestId = requestId;
    this.standing = standing;
    this.sinceMs = sinceMs;
  }

  /** The log as it was first read for it; undefined when it ended without. */
  read(): Promise<InstanceLog | undefined> {
    const read = this.#read;
    if (read !== 'not_yet') return Promise.resolve(read);
    return new Promise((resolve) => (this.#waiting ??= []).push(resolve));
  }

  /** Says so; only the first word counts. */
  hasRead(term: InstanceLog | undefined): void {
    if (this.#read !== 'not_yet') return;
    this.#read = term;
    if (this.#waiting !== undefined) for (const resolve of this.#waiting) resolve(term);
  }
}

/**
 * One instance under one holding: its work is done one thing at a time, in the order in which it
 * came. Different instances do not wait for each other.
 */
export class HeldInstance {
  readonly holding: Holding;
  readonly #context: RunContext;
  readonly #requests = new TransientMap<string, Promise<Handled>>();
  #term: InstanceLog | undefined;
  /** The log as it was read for a request that has not begun. */
  #read: Snapshot | undefined;
  #active: Active | undefined;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(context: RunContext, holding: Holding) {
    this.#context = context;
    this.holding = holding;
  }

  /**
   * Handles an advance. The same request id joins the run under way and gets its receipt.
   *
   * @param standing for one that somebody else may have answered, the receipt is looked for before
   *   any other request is told that this one is under way; one that is answered elsewhere is in
   *   nobody's way
   */
  advance(request: AdvanceRequest, standing: RequestProgress = JUST_CAME): Promise<Handled> {
    const underWay = this.#requests.get(request.requestId);
    if (underWay !== undefined) return underWay;
    const handled = this.#handle(request, standing);
    this.#requests.set(request.requestId, handled);
    return handled;
  }

  async #handle(request: AdvanceRequest, standing: RequestProgress): Promise<Handled> {
    try {
      return await this.#pinned(() => this.#advance(request, standing));
    } finally {
      this.#requests.delete(request.requestId);
    }
  }

  /** Answers a doubt; exactly one answer counts, whoever comes second gets `conflict`. */
  decide(message: DecideMessage): Promise<Decided> {
    return this.#pinned(() => this.#exclusively(() => this.#decide(message)));
  }

  /** Whether a request is being worked on, or is about to be. */
  get busy(): boolean {
    return this.#active !== undefined || this.#requests.size > 0;
  }

  /**
   * Closes and settles what can be settled without a person; says whether anything is left open or
   * in doubt.
   */
  settle(): Promise<'settled' | 'unsettled'> {
    return this.#pinned(() => this.#exclusively(() => this.#settle()));
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
   * Where the log is read, the request's receipt is read with it: what others have answered is not
   * worked on again. Where it is known already, nobody looks: whatever the walk would write under a
   * request that has its receipt is refused by the log, which answers with the receipt. Only a
   * refusal writes nothing, so before one is given the log is asked: for this request's receipt,
   * and for that of the request which is in its way. Others may have answered that one from the log
   * before this process has read that its own append is done.
   */
  async #advance(request: AdvanceRequest, standing: RequestProgress): Promise<Handled> {
    const { log, receipts } = this.#context;
    const recent = receipts.get(request.requestId);
    if (recent !== undefined) return { kind: 'receipt', receipt: recordedFor(request, recent) };
    if (this.#term === undefined) {
      const read = await log.snapshot(request.instanceId, request.requestId);
      if (read?.receipt !== undefined)
        return { kind: 'receipt', receipt: recordedFor(request, read.receipt) };
      this.#read = read;
    } else if (standing.remembered) {
      const recorded = await log.receipt(request.requestId);
      if (recorded !== undefined)
        return { kind: 'receipt', receipt: recordedFor(request, recorded) };
    }
    for (;;) {
      const handled = await this.#joinOrWalk(request, standing);
      if (handled.kind !== 'receipt') return handled;
      const { receipt } = handled;
      if (isRecorded(receipt.outcome)) {
        receipts.add(request.requestId, receipt);
        return handled;
      }
      // One that says so says nothing of the request, and asking now would only make its agent
      // wait.
      if (receipt.outcome === 'unavailable') return handled;
      const inTheWay = receipt.inFlight?.requestId ?? undefined;
      const [recorded, over] = await Promise.all([
        log.receipt(request.requestId),
        inTheWay === undefined ? undefined : log.receipt(inTheWay),
      ]);
      if (recorded !== undefined)
        return { kind: 'receipt', receipt: recordedFor(request, recorded) };
      if (over === undefined) return handled;
      // It is over, whatever is known of it here.
      await this.#exclusively(() => Promise.resolve(this.#forget()));
    }
  }

  async #joinOrWalk(request: AdvanceRequest, standing: RequestProgress): Promise<Handled> {
    const active = this.#active;
    if (active !== undefined && !request.wait) {
      // Which cell it is at can only be said once the log is read.
      const read = await active.read();
      const receipt =
        read === undefined ? undefined : this.#busy(request, active, this.#term ?? read);
      if (receipt !== undefined) return { kind: 'receipt', receipt };
    }
    const answered = new Promise<Handled>((resolve, reject) => {
      const early: EarlyAnswer = {
        given: undefined,
        give(receipt) {
          this.given = receipt;
          resolve({ kind: 'receipt', receipt });
        },
      };
      const mine = new Active(request.requestId, standing, this.#context.clock.wallMs());
      this.#exclusively(async () => {
        this.#active = mine;
        try {
          return await this.#walk(request, early, standing);
        } finally {
          mine.hasRead(undefined);
          this.#active = undefined;
        }
      }).then(resolve, reject);
      // Taken at once, so that two requests that arrive together cannot both find nobody at work.
      this.#active ??= mine;
    });
    return answered;
  }

  async #walk(
    request: AdvanceRequest,
    early: EarlyAnswer,
    standing: RequestProgress,
  ): Promise<Handled> {
    const { clock, failpoint } = this.#context;
    const { instanceId, requestId } = request;
    const expired = clock.wallMs() > request.expiresAtMs;
    if (failpoint !== undefined) await failpoint('on_admission', { instanceId, requestId });
    for (;;) {
      if (!this.holding.trusted()) return { kind: 'handed_on' };
      const term = this.#known() ?? (await this.#load());
      if (term === 'none') {
        const why = `there is no instance ${instanceId}; start it first`;
        return { kind: 'receipt', receipt: refusedOutright(request, 'not_found', why) };
      }
      if (term === 'superseded') return { kind: 'handed_on' };
      // One that had begun under a holder before this one was admitted in time.
      if (expired && !term.course.state.stepsByRequest.has(requestId)) {
        const why = 'the request has expired; nothing was run';
        return { kind: 'receipt', receipt: refusedOutright(request, 'expired', why) };
      }
      this.#active?.hasRead(term);
      const walked = await this.#orForget(() =>
        advance(this.#context, term, request, early, standing),
      );
      if (term.course.state.lastSeq <= SHORT_LOG && nextStep(term.course).do === 'complete')
        this.#forget();
      if (walked.kind !== 'stale') return walked;
      this.#forget();
    }
  }

  async #decide(message: DecideMessage): Promise<Decided> {
    const { instanceId } = this.holding;
    const whom = { requestId: null, agentId: message.agentId };
    for (;;) {
      if (!this.holding.trusted()) return { kind: 'handed_on' };
      const term = await this.#load();
      if (term === 'none') return refused('not_found', `there is no instance ${instanceId}`);
      if (term === 'superseded') return { kind: 'handed_on' };
      const decided = await this.#orForget(async (): Promise<Decided | 'stale'> => {
        let step = nextStep(term.course);
        if (step.do === 'close') {
          const closing = await closeAttempt(this.#context, term, step, whom);
          if (closing !== 'closed') {
            return refused(
              'conflict',
              `attempt ${step.open.attempt} of cell ${step.open.cellId} is still running`,
            );
          }
          step = nextStep(term.course);
        }
        let refusal: Decided | undefined;
        if (step.do !== 'settle') {
          refusal = refused('conflict', `instance ${instanceId} is not in doubt`);
        } else if (await settleByEvidence(this.#context, term, step, whom)) {
          refusal = refused(
            'conflict',
            'the doubt was settled by the outcome that its holder brought late',
          );
        } else if (step.doubt.cellId !== message.cellId || step.doubt.attempt !== message.attempt) {
          const { cellId, attempt } = step.doubt;
          refusal = refused(
            'conflict',
            `in doubt is attempt ${attempt} of cell ${cellId}, not the one named`,
          );
        } else if (step.doubt.reason === 'not_started' && message.as !== 'rerun') {
          refusal = refused(
            'conflict',
            'the effect never began, so it can only be run again: as rerun',
          );
        } else {
          const { as, reason, output } = message;
          proposeDecision(term, step, { as, by: message.agentId, reason, output }, whom);
        }
        const seq = term.course.state.lastSeq;
        const commit = await term.commit();
        if (commit.kind === 'stale') return 'stale';
        if (commit.kind !== 'committed') return { kind: 'handed_on' };
        return refusal ?? { kind: 'decided', instanceId, seq, as: message.as };
      });
      if (decided !== 'stale') return decided;
      this.#forget();
    }
  }

  async #settle(): Promise<'settled' | 'unsettled'> {
    const nobody = { requestId: null, agentId: null };
    while (this.holding.trusted()) {
      const term = await this.#load();
      if (typeof term === 'string') return 'settled';
      const result = await this.#orForget(async () => {
        let step = nextStep(term.course);
        if (step.do === 'close') {
          if ((await closeAttempt(this.#context, term, step, nobody)) !== 'closed')
            return 'unsettled';
          step = nextStep(term.course);
        }
        const settled =
          step.do !== 'settle' ||
          (await settleDoubt(this.#context, term, step, nobody)) === 'decided';
        const commit = await term.commit();
        if (commit.kind !== 'committed') return 'stale';
        if (settled) this.#context.projections.add(term);
        return settled ? 'settled' : 'unsettled';
      });
      if (result !== 'stale') return result;
      this.#forget();
    }
    return 'unsettled';
  }

  /** One at a time, in order of arrival. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /**
   * The log as it is known. What was refused, or proposed and never committed, is not in it: it is
   * read again.
   */
  #known(): InstanceLog | undefined {
    return this.#term?.spent === false && !this.#term.dirty ? this.#term : undefined;
  }

  async #load(): Promise<InstanceLog | 'none' | 'superseded'> {
    const read = this.#read;
    this.#read = undefined;
    const known = this.#known();
    if (known !== undefined) return known;
    // What was read on arrival serves the first time, when nothing can have been learnt since.
    const usable = this.#term === undefined ? read : undefined;
    this.#term = undefined;
    const snapshot = usable ?? (await this.#context.log.snapshot(this.holding.instanceId));
    if (snapshot === undefined) return 'none';
    const term = new InstanceLog(this.#context, this.holding, snapshot);
    if (term.superseded) {
      await this.#lostTo(term.course.state.lastToken);
      return 'superseded';
    }
    this.#term = term;
    return term;
  }

  /** What is known of the log is not true any more. */
  #forget(): void {
    this.#term = undefined;
    this.#read = undefined;
  }

  /**
   * A higher token in the log: a later term, or an etcd that was restored from a backup and counts
   * anew.
   */
  async #lostTo(token: number): Promise<void> {
    const { leases, logger } = this.#context;
    const { instanceId } = this.holding;
    const seen = await leases.look(instanceId);
    leases.supersede(this.holding);
    if (typeof seen === 'string' || seen.token !== this.holding.token) return;
    logger.error(
      { instanceId, mine: this.holding.token, inLog: token },
      'etcd hands out tokens below the log',
    );
    await leases.stepDown(
      `the log has token ${token} for ${instanceId}, above etcd's newest ${seen.token}`,
    );
  }

  /**
   * A walk that broke off in the middle leaves a state that the log does not have: it is read
   * again.
   */
  async #orForget<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      const term = this.#term;
      this.#forget();
      // An outcome in hand is written even if what should follow it could not be found out.
      if (term?.dirty === true) await term.commit();
      throw cause;
    }
  }

  /**
   * Undefined for a request that waits: nothing is left to run, or it has begun itself, or what is
   * under way is over.
   */
  #busy(request: AdvanceRequest, active: Active, term: InstanceLog): Receipt | undefined {
    const { open, stepsByRequest } = term.course.state;
    // Begun under a holder before this one: it was admitted, so it may not be told that nothing was
    // run.
    if (stepsByRequest.has(request.requestId)) return undefined;
    const cellId = open?.cellId ?? term.nextCellId;
    if (cellId === null) return undefined;
    // Nobody waits for what is under way, and it begins nothing here: it is over in a moment.
    const { attempts } = this.#context;
    const runs =
      open !== undefined &&
      attempts.get(request.instanceId, open.cellId, open.attempt) !== undefined;
    if (active.standing.answeredElsewhere && !runs) return undefined;
    const inFlight: InFlight = {
      cellId,
      attempt: open?.attempt ?? 1,
      requestId: active.requestId,
      since: open?.since ?? new Date(active.sinceMs).toISOString(),
    };
    return { ...receiptOf(this.#context, term, request, 'in_flight', { inFlight }), steps: [] };
  }
}

function refused(code: ReplyError['code'], message: string): Decided {
  return { kind: 'refused', error: { code, message } };
}
