import { judgeAwait, judgeWait, type WaitStep } from '../../src/execution/await.ts';
import type { Claim } from './due.ts';
import { goOn } from './steps.ts';
import { finish, propose, type Walk } from './walk.ts';

/**
 * Judges an await by what was read of its claim and of the clock, by the real rule; see
 * `AdvanceJob`.
 */
export function judge(walk: Walk, newest: Claim | undefined, due: boolean): void {
  const { rules, world, work } = walk;
  const { step } = work.view;
  if (step.do === 'wait') return judgePause(walk, step, due);
  if (step.do !== 'await') throw new Error(`the step is ${step.do}, and no await`);
  const made = newest && { ...newest, agentId: 'agent' };
  const claim = rules.claimWins || !due ? made : undefined;
  const verdict = judgeAwait(step, claim, due);
  if (verdict.do === 'park') return finish(walk, 'parked', newest?.revision);
  if (verdict.do !== 'satisfy') {
    if (!world.due) {
      const what = `${step.cell.id} is ended by a deadline that has not passed`;
      world.breaches.push({ guarantee: '7 a deadline passes by the clock of the database', what });
    }
    if (world.claimedInTime) {
      const what = `${step.cell.id} is ended by its deadline, and its claim was made before that`;
      world.breaches.push({ guarantee: '7 a claim that was made in time wins', what });
    }
  }
  const kind = { satisfy: 'satisfied', refute: 'refuted', skip: 'skipped' } as const;
  propose(walk, kind[verdict.do], { cellId: step.cell.id, attempt: step.attempt }, verdict.body);
  goOn(walk);
}

function judgePause(walk: Walk, step: WaitStep, due: boolean): void {
  const verdict = judgeWait(step, due);
  if (verdict.do === 'park') return finish(walk, 'parked');
  propose(walk, 'satisfied', { cellId: step.cell.id, attempt: step.attempt }, verdict.body);
  goOn(walk);
}
