import type { AttemptStatement } from '../../advancer/run/attempts.ts';
import { mayStart, type MayStart } from '../../src/execution/not-started.ts';
import { policyFor, type NextStep } from '../../src/execution/plan.ts';
import { nextIdempotencyKey } from '../../src/execution/state.ts';
import type { JsonObject } from '../../src/json.ts';
import { derive, isOutOfOrder } from './due.ts';
import { cancelsAt, cancelsInDoubt, endUnwinding, proposeUnwinding } from './cancel.ts';
import { heardFrom } from './endings.ts';
import { runsOrRenounces } from './promises.ts';
import { spoiled } from './spoiled-plan.ts';
import { cancelFor, dirty, end, finish, flush, handOn } from './walk.ts';
import { propose, send, supersede, trusted } from './walk.ts';
import type { Walk } from './walk.ts';
import { addLate, lateAbout } from './late.ts';
import { attemptKey, hasRenounced, inHand, replicaIdOf } from './world.ts';
import type { Decision } from './world.ts';

/** Reads the log; see `Recovery.recover`. */
export function read(walk: Walk): void {
  const { rules, world, work } = walk;
  if (!trusted(walk)) return handOn(walk);
  work.view = world.log;
  work.base = world.log.length;
  if (world.log.state.lastToken > work.token && rules.dropsWhenFenced) {
    supersede(walk);
    return handOn(walk);
  }
  derive(work);
  if (isOutOfOrder(work)) return end(walk);
  goOn(walk);
}

/**
 * Goes on from the log until something outside must be asked, or there is something to wait for.
 * See `AdvanceJob`, `SettleJob` and `DecideJob`.
 */
export function goOn(walk: Walk): void {
  const { rules, work } = walk;
  const step = spoiled(walk.rules, walk.work.view);
  if (cancelsAt(walk, step)) return;
  const { operation } = work;
  const settles = step.do === 'close' || step.do === 'settle' || step.do === 'halt';
  if (operation.do === 'decide' && !settles && !rules.haltedIsLooked)
    return decideHalted(walk, operation.decision);
  if (operation.do !== 'advance' && !settles) return flush(walk);
  switch (step.do) {
    case 'close':
      return close(walk, step);
    case 'settle':
      if (step.doubt.reason !== 'not_started') {
        work.at = 'evidence';
        return;
      }
      return settle(walk);
    case 'start':
      if (step.backoffMs === 0 && notStartedOf(walk) === undefined) return start(walk);
      // What is known is written before the wait.
      if (dirty(work)) return send(walk, 'wait');
      work.at = 'waiting';
      return;
    case 'complete':
      return finish(walk, 'completed');
    case 'halt':
      if (operation.do !== 'decide') return finish(walk, 'halted');
      return answersHalted(walk, step, operation.decision);
    case 'await':
    case 'wait':
      // What is known is written before the wait is judged.
      if (dirty(work)) return send(walk, 'judge');
      work.at = 'judge';
      return;
    case 'unwind':
      proposeUnwinding(walk, step.reason);
      return goOn(walk);
    case 'cancel':
      return endUnwinding(walk);
    case 'cancelled':
      return finish(walk, 'cancelled');
    case 'satisfy':
    case 'refute':
    case 'skip':
    case 'run':
      throw new Error(`the model has no cell whose next step is ${step.do}`);
  }
}

/** A person's answer to a cell that failed for good; see `DecideJob`. */
function answersHalted(
  walk: Walk,
  { cell, attempt }: Extract<NextStep, { do: 'halt' }>,
  decision: Decision,
): void {
  if (attempt === undefined) return flush(walk);
  const named = decision.attempt === attemptKey({ cellId: cell.id, attempt });
  if ((named || !walk.rules.decisionNamesAttempt) && decision.as !== 'failed')
    return decideHalted(walk, decision);
  flush(walk);
}

function decideHalted(walk: Walk, { attempt, as }: Decision): void {
  const place = { cellId: attempt.slice(0, -1), attempt: Number(attempt.slice(-1)) };
  propose(walk, 'decided', place, { as, by: 'person', reason: attempt });
  flush(walk);
}

function notStartedOf({ work: { view } }: Walk): Parameters<typeof mayStart>[0] {
  return view.step.do === 'start' ? view.state.cells.get(view.step.cell.id)?.notStarted : undefined;
}

/** Whether this replica makes the next attempt while earlier ones that never began make it wait. */
export function mayStartAtOnce(walk: Walk): MayStart['kind'] {
  const { world, process } = walk;
  const live = world.processes.filter(({ registered }) => registered).map(replicaIdOf);
  return mayStart(notStartedOf(walk), replicaIdOf(process), live, 0).kind;
}

/** See `closeAttempt`. */
function close(walk: Walk, { open }: Extract<NextStep, { do: 'close' }>): void {
  const { rules, world, process, work } = walk;
  if (open.replicaId !== replicaIdOf(process)) {
    work.at = 'confirm';
    return;
  }
  const asker = { rules, world, token: work.token };
  const statement = runsOrRenounces(asker, process, attemptKey(open));
  if (statement === 'runs') return end(walk);
  interrupt(walk, statement);
}

/** No process runs the open attempt. Its own may have stated that the effect never began. */
export function interrupt(walk: Walk, statement?: AttemptStatement): void {
  const { world, work } = walk;
  const wasGone = work.at === 'ask gone';
  work.heldBack = undefined;
  const { step } = work.view;
  if (step.do !== 'close') return;
  const key = attemptKey(step.open);
  const owner = world.processes.find((one) => replicaIdOf(one) === step.open.replicaId);
  const within =
    owner?.up === true &&
    owner.registered &&
    inHand(owner, key) &&
    !owner.works.some((one) => hasRenounced(one, key)) &&
    !wasGone;
  if (within && world.log.rows.at(-1)?.kind === 'started') {
    const what = `${key} is closed while ${step.open.replicaId} has it in hand and is in etcd`;
    world.breaches.push({ guarantee: '3 nobody closes an attempt that is in hand', what });
  }
  // What a process states about its own attempt is evidence.
  const { replicaId, fencingToken: token } = step.open;
  if (statement === 'never_began')
    addLate(walk.rules, world, { attempt: key, states: 'not_started', replicaId, token });
  const reason = walk.rules.closesAsCrash ? 'crash' : 'not_started';
  propose(walk, 'interrupted', step.open, { reason });
  goOn(walk);
}

/** Settles a doubt by the late outcomes, else by policy. See `settleDoubt`. */
export function settle(walk: Walk): void {
  const { rules, world, work } = walk;
  const { step, state } = work.view;
  if (step.do !== 'settle') return;
  const { doubt, cell } = step;
  const key = attemptKey(doubt);
  const late = doubt.reason === 'not_started' ? [] : lateAbout(world, key);
  const heard = heardFrom(late, state.newestAttempt, rules);
  const cancel = rules.cancelLeavesDoubts ? cancelFor(walk) : undefined;
  if (heard.decision !== undefined && rules.evidenceFirst) {
    decide(walk, heard.decision);
    return goOn(walk);
  }
  const ignores = (): void => {
    const what = `${key} is decided although ${heard.statements.join(' and ')} lies in the late outcomes`;
    world.breaches.push({ guarantee: '6 evidence is heard before a decision', what });
  };
  if (heard.decision !== undefined) ignores();
  if (work.operation.do === 'decide') {
    const { attempt, as } = work.operation.decision;
    const named = attempt === key || !rules.decisionNamesAttempt;
    if (named && (doubt.reason !== 'not_started' || as === 'rerun')) {
      const known = doubt.happened || heard.happened;
      const happened = as === 'failed' && known && rules.decisionKeepsHappened;
      if (heard.happened && as === 'failed' && !happened) ignores();
      // The reason says which attempt the person looked at.
      const body = { as, by: 'person', reason: attempt };
      decide(walk, happened ? { ...body, happened } : body);
    }
    return flush(walk);
  }
  if (heard.held && rules.unverifiedHolds) {
    if (cancel === undefined || !cancelsInDoubt(walk, cancel)) leaveInDoubt(walk);
    return;
  }
  if (heard.held && policyFor(cell, doubt, state.cells.get(cell.id)) !== 'hold') ignores();
  const asked = rules.unverifiedHolds ? doubt : { ...doubt, reason: 'crash' };
  const policy = policyFor(cell, asked, state.cells.get(cell.id));
  if (
    cancel !== undefined &&
    doubt.reason !== 'not_started' &&
    policy !== 'probe' &&
    cancelsInDoubt(walk, cancel)
  )
    return;
  switch (policy) {
    case 'hold':
      return leaveInDoubt(walk);
    case 'rerun':
      decide(walk, { as: 'rerun', by: '@policy' });
      return goOn(walk);
    case 'probe':
      work.at = 'probe';
  }
}

/** Takes in a probe's answer. */
export function probed(walk: Walk, answer: 'happened' | 'did_not_happen' | 'unknown'): void {
  const cancel = walk.rules.cancelLeavesDoubts ? cancelFor(walk) : undefined;
  if (cancel !== undefined && answer === 'unknown' && cancelsInDoubt(walk, cancel)) return;
  if (answer === 'unknown') return leaveInDoubt(walk);
  const { world, work } = walk;
  const { step } = work.view;
  if (answer === 'happened' && step.do === 'settle') {
    const about = attemptKey(step.doubt);
    world.effects = world.effects.map((effect) =>
      effect.attempt === about ? { ...effect, found: true } : effect,
    );
  }
  decide(walk, { as: answer === 'happened' ? 'succeeded' : 'rerun', by: '@probe' });
  goOn(walk);
}

function leaveInDoubt(walk: Walk): void {
  if (walk.work.operation.do === 'advance') finish(walk, 'in_doubt');
  else flush(walk);
}

function decide(walk: Walk, decision: JsonObject): void {
  const { step } = walk.work.view;
  if (step.do !== 'settle') return;
  const cancel = cancelFor(walk);
  if (cancel !== undefined && decision['by'] === '@policy' && step.doubt.reason !== 'not_started') {
    const what = `${attemptKey(step.doubt)} is settled by a rerun that never comes`;
    walk.world.breaches.push({ guarantee: '6 a cancellation leaves open what nobody knows', what });
  }
  if (cancel === undefined) propose(walk, 'decided', step.doubt, decision);
  else propose(walk, 'decided', step.doubt, decision, null);
}

/** The intent: check, register, send. See `runAttempt` and `commitIntent`. */
export function start(walk: Walk): void {
  const { rules, process, work } = walk;
  const step = spoiled(walk.rules, walk.work.view);
  if (step.do !== 'start' || cancelFor(walk) !== undefined) return goOn(walk);
  const place = { cellId: step.cell.id, attempt: step.attempt };
  const key = attemptKey(place);
  if ((rules.trustBeforeIntent && !trusted(walk)) || process.draining) return flush(walk);
  if (rules.unavailableEnds && work.answeredUnavailable) return flush(walk);
  if (inHand(process, key) || process.promised.includes(key)) return flush(walk);
  const record = work.view.state.cells.get(place.cellId);
  const idempotencyKey = nextIdempotencyKey('i', place.cellId, record);
  propose(walk, 'started', place, { idempotencyKey });
  if (!rules.intentFirst) {
    work.closing = key;
    work.at = 'intended';
    return;
  }
  work.intent = key;
  send(walk, 'begin');
}
