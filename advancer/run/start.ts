import type { NextStep } from '../../src/execution/plan.ts';
import { runAttempt } from './attempt.ts';
import type { RunContext } from './context.ts';
import type { Commit, InstanceLog, NotCommitted, Requester } from './instance-log.ts';
import type { PendingCancels } from './pending-cancels.ts';
import { startAfterNotStarted, wrongReplica, type WrongReplica } from './wrong-replica.ts';

type Start = Extract<NextStep, { do: 'start' }>;

/** For whom an attempt is made, and what may come in between. */
interface StartOptions {
  requester: Requester;
  /** A cancel ends the wait before the attempt, and it is not made. */
  cancels: PendingCancels;
  /** See {@link runAttempt}. */
  onSlow: () => void;
}

/**
 * Makes the next attempt of a cell, after its backoff, if this replica may and can.
 *
 * @returns `go_on` if the log has what follows from it, or a cancel came first; that it is for
 *   another replica, of which nothing is written; or why a commit failed
 */
export async function startAttempt(
  context: RunContext,
  log: InstanceLog,
  step: Start,
  { requester, cancels, onSlow }: StartOptions,
): Promise<'go_on' | WrongReplica | NotCommitted> {
  const { notStarted } = log.view.state.cells.get(step.cell.id) ?? {};
  if (log.dirty && notStarted !== undefined) {
    // The wait counts from when the log has the attempt that never began.
    const commit = await log.commit();
    if (commit.kind !== 'committed') return commit;
  }
  // Found out before any row is written.
  const unfit = context.effects.unfitFor(step.cell.exec);
  const may =
    unfit === undefined ? startAfterNotStarted(context, log, notStarted) : wrongReplica(unfit);
  if (may.kind !== 'start') return may;
  const backoffMs = Math.max(step.backoffMs, may.afterMs);
  if (backoffMs > 0) {
    const commit = await backOff(context, log, cancels, backoffMs);
    if (commit.kind !== 'committed') return commit;
    if (cancels.next !== undefined) return 'go_on';
  }
  const result = await runAttempt(context, log, step, requester, onSlow);
  if (result === 'closed') return 'go_on';
  if (result.kind === 'handed_on') await log.commit();
  return result;
}

/** Waits before an attempt. What is known is written before the wait, not after it. */
async function backOff(
  { clock, draining }: RunContext,
  log: InstanceLog,
  cancels: PendingCancels,
  backoffMs: number,
): Promise<Commit> {
  const commit = await log.commit();
  if (commit.kind !== 'committed') return commit;
  const over = [draining, log.holding.signal, cancels.signal()];
  await clock.sleep(backoffMs, AbortSignal.any(over));
  return commit;
}
