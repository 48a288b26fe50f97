import {
  judgeAwait,
  judgeWait,
  type AwaitStep,
  type Judgement,
  type WaitStep,
} from '../../src/execution/await.ts';
import type { Awaiting, Waiting } from '../../src/execution/views.ts';
import type { Log } from '../log/log.ts';

/** A wait that goes on: for a claim, or for time to pass. */
type Parked = { do: 'park'; awaiting: Awaiting } | { do: 'park'; waiting: Waiting };

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
): Promise<Judgement | Parked> {
  if (step.do === 'wait') return judgeWait(step, (await log.readWait(undefined, step.until)).isDue);
  const { claimId, deadline } = step;
  if (deadline === undefined) return judgeAwait(step, await log.claimStatus(claimId), false);
  const { claim, isDue } = await log.readWait(claimId, deadline);
  return judgeAwait(step, claim, isDue);
}
