import { nextStep, type InstanceView, type NextStep } from '../../src/execution/plan.ts';
import { statusOf } from '../../src/execution/status.ts';
import type { ReplyError } from '../../src/request/messages.ts';
import { suggestion } from '../../src/shell-quote.ts';
import type { RunContext } from './context.ts';
import type { InstanceLog, NotCommitted, Requester } from './instance-log.ts';
import type { CancelRequest, CancelResult, PendingCancel } from './pending-cancels.ts';
import { refusedByPostgres } from './receipts.ts';
import type { Job, NotDone, ReadAgain } from './recover.ts';
import { settleByFacts } from './settle.ts';
import { proposeCancelled, proposeUnwinding } from './verdicts.ts';

/** How often an attempt that another process runs is checked again. */
const CHECK_AGAIN_MS = 200;
/** The clocks of two machines, and of Postgres, may differ by so much. */
const CLOCK_TOLERANCE_MS = 1_000;

/**
 * Cancels an instance when its turn comes, unless the work that was under way did it before. An
 * attempt that runs is ended, and its closing row is waited for; one of a dead process is closed as
 * a recovery does.
 */
export class CancelJob implements Job<CancelResult> {
  readonly requester: Requester;
  readonly #context: RunContext;
  readonly #instanceId: string;
  readonly #pending: PendingCancel;

  constructor(context: RunContext, instanceId: string, pending: PendingCancel) {
    this.#context = context;
    this.#instanceId = instanceId;
    this.#pending = pending;
    this.requester = requesterOf(pending.request);
  }

  notDone(why: NotDone): CancelResult {
    const { result } = this.#pending;
    if (result !== undefined) return result;
    if (typeof why === 'object')
      return refused({ code: 'unavailable', message: refusedByPostgres(why.rejected) });
    const message = `there is no instance ${this.#instanceId}`;
    return why === 'no_instance'
      ? refused({ code: 'not_found', message, field: 'instanceId' })
      : { kind: 'handed_on' };
  }

  admit(): CancelResult | undefined {
    return this.#pending.result;
  }

  async stillOpen(
    log: InstanceLog,
    { open }: Extract<NextStep, { do: 'close' }>,
  ): Promise<CancelResult | ReadAgain> {
    const { attempts, clock, draining } = this.#context;
    const { request } = this.#pending;
    const refusal = refusalOf(log, request);
    if (refusal !== undefined) return refused(refusal);
    const { cellId, attempt, replicaId } = open;
    if (clock.wallMs() > request.expiresAtMs) {
      const message =
        `attempt ${attempt} of cell ${cellId} is still running on ${replicaId}; ` +
        'nothing is cancelled. Cancel again once it has ended, or that replica is gone';
      return refused({ code: 'unavailable', message });
    }
    attempts.cancel(this.#instanceId, cellId, attempt);
    const own = attempts.get(this.#instanceId, cellId, attempt);
    const pause = clock.sleep(CHECK_AGAIN_MS, draining);
    await (own === undefined ? pause : Promise.race([pause, own.done]));
    return draining.aborted || !log.holding.trusted() ? { kind: 'handed_on' } : 'read_again';
  }

  async work(log: InstanceLog): Promise<CancelResult | ReadAgain> {
    const applied = await applyCancel(this.#context, log, this.#pending);
    if (applied === 'answered') return this.#pending.result ?? 'read_again';
    switch (applied.kind) {
      case 'conflict':
      case 'receipted':
        return 'read_again';
      case 'handed_on':
        return { kind: 'handed_on' };
      case 'rejected':
        return this.notDone({ rejected: applied.why });
    }
  }
}

/**
 * Applies a cancel, or refuses it, and answers it. No attempt is open. What is proposed already is
 * committed first, so that whatever is answered is in the log.
 *
 * A doubt is settled before, if late outcomes or the probe can: what became of the effect is then
 * known, and nothing runs again for it. What stays unknown is recorded as left.
 *
 * @returns why a commit failed, if one did: then it still waits
 */
export async function applyCancel(
  context: RunContext,
  log: InstanceLog,
  pending: PendingCancel,
): Promise<'answered' | NotCommitted> {
  const { request } = pending;
  const { instanceId } = log.holding;
  let commit = await log.commit();
  if (commit.kind !== 'committed') return commit;
  const answer = (result: CancelResult): 'answered' => {
    pending.answer(result);
    return 'answered';
  };
  const before = answeredBefore(log, request);
  if (before !== undefined) return answer(before);
  if (context.clock.wallMs() > request.expiresAtMs) {
    const message = 'the cancel has expired; nothing is cancelled';
    return answer(refused({ code: 'expired', message }));
  }
  const refusal = refusalOf(log, request);
  if (refusal !== undefined) return answer(refused(refusal));
  const { cellId, attempt } = log.view.state.last ?? {};
  await context.failpoint?.('before_cancel', { instanceId, cellId, attempt });
  const step = nextStep(log.view);
  if (step.do === 'settle') {
    await settleByFacts(context, log, step, requesterOf(request));
    commit = await log.commit();
    if (commit.kind !== 'committed') return commit;
    // It may turn out that the last cell has succeeded.
    const late = refusalOf(log, request);
    if (late !== undefined) return answer(refused(late));
  }
  const { doubt } = log.view.state;
  if (request.undo === true && doubt !== undefined) {
    const flags = ['--cell', doubt.cellId, '--attempt', String(doubt.attempt)];
    const command = suggestion('decide', [instanceId], [...flags, '--as', '…', '--reason', '…']);
    const message =
      `attempt ${doubt.attempt} of cell ${doubt.cellId} is in doubt, so it is unknown whether there ` +
      `is something to undo. Decide it, then cancel again: ${command}`;
    return answer(refused({ code: 'conflict', message }));
  }
  if (request.undo === true) proposeUnwinding(log, request, requesterOf(request));
  // Also if there turns out to be nothing to undo.
  if (request.undo !== true || nextStep(log.view).do === 'cancel')
    proposeCancelled(log, request, requesterOf(request));
  commit = await log.commit();
  if (commit.kind !== 'committed') return commit;
  await context.failpoint?.('after_cancel', { instanceId, cellId, attempt });
  return answer(cancelledAt(log, log.view.state.lastSeq));
}

/** Whether a cancel may end the attempt that runs: if it would be refused, it ends nothing. */
export function mayEndAttempt(log: InstanceLog, request: CancelRequest): boolean {
  return refusalOf(log, request) === undefined;
}

/**
 * The answer of a cancel that is in the log already: another replica, or this one in an earlier
 * term, has applied it and died, or lost its lease, before it could answer.
 */
function answeredBefore(log: InstanceLog, request: CancelRequest): CancelResult | undefined {
  if (!request.remembered) return undefined;
  const { cancelled, unwinding } = log.view.state;
  const found = request.undo === true ? unwinding : cancelled;
  if (found === undefined) return undefined;
  const { by, reason, children, since, seq } = found;
  const same = by === request.by && reason === request.reason;
  if (!same || children !== (request.children === true)) return undefined;
  const isNewer = Date.parse(since) >= request.arrivedAtMs - CLOCK_TOLERANCE_MS;
  return isNewer ? cancelledAt(log, seq) : undefined;
}

function cancelledAt({ view }: InstanceLog, seq: number): CancelResult {
  return { kind: 'cancelled', seq, status: statusOf(view, false) };
}

/** Why an instance cannot be cancelled, as far as its log says; undefined if it can. */
function refusalOf(log: InstanceLog, request: CancelRequest): ReplyError | undefined {
  const { instanceId } = log.holding;
  const why = whyNot(log.view, request);
  return why === undefined
    ? undefined
    : { code: 'conflict', message: `instance ${instanceId} ${why}` };
}

function whyNot(view: InstanceView, { undo }: CancelRequest): string | undefined {
  const { cancelled, unwinding } = view.state;
  if (cancelled !== undefined)
    return `is cancelled already, by ${cancelled.by} (${cancelled.reason})`;
  if (unwinding === undefined) {
    const step = nextStep(view);
    if (step.do === 'complete') return 'has completed: no cell is left';
    // The log accepts no row that would begin to undo it.
    const isStuck = step.do === 'halt' && step.attempt === undefined;
    return isStuck && undo === true
      ? `cannot be undone, only cancelled: cell ${step.cell.id} ${step.why}`
      : undefined;
  }
  if (undo !== true) return undefined;
  const { by, reason } = unwinding;
  return `is being undone already, by ${by} (${reason}): advance it, or cancel it without undo`;
}

/** Rows of a cancel are for no request, as those of a decision are. */
function requesterOf({ by }: CancelRequest): Requester {
  return { requestId: null, agentId: by.startsWith('@') ? null : by };
}

function refused(error: ReplyError): CancelResult {
  return { kind: 'refused', error };
}
