import type { Json, JsonObject } from '../../src/json.ts';
import { policyFor, type NextStep } from '../../src/execution/plan.ts';
import type { Verdict } from '../../src/execution/row.ts';
import type { AutomaticDecider, Doubt, OpenAttempt } from '../../src/execution/state.ts';
import type { EffectContext } from '../cells/cells.ts';
import type { LateOutcome } from '../log/log.ts';
import type { PeerAnswer, RunContext } from './context.ts';
import type { OnBehalfOf, InstanceLog } from './instance-log.ts';

/** What came of looking at an open attempt that this term did not open. */
export type Closing =
  /** `interrupted` is proposed: nobody runs the attempt any more. */
  | 'closed'
  /** Its process runs it, or may run it: it is left alone. */
  | 'running'
  /** etcd did not answer. */
  | 'unknown';

/** How long a replica that is in etcd has to say whether it runs an attempt. */
const ASK_MS = 500;
/**
 * One that is gone from etcd may still be there to say that the effect never began; nobody waits
 * for it for long.
 */
const ASK_GONE_MS = 150;

/**
 * Closes an open attempt once the process that opened it is gone from etcd, or itself answers that
 * it no longer runs it. Until then nobody else may say anything of the attempt. Where that process
 * says that the effect never began, no doubt remains.
 */
export async function closeAttempt(
  context: RunContext,
  term: InstanceLog,
  step: Extract<NextStep, { do: 'close' }>,
  whom: OnBehalfOf,
): Promise<Closing> {
  const { cellId, attempt, replicaId } = step.open;
  const { instanceId, token } = term.holding;
  let said: PeerAnswer;
  let how: string;
  if (replicaId === context.leases.replicaId) {
    said = context.attempts.runsOrRenounces(instanceId, cellId, attempt, token);
    if (said === 'runs') return 'running';
    how = 'its own process does not run it';
  } else {
    const gone = await context.leases.confirmGone(replicaId);
    if (gone === 'unknown') return 'unknown';
    const askMs = gone === 'gone' ? ASK_GONE_MS : ASK_MS;
    said = await context.askPeer(
      replicaId,
      { instanceId, cellId, attempt, fencingToken: token },
      askMs,
    );
    if (gone === 'registered' && (said === 'runs' || said === 'silent')) return 'running';
    how = gone === 'gone' ? `${replicaId} is gone` : `${replicaId} does not run it any more`;
  }
  if (said === 'never_began') {
    // Its word is evidence, which settles what would be a doubt otherwise; it is kept before
    // anything rests on it.
    const { fencingToken } = step.open;
    await context.log.addLateOutcome({
      instanceId,
      cellId,
      attempt,
      fencingToken,
      replicaId,
      kind: 'not_started',
      body: { reason: 'not_started', detail: `said so to ${context.leases.replicaId}` },
    });
    context.count({ what: 'late_outcome', kind: 'not_started' });
    how = `${replicaId} never began it`;
  }
  term.propose('interrupted', cellId, attempt, { reason: 'crash', detail: how }, whom);
  context.logger.info({ instanceId, cellId, attempt, how }, 'closed an attempt as interrupted');
  return 'closed';
}

/**
 * Settles a doubt without a person where that is allowed: by what a fenced holder still brought,
 * else by the cell's policy. Proposes `decided`, or answers `in_doubt` where a person must decide.
 */
export async function settleDoubt(
  context: RunContext,
  term: InstanceLog,
  step: Extract<NextStep, { do: 'settle' }>,
  whom: OnBehalfOf,
): Promise<'decided' | 'in_doubt'> {
  const { doubt, cell } = step;
  const { instanceId } = term.holding;
  await context.failpoint?.('before_decision', {
    instanceId,
    cellId: doubt.cellId,
    attempt: doubt.attempt,
    requestId: whom.requestId,
  });
  if (await settleByEvidence(context, term, step, whom)) return 'decided';
  const decide = (as: Verdict, by: AutomaticDecider, reason: string, output?: Json): 'decided' => {
    proposeDecision(term, step, { as, by, reason, output }, whom);
    return 'decided';
  };
  switch (policyFor(cell, doubt, term.course.state.cells.get(doubt.cellId))) {
    case 'hold':
      return 'in_doubt';
    case 'rerun':
      return doubt.reason === 'not_started'
        ? decide('rerun', '@policy', 'the effect never began')
        : decide('rerun', '@policy', 'onInterrupt: rerun');
    case 'probe': {
      if (cell.probe === undefined) return 'in_doubt';
      const about = effectContext(term, doubt);
      const probed = await context.effects.probe(cell.probe, about, term.holding.signal);
      switch (probed.answer) {
        case 'happened':
          return decide(
            'succeeded',
            '@probe',
            'the probe found that the effect happened',
            probed.output,
          );
        case 'did_not_happen':
          return decide('rerun', '@probe', 'the probe found that the effect did not happen');
        case 'unknown':
          context.logger.warn(
            { instanceId, cellId: doubt.cellId, why: probed.why },
            'the probe could not tell',
          );
          return 'in_doubt';
      }
    }
  }
}

/**
 * Settles a doubt by what a fenced holder still brought. Read before policy or a person decides.
 */
export async function settleByEvidence(
  context: RunContext,
  term: InstanceLog,
  step: Extract<NextStep, { do: 'settle' }>,
  whom: OnBehalfOf,
): Promise<boolean> {
  const { doubt } = step;
  if (doubt.reason === 'not_started') return false;
  const evidence = await context.log.lateOutcomes(
    term.holding.instanceId,
    doubt.cellId,
    doubt.attempt,
  );
  const late = evidence.find(({ kind }) => kind !== 'not_started') ?? evidence[0];
  if (late === undefined) return false;
  proposeDecision(term, step, verdictOf(late), whom);
  return true;
}

/** Proposes the answer to a doubt. */
export function proposeDecision(
  term: InstanceLog,
  step: Extract<NextStep, { do: 'settle' }>,
  decision: { as: Verdict; by: string; reason: string; output?: Json | undefined },
  whom: OnBehalfOf,
): void {
  const { as, by, reason, output } = decision;
  const body: JsonObject = output === undefined ? { as, by, reason } : { as, by, reason, output };
  term.propose('decided', step.doubt.cellId, step.doubt.attempt, body, whom);
}

/** What an attempt's effect, or a probe that asks about it, is given. */
export function effectContext(
  term: InstanceLog,
  { cellId, attempt, fencingToken, idempotencyKey }: OpenAttempt | Doubt,
  requestId?: string | null,
): EffectContext {
  const { inputs, state } = term.course;
  return {
    instanceId: term.holding.instanceId,
    cellId,
    attempt,
    fencingToken,
    idempotencyKey,
    requestId,
    inputs,
    outputs: state.outputs,
  };
}

function verdictOf(late: LateOutcome): {
  as: Verdict;
  by: AutomaticDecider;
  reason: string;
  output?: Json;
} {
  const by: AutomaticDecider = '@late-outcome';
  switch (late.kind) {
    case 'completed':
      return {
        as: 'succeeded',
        by,
        reason: `${late.replicaId} brought the outcome late`,
        output: late.body['output'] ?? null,
      };
    case 'failed':
      return { as: 'failed', by, reason: `${late.replicaId} brought the failure late` };
    case 'not_started':
      return { as: 'rerun', by, reason: `${late.replicaId} says that the effect never began` };
  }
}
