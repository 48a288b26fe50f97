import {
  judgeAwait,
  judgeWait,
  type AwaitStep,
  type Judgement,
  type WaitStep,
} from '../../src/execution/await.ts';
import { nextStep, type InstanceView } from '../../src/execution/plan.ts';
import type { Claim, Log } from '../log/log.ts';
import type { Parked } from './rest.ts';

/** A wait that goes on: for a claim, or for time to pass. */
interface GoesOn {
  do: 'park';
  parked: Parked;
}

/** Whether the next cell waits, as far as the log says. */
export function isWaiting(view: InstanceView): boolean {
  const step = nextStep(view);
  return step.do === 'await' || step.do === 'wait' || step.do === 'run';
}

/** Whether the database's clock decides a step: its wait may begin with the row before it. */
export function isTimed(step: AwaitStep | WaitStep): boolean {
  return step.do === 'wait' || step.deadline !== undefined;
}

/**
 * What a wait has come to, by the newest claim and the database's clock. Both are read at once, so
 * that a claim which was made in time is never missed.
 */
export async function judge(
  log: Pick<Log, 'claimStatus' | 'readWait'>,
  step: AwaitStep | WaitStep,
): Promise<Judgement | GoesOn> {
  if (step.do === 'wait') {
    const judged = judgeWait(step, (await log.readWait(undefined, step.until)).isDue);
    return judged.do === 'park' ? { do: 'park', parked: { waiting: judged.waiting } } : judged;
  }
  const { claimId, deadline } = step;
  if (deadline === undefined) return judgeClaim(step, await log.claimStatus(claimId), false);
  const { claim, isDue } = await log.readWait(claimId, deadline);
  return judgeClaim(step, claim, isDue);
}

function judgeClaim(step: AwaitStep, claim: Claim | undefined, isDue: boolean): Judgement | GoesOn {
  const judged = judgeAwait(step, claim, isDue);
  if (judged.do !== 'park') return judged;
  return { do: 'park', parked: { awaiting: judged.awaiting, revision: claim?.revision ?? 0 } };
}
