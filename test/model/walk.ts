import { policyFor } from '../../src/execution/plan.ts';
import type { RowKind } from '../../src/execution/row.ts';
import { nextIdempotencyKey } from '../../src/execution/state.ts';
import type { JsonObject } from '../../src/json.ts';
import type { AttemptStatement } from '../../advancer/run/attempts.ts';
import type { Rules } from './rules.ts';
import {
  attemptKey,
  inHand,
  replicaIdOf,
  type AttemptKey,
  type Process,
  type ReceiptOutcome,
  type Work,
  type World,
} from './world.ts';

/** One walk in one state, which the functions below change. */
export interface Walk {
  readonly rules: Rules;
  readonly world: World;
  readonly process: Process;
  readonly work: Work;
}

/** Whether this walk may still begin something: `Holding.trusted()`. */
export function trusted({ rules, process, work }: Walk): boolean {
  return rules.trustOfTerm ? process.holding?.token === work.token : process.open;
}

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
 * Goes on from the log until something outside must be asked. See `AdvanceJob`, `SettleJob` and
 * `DecideJob`.
 */
export function goOn(walk: Walk): void {
  const { work } = walk;
  const { step } = work.view;
  switch (step.do) {
    case 'close':
      return close(walk);
    case 'settle':
      if (step.doubt.reason !== 'not_started') {
        work.at = 'evidence';
        return;
      }
      return settle(walk);
    case 'start':
      if (work.operation.do !== 'advance') return flush(walk);
      if (step.backoffMs > 0 && dirty(work)) return send(walk, 'go_on');
      return start(walk);
    case 'complete':
      return finish(walk, 'completed');
    case 'halt':
      return finish(walk, 'halted');
    case 'await':
    case 'satisfy':
    case 'refute':
      throw new Error('the model has exec cells only');
  }
}

/** See `closeAttempt`. */
function close(walk: Walk): void {
  const { process, work } = walk;
  const { step } = work.view;
  if (step.do !== 'close') return;
  if (step.open.replicaId !== replicaIdOf(process)) {
    work.at = 'confirm';
    return;
  }
  const statement = runsOrRenounces(walk, process, attemptKey(step.open));
  if (statement === 'runs') return end(walk);
  interrupt(walk, statement);
}

/** No process runs the open attempt. Its own may have stated that the effect never began. */
export function interrupt(walk: Walk, statement?: AttemptStatement): void {
  const { world, work } = walk;
  const wasGone = work.at === 'ask gone';
  const { step } = work.view;
  if (step.do !== 'close') return;
  const key = attemptKey(step.open);
  const owner = world.processes.find((one) => replicaIdOf(one) === step.open.replicaId);
  const within =
    owner?.up === true &&
    owner.registered &&
    inHand(owner, key) &&
    !owner.neverBegan.includes(key) &&
    !wasGone;
  if (within && world.log.rows.at(-1)?.kind === 'started') {
    const what = `${key} is closed while ${step.open.replicaId} has it in hand and is in etcd`;
    world.breaches.push({ guarantee: '3 nobody closes an attempt that is in hand', what });
  }
  if (statement === 'never_began') keepStatement(world, key);
  propose(walk, 'interrupted', step.open, { reason: 'crash' });
  goOn(walk);
}

/** What a process states about its own attempt is evidence. */
function keepStatement(world: World, attempt: AttemptKey): void {
  if (world.late.some((late) => late.attempt === attempt && late.kind === 'not_started')) return;
  world.late = [...world.late, { attempt, kind: 'not_started' }];
}

/** Settles a doubt by the late outcomes, else by policy. See `settleDoubt`. */
export function settle(walk: Walk): void {
  const { rules, world, work } = walk;
  const { step, state } = work.view;
  if (step.do !== 'settle') return;
  const { doubt, cell } = step;
  const key = attemptKey(doubt);
  const evidence = world.late.filter(({ attempt }) => attempt === key);
  const late = evidence.find(({ kind }) => kind !== 'not_started') ?? evidence[0];
  if (doubt.reason !== 'not_started' && late !== undefined) {
    if (rules.evidenceFirst) {
      decide(walk, VERDICT_OF[late.kind], '@late-outcome');
      return goOn(walk);
    }
    const what = `${key} is decided although ${late.kind} lies in the late outcomes`;
    world.breaches.push({ guarantee: '6 evidence is heard before a decision', what });
  }
  if (work.operation.do === 'decide') {
    const { decision } = work.operation;
    const named = decision.attempt === key || !rules.decisionNamesAttempt;
    if (named && (doubt.reason !== 'not_started' || decision.as === 'rerun')) {
      propose(walk, 'decided', doubt, { as: decision.as, by: 'person', reason: decision.attempt });
    }
    return flush(walk);
  }
  switch (policyFor(cell, doubt, state.cells.get(cell.id))) {
    case 'hold':
      return leaveInDoubt(walk);
    case 'rerun':
      decide(walk, 'rerun', '@policy');
      return goOn(walk);
    case 'probe':
      work.at = 'probe';
  }
}

const VERDICT_OF = { completed: 'succeeded', failed: 'failed', not_started: 'rerun' } as const;

/** Takes in a probe's answer. */
export function probed(walk: Walk, answer: 'happened' | 'did_not_happen' | 'unknown'): void {
  if (answer === 'unknown') return leaveInDoubt(walk);
  decide(walk, answer === 'happened' ? 'succeeded' : 'rerun', '@probe');
  goOn(walk);
}

function leaveInDoubt(walk: Walk): void {
  if (walk.work.operation.do === 'advance') finish(walk, 'in_doubt');
  else flush(walk);
}

function decide(walk: Walk, as: 'succeeded' | 'failed' | 'rerun', by: string): void {
  const { step } = walk.work.view;
  if (step.do === 'settle') propose(walk, 'decided', step.doubt, { as, by });
}

/** The intent: check, register, send. See `runAttempt` and `commitIntent`. */
function start(walk: Walk): void {
  const { rules, process, work } = walk;
  const { step } = work.view;
  if (step.do !== 'start') return;
  const place = { cellId: step.cell.id, attempt: step.attempt };
  const key = attemptKey(place);
  if ((rules.trustBeforeIntent && !trusted(walk)) || process.draining) return flush(walk);
  if (rules.unavailableEnds && work.answeredUnavailable) return flush(walk);
  if (inHand(process, key)) return flush(walk);
  if (rules.promise && process.renounced.includes(key)) return flush(walk);
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

/** Whether this process runs the attempt; see `Attempts.runsOrRenounces`. */
export function runsOrRenounces(
  { rules, world, work: { token } }: Pick<Walk, 'rules' | 'world' | 'work'>,
  process: Process,
  key: AttemptKey,
): AttemptStatement {
  const registered = process.works.some(
    (work) =>
      ((rules.registeredBeforeIntent && work.intent === key) ||
        (work.closing === key &&
          (rules.registeredUntilDefinite || work.at === 'intended' || work.at === 'running'))) &&
      (rules.attemptsOf === 'process' || work.token === process.holding?.token),
  );
  const begun = world.effects.some(({ attempt }) => attempt === key);
  const own = process.works.find(({ intent, closing }) => intent === key || closing === key);
  if (registered && (begun || token <= (own?.token ?? 0))) return 'runs';
  if (registered) renounceUnbegun(process, key);
  if (!process.renounced.includes(key)) process.renounced = [...process.renounced, key].sort();
  return process.neverBegan.includes(key) ? 'never_began' : 'does_not_run';
}

/** Promises not to begin an effect whose attempt is in hand. */
function renounceUnbegun(process: Process, key: AttemptKey): void {
  if (process.renounced.includes(key)) return;
  process.renounced = [...process.renounced, key].sort();
  process.neverBegan = [...process.neverBegan, key].sort();
}

export function propose(
  { process, work }: Walk,
  kind: RowKind,
  { cellId, attempt }: { cellId: string; attempt: number },
  body: JsonObject,
): void {
  work.view = work.view.with({
    fencingToken: work.token,
    replicaId: replicaIdOf(process),
    kind,
    cellId,
    attempt,
    requestId: work.operation.do === 'advance' ? work.operation.request : null,
    body,
  });
}

function dirty(work: Work): boolean {
  return work.base < work.view.length;
}

function finish(walk: Walk, outcome: ReceiptOutcome): void {
  if (walk.work.operation.do !== 'advance') return flush(walk);
  walk.work.outcome = outcome;
  send(walk, 'end');
}

/** Sends what is proposed, if anything is, and ends. */
function flush(walk: Walk): void {
  if (dirty(walk.work)) send(walk, 'end');
  else end(walk);
}

export function send({ work }: Walk, after: Work['after']): void {
  work.at = 'sending';
  work.after = after;
  work.resent = false;
  if (after === 'salvaged') work.outcome = undefined;
}

/** A later term has written: the holding ends. */
export function supersede({ process, work }: Pick<Walk, 'process' | 'work'>): void {
  if (process.holding?.token === work.token) process.holding = undefined;
}

/** The walk is over, and its operation is answered. */
export function end(walk: Walk): void {
  const { world, work } = walk;
  const { operation } = work;
  if (operation.do === 'decide') {
    world.decisions = world.decisions.filter((decision) => decision !== operation.decision);
  }
  handOn(walk);
}

/**
 * The walk is over, and its operation is for other replicas. What it knows of the log serves the
 * next walk under the same holding.
 */
export function handOn({ process, work }: Walk): void {
  process.works = process.works.filter((other) => other !== work);
  if (process.holding?.token !== work.token) return;
  const spent = dirty(work) || work.view.length === 0;
  process.holding = { token: work.token, known: spent ? undefined : work.view };
}
