import type { AttemptStatement } from '../../advancer/run/attempts.ts';
import { mayStart, type MayStart } from '../../src/execution/not-started.ts';
import { policyFor, type NextStep } from '../../src/execution/plan.ts';
import { nextIdempotencyKey } from '../../src/execution/state.ts';
import type { JsonObject } from '../../src/json.ts';
import { heardFrom } from './endings.ts';
import { runsOrRenounces } from './promises.ts';
import { dirty, end, finish, flush, handOn, propose, send, supersede, trusted } from './walk.ts';
import type { Walk } from './walk.ts';
import { addLate, attemptKey, evidenceAbout, hasRenounced, inHand, replicaIdOf } from './world.ts';

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
  goOn(walk);
}

/**
 * Goes on from the log until something outside must be asked, or there is something to wait for.
 * See `AdvanceJob`, `SettleJob` and `DecideJob`.
 */
export function goOn(walk: Walk): void {
  const { work } = walk;
  const step = nextOf(walk);
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
      if (work.operation.do !== 'advance') return flush(walk);
      if (step.backoffMs === 0 && notStartedOf(walk) === undefined) return start(walk);
      // What is known is written before the wait.
      if (dirty(work)) return send(walk, 'wait');
      work.at = 'waiting';
      return;
    case 'complete':
      return finish(walk, 'completed');
    case 'halt':
      return finish(walk, 'halted');
    case 'await':
    case 'wait':
    case 'run':
    case 'satisfy':
    case 'refute':
    case 'skip':
    case 'unwind':
    case 'cancel':
    case 'cancelled':
      throw new Error('the model has exec cells only, and no cancellation');
  }
}

/** The next step by the real plan, or by one that a control spoils. */
function nextOf({ rules, work }: Walk): NextStep {
  const { step, state } = work.view;
  if (rules.happenedEnds || step.do !== 'halt' || !('exec' in step.cell)) return step;
  const { cell } = step;
  const record = state.cells.get(cell.id);
  if (record?.happened !== true || record.failures >= (cell.retry?.attempts ?? 1)) return step;
  return { do: 'start', cell, attempt: record.attempts + 1, backoffMs: 0 };
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
  if (statement === 'never_began') addLate(world, { attempt: key, states: 'not_started' });
  propose(walk, 'interrupted', step.open, { reason: 'crash' });
  goOn(walk);
}

/** Settles a doubt by the late outcomes, else by policy. See `settleDoubt`. */
export function settle(walk: Walk): void {
  const { rules, world, work } = walk;
  const { step, state } = work.view;
  if (step.do !== 'settle') return;
  const { doubt, cell } = step;
  const key = attemptKey(doubt);
  const evidence = evidenceAbout(world, key);
  const heard = heardFrom(doubt.reason === 'not_started' ? [] : evidence, rules.evidenceKeepsFlags);
  if (heard.decision !== undefined && rules.evidenceFirst) {
    decide(walk, heard.decision);
    return goOn(walk);
  }
  const ignores = (): void => {
    const what = `${key} is decided although ${evidence.join(' and ')} lies in the late outcomes`;
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
  if (heard.held && rules.unverifiedHolds) return leaveInDoubt(walk);
  if (heard.held && policyFor(cell, doubt, state.cells.get(cell.id)) !== 'hold') ignores();
  const asked = rules.unverifiedHolds ? doubt : { ...doubt, reason: 'crash' };
  switch (policyFor(cell, asked, state.cells.get(cell.id))) {
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
  if (step.do === 'settle') propose(walk, 'decided', step.doubt, decision);
}

/** The intent: check, register, send. See `runAttempt` and `commitIntent`. */
export function start(walk: Walk): void {
  const { rules, process, work } = walk;
  const step = nextOf(walk);
  if (step.do !== 'start') return;
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
