import { hash } from 'node:crypto';

import { nextCell, nextStep, type InstanceView } from '../../src/execution/plan.ts';
import { statusOf } from '../../src/execution/status.ts';
import type { Holding } from '../../src/lease/holding.ts';
import { DERIVED_AGENT, DERIVED_PREFIX } from '../../src/request/derived.ts';
import { isRecorded } from '../../src/request/receipt.ts';
import type { ParentCancel } from '../log/children.ts';
import type { AdvanceRequest } from './active-request.ts';
import type { RunContext } from './context.ts';
import type { Handled } from './handled.ts';
import type { Recovery } from './recover.ts';
import type { Settled } from './settle.ts';
import { viewOf } from './view-of.ts';
import type { AdvanceAtWrongReplica } from './wrong-replica.ts';

/** How a look at an instance ended that may go on by itself. */
export type Proceeded =
  /** It is as far as it can get, and what brings it back is written down. */
  | 'done'
  /** Others are at work on it, or this replica does not lead it any more. */
  | 'busy'
  /** It is attended, or there is none: nothing is done for it. */
  | 'left'
  /** It cannot go on now: what it needs is missing. */
  | 'unavailable'
  /** Another replica has to do it. */
  | AdvanceAtWrongReplica;

/** What is done to an instance under its holding. */
interface Work {
  advance(request: AdvanceRequest): Promise<Handled>;
  cancelWith(parent: ParentCancel): Promise<Settled>;
  /** Has the log read again before anything else is done. */
  readAgain(): Promise<void>;
}

/**
 * Lets an unattended instance go on, as far as it can. What it rests on is read under the holding,
 * so what found it due may have been mistaken.
 */
export async function proceed(
  { log }: RunContext,
  { instanceId, token }: Holding,
  recovery: Recovery,
  work: Work,
): Promise<Proceeded> {
  let view = recovery.log?.view;
  if (recovery.log === undefined) {
    const snapshot = await log.snapshot(instanceId);
    if (snapshot?.instance.unattended !== true) return 'left';
    if (snapshot.instance.parent !== undefined) {
      const parent = await log.children.cancelledParent(instanceId);
      if (parent !== undefined)
        return (await work.cancelWith(parent)) === 'settled' ? 'done' : 'busy';
    }
    recovery.offer(snapshot);
    view = viewOf(snapshot);
  } else if (!recovery.log.unattended) return 'left';
  if (view === undefined) return 'busy';
  const handled = await work.advance(derivedRequest(instanceId, view));
  if (handled.kind === 'wrong_replica') return handled;
  if (handled.kind === 'handed_on') return 'busy';
  const { outcome, holder } = handled.receipt;
  if (isRecorded(outcome) && holder?.fencingToken !== token) {
    // Another term came to this request first, and has gone on since.
    await work.readAgain();
    return 'busy';
  }
  switch (outcome) {
    case 'unavailable':
      return 'unavailable';
    case 'in_flight':
      // If a process has left it open, the sweep finds it.
      await recovery.log?.rest();
      return 'busy';
    default:
      return 'done';
  }
}

/** Whether an unattended instance has something to do, as far as its log was read. */
export function canGoOn({ log }: Recovery): boolean {
  if (log?.unattended !== true || log.diverged || log.dirty) return false;
  return statusOf(log.view, false) === 'ready';
}

/**
 * The request under which an unattended instance goes on. Its id follows from the log, so that two
 * that are derived from the same row for the same reason are one, and have one receipt.
 */
function derivedRequest(instanceId: string, view: InstanceView): AdvanceRequest {
  const { runbook, state } = view;
  const cause = JSON.stringify([instanceId, state.lastSeq, nextStep(view).do]);
  return {
    instanceId,
    requestId: `${DERIVED_PREFIX}${hash('sha256', cause).slice(0, 32)}`,
    agentId: DERIVED_AGENT,
    cellId: nextCell(runbook, state)?.id,
    wait: false,
    derived: true,
    expiresAtMs: Number.POSITIVE_INFINITY,
  };
}
