import { policyFor } from '../../src/execution/plan.ts';
import type { RowKind } from '../../src/execution/row.ts';
import type { JsonObject } from '../../src/json.ts';
import type { Fate } from './log.ts';
import type { Rules } from './rules.ts';
import {
  attemptKey,
  inHand,
  replicaIdOf,
  type AttemptKey,
  type Entry,
  type Late,
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

/** Reads the log; see `HeldInstance.#load`. */
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

/** Goes on from what the log says until something outside must be asked; see `advance` and `#settle`, `#decide`. */
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
      if (work.errand.do !== 'advance') return flush(walk);
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
  const { rules, process, work } = walk;
  const { step } = work.view;
  if (step.do !== 'close') return;
  if (step.open.replicaId !== replicaIdOf(process)) {
    work.at = 'confirm';
    return;
  }
  if (runsOrRenounces(rules, process, attemptKey(step.open))) return end(walk);
  interrupt(walk);
}

/** Nobody runs the open attempt any more. */
export function interrupt(walk: Walk): void {
  const { step } = walk.work.view;
  if (step.do !== 'close') return;
  propose(walk, 'interrupted', step.open, { reason: 'crash' });
  goOn(walk);
}

/** Settles a doubt by what the late outcomes say, else by policy; see `settleDoubt`. */
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
  if (work.errand.do === 'decide') {
    const { decision } = work.errand;
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
  if (walk.work.errand.do === 'advance') finish(walk, 'in_doubt');
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
  if (inHand(process, key, 'process')) return flush(walk);
  if (rules.promise && process.renounced.includes(key)) return flush(walk);
  propose(walk, 'started', place, {});
  if (!rules.intentFirst) {
    work.closing = key;
    return begin(walk);
  }
  work.intent = key;
  send(walk, 'begin');
}

/** The last check, and the effect. See `runAttempt`. */
export function begin(walk: Walk): void {
  const { rules, world, work } = walk;
  const key = work.closing ?? '';
  const last = work.view.rows.at(-1);
  if (last === undefined) throw new Error('an intent that is not in the view');
  if (work.abandoned || (rules.trustBeforeEffect && !trusted(walk))) {
    const stops = work.abandoned && rules.unavailableEnds;
    work.abandoned = false;
    return callOff(walk, last, stops);
  }
  const standing = world.log.rows.find((row) => row.kind === 'started' && attemptKey(row) === key);
  if (standing?.fencingToken !== work.token) {
    world.breaches.push({
      guarantee: '1 no effect without its committed intent',
      what: `${key} is begun under token ${work.token}, its intent ${standing === undefined ? 'is not in the log' : 'is another term’s'}`,
    });
  } else if (world.log.rows.at(-1) !== standing) {
    world.breaches.push({
      guarantee: '3 an effect begins only while its attempt is open',
      what: `${key} is begun after its attempt was closed`,
    });
  }
  const before = world.effects.find(({ attempt }) => attempt === key);
  if (before !== undefined) {
    world.breaches.push({
      guarantee: '3 an attempt is begun at most once',
      what: `${key} is begun ${before.times + 1} times`,
    });
  }
  if (work.toldUnavailable) {
    world.breaches.push({
      guarantee: '5 unavailable means nothing runs',
      what: `${key} is begun for a request that was told unavailable and has not asked again`,
    });
  }
  setEffect(world, { attempt: key, times: (before?.times ?? 0) + 1, ended: undefined, knownTo: undefined });
  work.at = 'running';
}

/** The check failed after the intent. */
function callOff(walk: Walk, place: { cellId: string; attempt: number }, stops: boolean): void {
  const { rules, world, work } = walk;
  switch (rules.afterFailedCheck) {
    case 'not_started':
      propose(walk, 'interrupted', place, { reason: 'not_started' });
      propose(walk, 'decided', place, { as: 'rerun', by: '@policy' });
      return stops ? flush(walk) : goOn(walk);
    case 'interrupted':
      world.breaches.push({
        guarantee: '4 no false doubt',
        what: `${attemptKey(place)} is put in doubt by a process that knows that it never began`,
      });
      propose(walk, 'interrupted', place, { reason: 'crash' });
      return goOn(walk);
    case 'nothing':
      work.at = 'stranded';
  }
}

/** The effect has ended, with an outcome that its process knows. */
export function ended(walk: Walk, outcome: 'completed' | 'failed' | 'unknown'): void {
  const { rules, world, process, work } = walk;
  const place = work.view.rows.at(-1);
  const key = work.closing;
  if (place === undefined || key === undefined) throw new Error('an effect that nobody runs has ended');
  if (outcome !== 'unknown') {
    const times = world.effects.find(({ attempt }) => attempt === key)?.times ?? 1;
    setEffect(world, { attempt: key, times, ended: outcome, knownTo: replicaIdOf(process) });
  }
  if (!rules.registeredUntilDefinite) work.closing = undefined;
  const body: JsonObject =
    outcome === 'unknown' ? { reason: 'timeout' } : outcome === 'failed' ? { error: 'failed' } : {};
  propose(walk, outcome === 'unknown' ? 'interrupted' : outcome, place, body);
  goOn(walk);
}

function setEffect(world: World, effect: World['effects'][number]): void {
  const others = world.effects.filter(({ attempt }) => attempt !== effect.attempt);
  world.effects = [...others, effect].sort((a, b) => (a.attempt < b.attempt ? -1 : 1));
}

/** Takes in the log's definite answer to the entry that was sent; see `Term.#take`. */
export function answered(walk: Walk, fate: Fate): void {
  const { rules, work } = walk;
  const refusedRows = work.view.rows.slice(work.base);
  switch (fate) {
    case 'appended':
    case 'already_recorded':
      work.base = work.view.length;
      work.resent = false;
      work.closing = work.intent;
      work.intent = undefined;
      if (work.after === 'go_on') work.at = 'ready';
      else if (work.after !== 'begin') end(walk);
      else work.at = fate === 'already_recorded' && rules.readsOnAfterResend ? 'verify' : 'intended';
      return;
    case 'receipted': {
      const opening = refusedRows.findIndex(({ kind }) => kind === 'started');
      const closing = opening === -1 ? refusedRows : refusedRows.slice(0, opening);
      work.intent = undefined;
      const salvages = rules.salvage === 'all' || work.closing !== undefined;
      if (work.after === 'salvaged') return keep(walk, closing, 'end');
      if (closing.length === 0 || !salvages) return keep(walk, [], 'end');
      work.view = work.view.prefix(work.base + closing.length);
      return send(walk, 'salvaged');
    }
    case 'fenced':
      if (rules.dropsWhenFenced && work.after !== 'salvaged') supersede(walk);
      return keep(walk, refusedRows, rules.dropsWhenFenced ? 'end' : 'go_on');
    case 'conflict':
      return keep(walk, refusedRows, work.after === 'salvaged' ? 'end' : 'go_on');
  }
}

/** The intent reads back as present: is it still the newest row? */
export function verify(walk: Walk): void {
  const { world, work } = walk;
  if (world.log.length === work.view.length) {
    work.at = 'intended';
    return;
  }
  supersede(walk);
  work.closing = undefined;
  handOn(walk);
}

/** What the log refused becomes evidence, if there is any in it; see `Term.#keepEvidence`. */
function keep(walk: Walk, refused: Entry['view']['rows'], after: 'go_on' | 'end'): void {
  const { rules, work } = walk;
  work.after = after;
  work.outcome = undefined;
  work.intent = undefined;
  const evidence = refused.filter((row) => lateOf(row) !== undefined);
  if (evidence.length > 0 && rules.keepsEvidence) {
    work.at = 'keeping';
    return;
  }
  letGo(walk);
}

/** Writes the late outcomes. */
export function kept(walk: Walk): void {
  const { world, work } = walk;
  for (const row of work.view.rows.slice(work.base)) {
    const late = lateOf(row);
    if (late === undefined) continue;
    if (world.late.some(({ attempt, kind }) => attempt === late.attempt && kind === late.kind)) continue;
    world.late = [...world.late, late].sort((a, b) =>
      a.attempt + a.kind < b.attempt + b.kind ? -1 : 1,
    );
  }
  letGo(walk);
}

function letGo(walk: Walk): void {
  const { work } = walk;
  work.closing = undefined;
  work.resent = false;
  work.abandoned = false;
  // What was proposed is not in the log: the next walk reads it again.
  work.base = 0;
  if (work.after === 'end') return handOn(walk);
  work.at = 'read';
}

function lateOf(row: Entry['view']['rows'][number]): Late | undefined {
  const attempt = attemptKey(row);
  if (row.kind === 'completed' || row.kind === 'failed') return { attempt, kind: row.kind };
  const neverBegan = row.kind === 'interrupted' && row.body['reason'] === 'not_started';
  return neverBegan ? { attempt, kind: 'not_started' } : undefined;
}

/** Whether this process runs the attempt; see `Attempts.runsOrRenounces`. */
export function runsOrRenounces(rules: Rules, process: Process, key: AttemptKey): boolean {
  const registered = process.works.some(
    (work) =>
      ((rules.registeredBeforeIntent && work.intent === key) || work.closing === key) &&
      (rules.attemptsOf === 'process' || work.token === process.holding?.token),
  );
  if (registered) return true;
  if (!process.renounced.includes(key)) process.renounced = [...process.renounced, key].sort();
  return false;
}

/** The entry that a walk has on its way. */
export function entryOf({ process, work }: Pick<Walk, 'process' | 'work'>): Entry {
  const { view, base, token, outcome, errand } = work;
  const receipt =
    outcome === undefined || errand.do !== 'advance' ? undefined : { request: errand.request, outcome };
  return { view, base, token, replicaId: replicaIdOf(process), receipt };
}

function propose(
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
    requestId: work.errand.do === 'advance' ? work.errand.request : null,
    body,
  });
}

function dirty(work: Work): boolean {
  return work.base < work.view.length;
}

function finish(walk: Walk, outcome: ReceiptOutcome): void {
  if (walk.work.errand.do !== 'advance') return flush(walk);
  walk.work.outcome = outcome;
  send(walk, 'end');
}

/** Sends what is proposed, if anything is, and ends. */
function flush(walk: Walk): void {
  if (dirty(walk.work)) send(walk, 'end');
  else end(walk);
}

function send({ work }: Walk, after: Work['after']): void {
  work.at = 'sending';
  work.after = after;
  work.resent = false;
  if (after === 'salvaged') work.outcome = undefined;
}

/** A later term has written: the holding ends. */
function supersede({ process, work }: Walk): void {
  if (process.holding?.token === work.token) process.holding = undefined;
}

/** The walk is over, and its errand is answered. */
export function end(walk: Walk): void {
  const { world, work } = walk;
  const { errand } = work;
  if (errand.do === 'decide') {
    world.decisions = world.decisions.filter((decision) => decision !== errand.decision);
  }
  handOn(walk);
}

/** The walk is over, its errand is for others; what it knows of the log serves the next one under the same holding. */
function handOn({ process, work }: Walk): void {
  process.works = process.works.filter((other) => other !== work);
  if (process.holding?.token !== work.token) return;
  const spent = dirty(work) || work.view.length === 0;
  process.holding = { token: work.token, known: spent ? undefined : work.view };
}
