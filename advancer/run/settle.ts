import type { Json, JsonObject } from '../../src/json.ts';
import { nextStep, policyFor, type NextStep } from '../../src/execution/plan.ts';
import type { Verdict } from '../../src/execution/row.ts';
import type { AutomaticDecider } from '../../src/execution/state.ts';
import { effectContext } from './attempt.ts';
import type { RunContext } from './context.ts';
import { decisionBy } from './evidence.ts';
import { NO_REQUESTER, type InstanceLog, type Requester } from './instance-log.ts';
import type { Job, NotDone, ReadAgain } from './recover.ts';

/** Whether anything is left open or in doubt. */
export type Settled = 'settled' | 'unsettled';

/** The job of a sweep: closes and settles what needs no person, and starts nothing. */
export class SettleJob implements Job<Settled> {
  readonly requester = NO_REQUESTER;
  readonly #context: RunContext;

  constructor(context: RunContext) {
    this.#context = context;
  }

  notDone(why: NotDone): Settled {
    return why === 'not_trusted' ? 'unsettled' : 'settled';
  }

  stillOpen(): Settled {
    return 'unsettled';
  }

  async work(log: InstanceLog): Promise<Settled | ReadAgain> {
    const step = nextStep(log.view);
    if (step.do === 'settle' && !(await settleDoubt(this.#context, log, step, this.requester)))
      return 'unsettled';
    const commit = await log.commit();
    if (commit.kind !== 'committed') return 'read_again';
    this.#context.projections.add(log);
    return 'settled';
  }
}

/** What a decision is made of. */
interface Decision {
  as: Verdict;
  /** An agent's id, or an {@link AutomaticDecider}. */
  by: string;
  reason: string;
  output?: Json | undefined;
}

/**
 * Settles a doubt without a person where that is allowed: by evidence from a fenced holder, else by
 * the cell's policy.
 *
 * @returns false if a person must decide; otherwise `decided` is proposed
 */
export async function settleDoubt(
  context: RunContext,
  log: InstanceLog,
  step: Extract<NextStep, { do: 'settle' }>,
  requester: Requester,
): Promise<boolean> {
  const { doubt } = step;
  await context.failpoint?.('before_decision', {
    instanceId: log.holding.instanceId,
    cellId: doubt.cellId,
    attempt: doubt.attempt,
    requestId: requester.requestId,
  });
  if (await settleByEvidence(context, log, step, requester)) return true;
  const decision = await decisionByPolicy(context, log, step);
  if (decision === undefined) return false;
  proposeDecision(log, step, decision, requester);
  return true;
}

/**
 * Settles a doubt by evidence from a fenced holder. Tried before a policy or a person decides.
 *
 * @returns false if there is no evidence; otherwise `decided` is proposed
 */
export async function settleByEvidence(
  context: RunContext,
  log: InstanceLog,
  step: Extract<NextStep, { do: 'settle' }>,
  requester: Requester,
): Promise<boolean> {
  const { cellId, attempt, reason } = step.doubt;
  if (reason === 'not_started') return false;
  const evidence = await context.log.lateOutcomes(log.holding.instanceId, cellId, attempt);
  const decision = decisionBy(evidence);
  if (decision === undefined) return false;
  proposeDecision(log, step, decision, requester);
  return true;
}

/** Proposes the answer to a doubt. */
export function proposeDecision(
  log: InstanceLog,
  step: Extract<NextStep, { do: 'settle' }>,
  { as, by, reason, output }: Decision,
  requester: Requester,
): void {
  const body: JsonObject = output === undefined ? { as, by, reason } : { as, by, reason, output };
  log.propose('decided', step.doubt.cellId, step.doubt.attempt, body, requester);
}

/** What the cell's policy decides; undefined if it leaves the doubt to a person. */
async function decisionByPolicy(
  context: RunContext,
  log: InstanceLog,
  { cell, doubt }: Extract<NextStep, { do: 'settle' }>,
): Promise<(Decision & { by: AutomaticDecider }) | undefined> {
  switch (policyFor(cell, doubt, log.view.state.cells.get(doubt.cellId))) {
    case 'hold':
      return undefined;
    case 'rerun': {
      const neverBegan = doubt.reason === 'not_started';
      const reason = neverBegan ? 'the effect never began' : 'onInterrupt: rerun';
      return { as: 'rerun', by: '@policy', reason };
    }
    case 'probe': {
      if (cell.probe === undefined) return undefined;
      const about = effectContext(log, doubt);
      const probed = await context.effects.probe(cell.probe, about, log.holding.signal);
      switch (probed.answer) {
        case 'happened': {
          const reason = 'the probe found that the effect happened';
          return { as: 'succeeded', by: '@probe', reason, output: probed.output };
        }
        case 'did_not_happen': {
          const reason = 'the probe found that the effect did not happen';
          return { as: 'rerun', by: '@probe', reason };
        }
        case 'unknown': {
          const { instanceId } = log.holding;
          const fields = { instanceId, cellId: doubt.cellId, why: probed.why };
          context.logger.warn(fields, 'the probe could not tell whether the effect happened');
          return undefined;
        }
      }
    }
  }
}
