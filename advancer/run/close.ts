import type { NextStep } from '../../src/execution/plan.ts';
import type { PeerAnswer, RunContext } from './context.ts';
import type { InstanceLog, Requester } from './instance-log.ts';

/** How long a registered replica has to answer whether it runs an attempt. */
const ASK_MS = 500;
/**
 * How long one that is gone from etcd has: it may only have lost its session, and can still report
 * that the effect never began.
 */
const ASK_GONE_MS = 150;

/**
 * Closes an open attempt that this term did not open: proposes `interrupted`, once the process that
 * opened it is gone from etcd, or has answered that it does not run it. Until then no other process
 * may write about the attempt. If that process reports that the effect never began, its report is
 * stored first, so that no doubt remains.
 *
 * @returns false if the attempt is left open: its process runs it, or that could not be found out
 */
export async function closeAttempt(
  context: RunContext,
  log: InstanceLog,
  step: Extract<NextStep, { do: 'close' }>,
  requester: Requester,
): Promise<boolean> {
  const { cellId, attempt, replicaId } = step.open;
  const { instanceId, token } = log.holding;
  let answer: PeerAnswer;
  let how: string;
  if (replicaId === context.leases.replicaId) {
    answer = context.attempts.runsOrRenounces(instanceId, cellId, attempt, token);
    if (answer === 'runs') return false;
    how = 'its own process does not run it';
  } else {
    const gone = await context.leases.confirmGone(replicaId);
    if (gone === 'unknown') return false;
    const askMs = gone === 'gone' ? ASK_GONE_MS : ASK_MS;
    const question = { instanceId, cellId, attempt, fencingToken: token };
    answer = await context.askPeer(replicaId, question, askMs);
    if (gone === 'registered' && (answer === 'runs' || answer === 'silent')) return false;
    how = gone === 'gone' ? `${replicaId} is gone` : `${replicaId} does not run it`;
  }
  if (answer === 'never_began') {
    const { fencingToken } = step.open;
    await context.log.addLateOutcome({
      instanceId,
      cellId,
      attempt,
      fencingToken,
      replicaId,
      kind: 'not_started',
      body: { reason: 'not_started', detail: `reported to ${context.leases.replicaId}` },
    });
    context.count({ what: 'late_outcome', kind: 'not_started' });
    how = `${replicaId} never began it`;
  }
  log.propose('interrupted', cellId, attempt, { reason: 'crash', detail: how }, requester);
  context.logger.info({ instanceId, cellId, attempt, how }, 'closed an attempt as interrupted');
  return true;
}
