import { judgeAwait } from '../../src/execution/await.ts';
import { goOn } from './steps.ts';
import { finish, propose, type Walk } from './walk.ts';

/**
 * Judges an await by what was read of its claim and of the clock, by the real rule; see
 * `AdvanceJob`.
 */
export function judge(walk: Walk, claimed: boolean, due: boolean): void {
  const { rules, world, work } = walk;
  const { step } = work.view;
  if (step.do !== 'await') throw new Error(`the step is ${step.do}, and no await`);
  const made = { revision: 1, status: 'open', agentId: 'agent' };
  const claim = claimed && (rules.claimWins || !due) ? made : undefined;
  const verdict = judgeAwait(step, claim, due);
  if (verdict.do === 'park') return finish(walk, 'parked');
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
