import type { Json, JsonObject } from '../../src/json.ts';
import { nextStep, policyFor, type NextStep } from '../../src/execution/plan.ts';
import type { Verdict } from '../../src/execution/row.ts';
import type { AutomaticDecider, Doubt } from '../../src/execution/state.ts';
import { effectContext, rerunOfUnbegun } from './attempt.ts';
import type { RunContext } from './context.ts';
import { decisionBy, ownWord, unverifiedIn } from './evidence.ts';
import { NO_REQUESTER, type InstanceLog, type Requester } from './instance-log.ts';
import type { Job, NotDone, ReadAgain } from './recover.ts';
import { wrongReplica, type WrongReplica } from './wrong-replica.ts';

/**
 * Whether anything is left open or in doubt; or that this replica cannot run the probe that might
 * settle it.
 */
export type Settled = 'settled' | 'unsettled' | WrongReplica;

/** The job of a sweep: closes and settles what needs no person, and starts nothing. */
export class SettleJob implements Job<Settled> {
  readonly requester = NO_REQUESTER;
  readonly #context: RunContext;

  constructor(context: RunContext) {
    this.#context = context;
  }

  notDone(why: NotDone): Settled {
    return why === 'not_trusted' || typeof why === 'object' ? 'unsettled' : 'settled';
  }

  stillOpen(): Settled {
    return 'unsettled';
  }

  async work(log: InstanceLog): Promise<Settled | ReadAgain> {
    const step = nextStep(log.view);
    if (step.do === 'settle') {
      const settled = await settleDoubt(this.#context, log, step, this.requester);
      if (settled !== 'settled') return settled;
    }
    const commit = await log.commit();
    if (commit.kind === 'rejected') return 'unsettled';
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
  /** What a failure leaves of the effect; see `isRefusal`. */
  notBegun?: true | undefined;
  happened?: true | undefined;
  /** How long the next attempt waits. */
  waitMs?: number | undefined;
  /** About the output, as in an outcome. */
  detail?: JsonObject | undefined;
}

/**
 * Settles a doubt without a person where that is allowed: by evidence from a fenced holder, else by
 * the cell's policy.
 *
 * @returns `settled` if `decided` is proposed; `unsettled` if a person must decide
 */
export async function settleDoubt(
  context: RunContext,
  log: InstanceLog,
  step: Extract<NextStep, { do: 'settle' }>,
  requester: Requester,
): Promise<Settled> {
  const { doubt } = step;
  await context.failpoint?.('before_decision', {
    instanceId: log.holding.instanceId,
    cellId: doubt.cellId,
    attempt: doubt.attempt,
    requestId: requester.requestId,
  });
  const evidence = await settleByEvidence(context, log, step, requester);
  if (evidence.kind === 'settles') return 'settled';
  if (evidence.kind === 'needs_person') return 'unsettled';
  const decision = await decisionByPolicy(context, log, step);
  if (decision === undefined) return 'unsettled';
  if ('kind' in decision) return decision;
  proposeDecision(log, step.doubt, decision, requester);
  return 'settled';
}

/**
 * Settles a doubt by what is known, and not by what the cell wants done if nothing is: by evidence
 * from a fenced holder, by the effect never having begun, or else by the probe, if it can tell and
 * this replica can run it.
 */
export async function settleByFacts(
  context: RunContext,
  log: InstanceLog,
  step: Extract<NextStep, { do: 'settle' }>,
  requester: Requester,
): Promise<void> {
  const evidence = await settleByEvidence(context, log, step, requester);
  if (evidence.kind !== 'none') return;
  const { doubt, cell } = step;
  const policy = policyFor(cell, doubt, log.view.state.cells.get(doubt.cellId));
  if (policy === 'rerun' && doubt.reason !== 'not_started') return;
  const decision = await decisionByPolicy(context, log, step);
  if (decision === undefined) return;
  if (!('kind' in decision)) return proposeDecision(log, step.doubt, decision, requester);
  const { instanceId } = log.holding;
  const fields = { instanceId, cellId: doubt.cellId, why: decision.unfit.why };
  context.logger.warn(fields, 'this replica cannot run the probe, so the doubt is left');
}

/** What evidence from a fenced holder does to a doubt. */
export type ByEvidence =
  /** It settles the doubt: `decided` is proposed. */
  | { kind: 'settles' }
  /**
   * The effect ended, and its `expect` cannot be evaluated: only a person may decide.
   *
   * `happened`: the effect itself succeeded.
   */
  | { kind: 'needs_person'; happened: boolean }
  | { kind: 'none' };

/** Settles a doubt by evidence from a fenced holder. Tried before a policy or a person decides. */
export async function settleByEvidence(
  context: RunContext,
  log: InstanceLog,
  step: Extract<NextStep, { do: 'settle' }>,
  requester: Requester,
): Promise<ByEvidence> {
  const { cellId, attempt, reason } = step.doubt;
  if (reason === 'not_started') return { kind: 'none' };
  const late = await context.log.lateOutcomes(log.holding.instanceId, cellId, attempt);
  const evidence = ownWord(late, log.view.state.newestAttempt);
  const decision = decisionBy(evidence);
  if (decision !== undefined) {
    proposeDecision(log, step.doubt, decision, requester);
    return { kind: 'settles' };
  }
  const unverified = unverifiedIn(evidence);
  if (unverified === undefined) return { kind: 'none' };
  return { kind: 'needs_person', happened: unverified.body['happened'] === true };
}

/** Proposes what is decided about an attempt. */
export function proposeDecision(
  log: InstanceLog,
  attempt: Pick<Doubt, 'cellId' | 'attempt' | 'happened'>,
  { as, by, reason, output, detail, waitMs, notBegun, happened }: Decision,
  requester: Requester,
): void {
  const body: JsonObject = { as, by, reason };
  if (notBegun !== undefined) body['notBegun'] = notBegun;
  // Nobody can decide away that the effect happened.
  if (happened !== undefined || (as === 'failed' && attempt.happened)) body['happened'] = true;
  if (output !== undefined) body['output'] = output;
  if (detail !== undefined) body['detail'] = detail;
  if (waitMs !== undefined) body['waitMs'] = waitMs;
  log.propose('decided', attempt.cellId, attempt.attempt, body, requester);
}

/**
 * What the cell's policy decides; undefined if it leaves the doubt to a person. A replica that
 * cannot run the probe does not ask a person: another one may be able to.
 */
async function decisionByPolicy(
  context: RunContext,
  log: InstanceLog,
  { cell, doubt }: Extract<NextStep, { do: 'settle' }>,
): Promise<(Decision & { by: AutomaticDecider }) | WrongReplica | undefined> {
  switch (policyFor(cell, doubt, log.view.state.cells.get(doubt.cellId))) {
    case 'hold':
      return undefined;
    case 'rerun': {
      if (doubt.reason === 'not_started') return rerunOfUnbegun(log, doubt.cellId);
      return { as: 'rerun', by: '@policy', reason: 'onInterrupt: rerun' };
    }
    case 'probe': {
      if (cell.probe === undefined) return undefined;
      const unfit = context.effects.unfitFor(cell.probe);
      if (unfit !== undefined) return wrongReplica(unfit);
      const about = effectContext(log, doubt);
      const probed = await context.effects.probe(cell.probe, about, log.holding.signal);
      switch (probed.answer) {
        case 'happened': {
          const reason = 'the probe found that the effect happened';
          const { output, detail } = probed;
          return { as: 'succeeded', by: '@probe', reason, output, detail };
        }
        case 'did_not_happen': {
          const reason = 'the probe found that the effect did not happen';
          return { as: 'rerun', by: '@probe', reason };
        }
        case 'wrong_replica':
          return wrongReplica({ why: probed.why });
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
