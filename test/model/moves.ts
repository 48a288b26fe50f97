import type { Verdict } from '../../src/execution/row.ts';
import { makeClaim, noteMoves } from './due.ts';
import { HistoryBook } from './history.ts';
import { append } from './log.ts';
import { renamingsOf, type Renaming } from './renaming.ts';
import { PROTOCOL, type Rules } from './rules.ts';
import { runbookOf, type Scenario } from './scenario.ts';
import { hostileAnswers, hostileQuestions } from './hostile-moves.ts';
import { leaseMoves } from './lease-moves.ts';
import { workMoves } from './work-moves.ts';
import { addLate } from './late.ts';
import { attemptKey, copyOf, firstWorld, replicaIdOf, type World } from './world.ts';

/** A scenario under a set of rules. */
export interface Model {
  readonly scenario: Scenario;
  readonly rules: Rules;
  readonly book: HistoryBook;
  readonly renamings: readonly Renaming[];
}

/** One step that somebody may take. */
export interface Move {
  /** What kind of step it is, for counting. */
  readonly kind: string;
  /** Who does what, for people. */
  readonly label: string;
  /**
   * Whether it is something that goes wrong, or that a person does: nothing may depend on its
   * happening.
   */
  readonly fault: boolean;
  readonly world: World;
}

/** Collects the steps out of one state; each is worked out on a copy. */
export class Moves {
  readonly model: Model;
  readonly from: World;
  readonly found: Move[] = [];

  constructor(model: Model, from: World) {
    this.model = model;
    this.from = from;
  }

  /** A step that may happen any time. */
  add(kind: string, label: string, change: (world: World) => void): void {
    const world = copyOf(this.from);
    change(world);
    this.found.push({ kind, label, fault: false, world });
  }

  /** A step of the adversary on the bus: there is no end to them, and nothing depends on them. */
  hostile(kind: string, label: string, change: (world: World) => void): void {
    const world = copyOf(this.from);
    change(world);
    this.found.push({ kind, label, fault: true, world });
  }

  /** A step that may happen as long as the scenario has such faults left. */
  fault(
    which: keyof World['faults'],
    kind: string,
    label: string,
    change: (world: World) => void,
  ): void {
    if (this.from.faults[which] === 0) return;
    const world = copyOf(this.from);
    world.faults[which] -= 1;
    change(world);
    this.found.push({ kind, label, fault: true, world });
  }
}

/** The model of a scenario under the product's rules, some of which may be taken away. */
export function modelOf(scenario: Scenario, without: Partial<Rules> = {}): Model {
  return {
    scenario,
    rules: { ...PROTOCOL, ...without },
    book: new HistoryBook(runbookOf(scenario)),
    renamings: renamingsOf(scenario.replicas),
  };
}

export function firstOf({ book, scenario }: Model): World {
  return firstWorld(book.empty, scenario);
}

/** Every step out of a state, always in the same order. */
export function movesFrom(model: Model, from: World): Move[] {
  const moves = new Moves(model, from);
  from.ghosts.forEach((ghost, index) => {
    moves.add('ghost arrives', `an entry of ${ghost.replicaId} arrives after all`, (world) => {
      world.ghosts = world.ghosts.filter((_, at) => at !== index);
      append(model.rules, world, ghost);
    });
  });
  decisionMoves(moves);
  cancelMoves(moves);
  awaitMoves(moves);
  hearsayMoves(moves);
  noteMoves(moves);
  if (from.lease?.stale === true) {
    moves.add(
      'old session expires',
      `etcd lets an earlier session of ${from.lease.by} expire`,
      (world) => {
        world.lease = undefined;
      },
    );
  }
  from.processes.forEach((process, index) => {
    leaseMoves(moves, index);
    process.works.forEach((_, at) => workMoves(moves, index, at));
    if (model.scenario.hostile) {
      process.works.forEach((_, at) => hostileAnswers(moves, index, at));
      hostileQuestions(moves, index);
    }
  });
  return moves.found;
}

/** A person looks at a doubt, or at a halted cell, and sends an answer. */
function decisionMoves(moves: Moves): void {
  const looked = lookedAt(moves.from);
  if (looked === undefined) return;
  const { attempt, what, verdicts = moves.model.scenario.verdicts } = looked;
  for (const as of verdicts) {
    if (moves.from.decisions.some((one) => one.attempt === attempt && one.as === as)) continue;
    moves.fault(
      'decisions',
      'person decides',
      `a person answers ${what} ${attempt}: ${as}`,
      (world) => {
        world.decisions = [...world.decisions, { attempt, as }].sort((a, b) =>
          a.attempt + a.as < b.attempt + b.as ? -1 : 1,
        );
      },
    );
  }
}

function lookedAt({ log: { step } }: World) {
  if (step.do === 'settle') return { attempt: attemptKey(step.doubt), what: 'the doubt about' };
  if (step.do !== 'halt' || step.attempt === undefined) return undefined;
  const attempt = attemptKey({ cellId: step.cell.id, attempt: step.attempt });
  const verdicts: Verdict[] = ['rerun', 'skipped'];
  return { attempt, what: 'the halted', verdicts };
}

/** A person asks for the end of the instance. */
function cancelMoves(moves: Moves): void {
  for (const undo of moves.model.scenario.cancelsWithUndo) {
    if (moves.from.cancels.some((one) => one.undo === undo)) continue;
    moves.fault(
      'cancels',
      'person cancels',
      `a person cancels${undo ? ', with undo' : ''}`,
      (world) => {
        world.cancels = [...world.cancels, { undo }].sort(
          (a, b) => Number(a.undo) - Number(b.undo),
        );
      },
    );
  }
}

/**
 * A process writes a late outcome about an attempt that another one opened: what it was told, and
 * what nobody but that other one can know.
 */
function hearsayMoves(moves: Moves): void {
  const { log, processes } = moves.from;
  const opened = log.state.newestAttempt;
  if (opened === undefined || (log.step.do !== 'close' && log.step.do !== 'settle')) return;
  const attempt = attemptKey(opened);
  const token = opened.fencingToken;
  for (const replicaId of processes.filter(({ up }) => up).map(replicaIdOf)) {
    if (replicaId === opened.replicaId) continue;
    for (const states of ['not_started', 'completed'] as const) {
      const label = `${replicaId} writes ${states} about ${attempt} of ${opened.replicaId}`;
      moves.fault('hearsay', 'hearsay', label, (world) =>
        addLate(moves.model.rules, world, { attempt, states, replicaId, token }),
      );
    }
  }
}

/** The claim is made; its deadline passes. */
function awaitMoves(moves: Moves): void {
  const { from } = moves;
  const status = moves.model.scenario.claimed[from.claim?.revision ?? 0];
  if (status !== undefined) {
    moves.fault('claims', 'claim is made', `somebody makes the claim: ${status}`, (world) =>
      makeClaim(moves.model.rules, world, status),
    );
  }
  const { step } = from.log;
  const waits = step.do === 'wait' || (step.do === 'await' && step.deadline !== undefined);
  if (!waits || from.due) return;
  moves.add('deadline passes', 'the deadline passes, by the database’s clock', (world) => {
    world.due = true;
  });
}
