import { canonicalCode } from './code.ts';
import { Graph } from './graph.ts';
import { atRest, breachesOf, type Guarantee } from './guarantees.ts';
import { firstOf, movesFrom, type Model } from './moves.ts';
import { Numbers } from './numbers.ts';
import { Seen } from './seen.ts';
import type { World } from './world.ts';

/** A way into a breach, as short as any. */
interface Trace {
  guarantee: Guarantee;
  what: string;
  steps: string[];
}

/** What a search found. */
export interface Found {
  states: number;
  transitions: number;
  /** The longest of the shortest ways to a state. */
  depth: number;
  /** Whether every reachable state was looked at. */
  complete: boolean;
  /** States in which nothing is left to do. */
  rests: number;
  /** What is next in the logs of those states. */
  ends: Set<string>;
  /** The rows of the longest log. */
  longestLog: number;
  /** The first breach of each guarantee. */
  breaches: Map<Guarantee, Trace>;
  /** How often each kind of step was taken. */
  taken: Map<string, number>;
  seconds: number;
}

export interface SearchOptions {
  /** Gives up after this many states. */
  limit: number;
  /** Ends as soon as this one is broken. */
  until?: Guarantee | undefined;
  /** Whether to look on behind a breach, for breaches of other guarantees. */
  beyond?: boolean | undefined;
}

/**
 * Looks at every state that the model can reach, breadth first, so that the first way into a breach
 * is a shortest one.
 *
 * "Never stuck" needs the whole graph: from every state, with no further fault and no person's
 * help, a state must be reachable in which nothing is left to do. States that were met and not
 * looked at count as well.
 */
export function search(model: Model, options: SearchOptions): Found {
  const started = performance.now();
  const ways = new Ways(model);
  const seen = new Seen();
  const graph = new Graph();
  const goals: number[] = [];
  const taken = new Map<string, number>();
  const breaches: Found['breaches'] = new Map();
  let waiting: { index: number; world: World }[] = [];
  let found: typeof waiting = [];
  const ends = new Set<string>();
  let rests = 0;
  let longestLog = 0;
  let transitions = 0;
  let depth = 0;
  let complete = true;

  const meet = (world: World, parent: number, move: number): number => {
    const { index, isNew } = seen.add(canonicalCode(world, model.renamings));
    if (isNew) ways.add(parent, move);
    longestLog = Math.max(longestLog, world.log.length);
    const broken = breachesOf(world);
    for (const { guarantee, what } of broken) {
      // The step itself may be the breach, and lead where others came without one.
      if (!breaches.has(guarantee))
        breaches.set(guarantee, { guarantee, what, steps: ways.through(parent, move) });
    }
    if (!isNew) return index;
    if (atRest(world, model.scenario.requests)) {
      rests += 1;
      ends.add(world.log.step.do);
      goals.push(index);
    }
    if (broken.length === 0 || options.beyond === true) found.push({ index, world });
    else goals.push(index);
    return index;
  };
  const over = (): boolean =>
    seen.size >= options.limit || (options.until !== undefined && breaches.has(options.until));

  meet(firstOf(model), 0, 0);
  while (found.length > 0 && complete) {
    [waiting, found] = [found, []];
    for (const { index, world } of waiting) {
      if (over()) {
        complete = false;
        goals.push(index);
        continue;
      }
      movesFrom(model, world).forEach(({ kind, fault, world: reached }, move) => {
        transitions += 1;
        taken.set(kind, (taken.get(kind) ?? 0) + 1);
        const to = meet(reached, index, move);
        if (!fault) graph.add(index, to);
      });
    }
    if (found.length > 0) depth += 1;
  }
  for (const { index } of found) goals.push(index);

  const stuck = graph.firstStuck(seen.size, goals);
  if (stuck !== undefined) {
    const guarantee: Guarantee = '4 never stuck';
    breaches.set(guarantee, {
      guarantee,
      what: 'no step leads to rest from here',
      steps: ways.to(stuck),
    });
  }
  const seconds = (performance.now() - started) / 1_000;
  return {
    states: seen.size,
    transitions,
    depth,
    complete,
    rests,
    ends,
    longestLog,
    breaches,
    taken,
    seconds,
  };
}

/** How each state was met first: from which state, by which of its steps. */
class Ways {
  readonly #model: Model;
  readonly #parents = new Numbers();
  readonly #moves = new Numbers();

  constructor(model: Model) {
    this.#model = model;
  }

  add(parent: number, move: number): void {
    this.#parents.push(parent);
    this.#moves.push(move);
  }

  /** The steps to a state, walked again from the first one. */
  to(state: number): string[] {
    const taken: number[] = [];
    for (let at = state; at !== 0; at = this.#parents.at(at)) taken.unshift(this.#moves.at(at));
    return this.#walk(taken);
  }

  /** The steps to a state and one more. */
  through(state: number, move: number): string[] {
    const taken = [move];
    for (let at = state; at !== 0; at = this.#parents.at(at)) taken.unshift(this.#moves.at(at));
    return this.#walk(taken);
  }

  #walk(taken: readonly number[]): string[] {
    let world = firstOf(this.#model);
    return taken.map((number) => {
      const move = movesFrom(this.#model, world)[number];
      if (move === undefined)
        throw new Error('a way that was walked before cannot be walked again');
      world = move.world;
      return move.label;
    });
  }
}
