import { judgeAwait, nextStep } from '../../src/execution/plan.ts';
import { inDoubtOf, inFlightOf } from '../../src/execution/status.ts';
import type { Receipt, ReceiptError } from '../../src/request/receipt.ts';
import { runAttempt } from './attempt.ts';
import type { RunContext } from './context.ts';
import { receiptOf, recordedFor, type ReceiptDetail } from './receipts.ts';
import { closeAttempt, settleDoubt } from './settle.ts';
import type { Commit, OnBehalfOf, InstanceLog } from './instance-log.ts';

/** An advance request that was read and checked. */
export interface AdvanceRequest {
  instanceId: string;
  requestId: string;
  agentId: string;
  cellId?: string | undefined;
  maxCells?: number | undefined;
  wait: boolean;
  /** Wall-clock time after which it may no longer be admitted, in milliseconds since 1970. */
  expiresAtMs: number;
}

/** How a request stands with those who wait for it, while it is served. */
export interface RequestProgress {
  /**
   * Whether it has waited before it was served, so that somebody else may have answered it
   * meanwhile.
   */
  readonly remembered: boolean;
  /** Whether another replica has answered it: what is done for it from now on, nobody waits for. */
  readonly answeredElsewhere: boolean;
}

/** How handling a request ended. */
export type Handled =
  | { kind: 'receipt'; receipt: Receipt }
  /** This replica does not lead the instance any more; the request is for whoever does. */
  | { kind: 'handed_on' };

/** An answer that is given while the walk goes on. */
export interface EarlyAnswer {
  given: Receipt | undefined;
  give(receipt: Receipt): void;
}

/** How one walk over the log ended. */
export type Walked = Handled | { kind: 'stale' };

/** How often an attempt that another process runs is looked at again. */
const LOOK_AGAIN_MS = 200;

/**
 * Moves an instance forward for one request, until it completes, parks, halts, is in doubt, or the
 * request's cells are used up. What the log already holds under this request id counts: a request
 * that another replica had begun goes on where it stood.
 *
 * @param early answers the request before the walk ends; from then on the walk begins nothing, for
 *   its agent was told that nothing was run
 * @param standing once it is answered elsewhere nothing is waited for any more
 */
export async function advance(
  context: RunContext,
  term: InstanceLog,
  request: AdvanceRequest,
  early: EarlyAnswer,
  standing: RequestProgress,
): Promise<Walked> {
  const whom: OnBehalfOf = { requestId: request.requestId, agentId: request.agentId };
  const refusal = outOfOrder(context, term, request);
  if (refusal !== undefined) return { kind: 'receipt', receipt: refusal };
  for (;;) {
    if (early.given !== undefined) {
      await term.commit();
      return { kind: 'receipt', receipt: early.given };
    }
    const step = nextStep(term.course);
    switch (step.do) {
      case 'close': {
        const closing = await closeAttempt(context, term, step, whom);
        if (closing === 'closed') break;
        const mine = term.course.state.stepsByRequest.has(request.requestId);
        const expired = context.clock.wallMs() > request.expiresAtMs;
        if (!(mine || request.wait) || expired) {
          const inFlight = inFlightOf(step.open);
          return {
            kind: 'receipt',
            receipt: receiptOf(context, term, request, 'in_flight', { inFlight }),
          };
        }
        // The same id joins the run under way, wherever it is.
        const own = context.attempts.get(request.instanceId, step.open.cellId, step.open.attempt);
        const aWhile = context.clock.sleep(LOOK_AGAIN_MS, context.draining);
        await (own === undefined ? aWhile : Promise.race([aWhile, own.done]));
        if (context.draining.aborted || !term.holding.trusted() || standing.answeredElsewhere)
          return { kind: 'handed_on' };
        return { kind: 'stale' };
      }
      case 'settle':
        if ((await settleDoubt(context, term, step, whom)) === 'decided') break;
        return finish(context, term, request, 'in_doubt', { inDoubt: inDoubtOf(step.doubt) });
      case 'complete':
        return finish(context, term, request, 'completed', {});
      case 'halt':
        return finish(context, term, request, 'halted', {
          error: { code: 'halted', message: `cell ${step.cell.id} ${step.why}` },
        });
      case 'await': {
        const judged = judgeAwait(step, await context.log.claimStatus(step.claimId));
        if (judged.do === 'park')
          return finish(context, term, request, 'parked', { awaiting: judged.awaiting });
        term.propose('satisfied', step.cell.id, 1, judged.body, whom);
        break;
      }
      case 'satisfy':
        term.propose('satisfied', step.cell.id, 1, step.body, whom);
        break;
      case 'refute':
        term.propose('refuted', step.cell.id, 1, step.body, whom);
        break;
      case 'start': {
        if (spent(term, request)) return finish(context, term, request, 'advanced', {});
        if (step.backoffMs > 0) {
          // What is known is written before the wait, not after it.
          const commit = await term.commit();
          if (commit.kind !== 'committed') return walkedBy(request, commit);
          await context.clock.sleep(
            step.backoffMs,
            AbortSignal.any([context.draining, term.holding.signal]),
          );
        }
        const result = await runAttempt(context, term, step, whom, () =>
          early.give({
            ...receiptOf(context, term, request, 'unavailable', { error: postgresAway }),
            steps: term.committedSteps(request.requestId),
          }),
        );
        if (result.kind === 'closed') break;
        if (result.kind === 'handed_on') await term.commit();
        return walkedBy(request, result);
      }
    }
  }
}

const postgresAway: ReceiptError = {
  code: 'unavailable',
  message: 'Postgres does not answer; nothing was run. Ask again with the same request id.',
};

/** Records the receipt together with the request's last row. */
async function finish(
  context: RunContext,
  term: InstanceLog,
  request: AdvanceRequest,
  outcome: 'completed' | 'advanced' | 'parked' | 'halted' | 'in_doubt',
  detail: ReceiptDetail,
): Promise<Walked> {
  const receipt = receiptOf(context, term, request, outcome, detail);
  const commit = await term.commit(receipt, detail.awaiting !== undefined);
  return commit.kind === 'committed' ? { kind: 'receipt', receipt } : walkedBy(request, commit);
}

function walkedBy(
  request: AdvanceRequest,
  commit: Exclude<Commit, { kind: 'committed' }> | { kind: 'handed_on' },
): Walked {
  switch (commit.kind) {
    case 'stale':
      return { kind: 'stale' };
    case 'fenced':
    case 'handed_on':
      return { kind: 'handed_on' };
    case 'receipted':
      return { kind: 'receipt', receipt: recordedFor(request, commit.receipt) };
  }
}

/** Whether the request's `maxCells` exec cells are through, whichever replicas ran them. */
function spent(term: InstanceLog, request: AdvanceRequest): boolean {
  if (request.maxCells === undefined) return false;
  const { state } = term.course;
  const steps = state.stepsByRequest.get(request.requestId) ?? [];
  if (steps.length < request.maxCells) return false;
  const through = new Set(
    steps
      .filter(
        ({ kind, cellId }) =>
          (kind === 'completed' || kind === 'decided') && isThrough(term, cellId),
      )
      .map(({ cellId }) => cellId),
  );
  return through.size >= request.maxCells;
}

function isThrough(term: InstanceLog, cellId: string): boolean {
  return term.course.state.cells.get(cellId)?.result !== undefined;
}

function outOfOrder(
  context: RunContext,
  term: InstanceLog,
  request: AdvanceRequest,
): Receipt | undefined {
  const { cellId } = request;
  if (cellId === undefined || cellId === term.nextCellId) return undefined;
  // A cell that this very request has touched was next when it began.
  const steps = term.course.state.stepsByRequest.get(request.requestId) ?? [];
  if (steps.some((step) => step.cellId === cellId)) return undefined;
  const expected =
    term.nextCellId === null ? 'no cell is left' : `the next cell is ${term.nextCellId}`;
  const message = `cellId: ${cellId} is not next, ${expected}`;
  return receiptOf(context, term, request, 'out_of_order', {
    error: { code: 'out_of_order', message, field: 'cellId' },
  });
}
