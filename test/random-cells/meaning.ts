import type { Class, Move, Raw } from './moves.ts';

/*
 * What the log must say of a move, by docs/outcomes.md, independently of the product's own code.
 */

/** What a cell expects. */
export type Expect =
  | 'none'
  /** `done` is true in the output. */
  | 'done'
  /** `done` is false in the output: never so. */
  | 'undone'
  /** Exit code 3, or status 404: a predicted failure. */
  | 'code'
  /** Exit code 0, or status 201, and `done` is true. */
  | 'success'
  /** An error that says "declined": a predicted failure. */
  | 'declined';

/** Which exit codes or statuses a cell moves to another class. */
export type Overrides = 'none' | 'refused' | 'notBegun' | 'unknown' | 'both';

/** The cell's `output`. */
export type Output = 'json' | 'text' | undefined;

/** How an attempt is recorded. */
export type Recorded =
  | 'completed'
  /** The receiver refused. */
  | 'failed'
  | 'failed_not_begun'
  | 'failed_happened'
  | 'interrupted'
  /** What was expected could not be verified, and the effect happened. */
  | 'unverified_happened'
  | 'unverified';

/** The statuses and exit codes that each kind of override moves. */
export const MOVED = {
  refused: { exitCodes: [137], statuses: [500] },
  notBegun: { exitCodes: [], statuses: [503] },
  unknown: { exitCodes: [3], statuses: [409, 201] },
} as const satisfies Record<string, { exitCodes: number[]; statuses: number[] }>;

/** Which of {@link MOVED} a cell has. */
export function movedBy(overrides: Overrides): (keyof typeof MOVED)[] {
  if (overrides === 'none') return [];
  return overrides === 'both' ? ['refused', 'notBegun', 'unknown'] : [overrides];
}

/** The class of a move in a cell. */
export function classIn(move: Move, overrides: Overrides): Class {
  for (const name of movedBy(overrides)) {
    const { exitCodes, statuses }: { exitCodes: readonly number[]; statuses: readonly number[] } =
      MOVED[name];
    if (move.exitCode !== undefined && exitCodes.includes(move.exitCode)) return name;
    if (move.status !== undefined && statuses.includes(move.status)) return name;
  }
  return move.class;
}

/** Where a cell's declaration matters for what is recorded. */
export interface Reading {
  expect: Expect;
  overrides: Overrides;
  output: Output;
}

/** How the log must record a move that ended by itself, or because its time was up. */
export function recordOf(move: Move, reading: Reading): Recorded {
  const known = classIn(move, reading.overrides);
  if (known === 'unknown') return 'interrupted';
  const verdict =
    reading.expect === 'none' ? verdictWithout(known) : judged(move, reading.expect, reading);
  if (verdict === 'held') return 'completed';
  if (verdict === 'lost') return known === 'succeeded' ? 'unverified_happened' : 'unverified';
  // It was asked to stop, and did not do as expected.
  if (move.hangs === true) return 'interrupted';
  if (known === 'succeeded') return 'failed_happened';
  return known === 'refused' ? 'failed' : 'failed_not_begun';
}

type Verdict = 'held' | 'not held' | 'lost';

function verdictWithout(known: Class): Verdict {
  return known === 'succeeded' ? 'held' : 'not held';
}

/** Each condition alone; one that does not hold outweighs one that cannot be evaluated. */
function judged(move: Move, expect: Exclude<Expect, 'none'>, reading: Reading): Verdict {
  const verdicts = conditionsOf(move, expect, reading);
  if (verdicts.includes('not held')) return 'not held';
  return verdicts.includes('lost') ? 'lost' : 'held';
}

function conditionsOf(
  move: Move,
  expect: Exclude<Expect, 'none'>,
  { output, overrides }: Reading,
): Verdict[] {
  const read = readAs(move.raw, output);
  const done: Verdict = read === 'done' ? 'held' : read === 'lost' ? 'lost' : 'not held';
  switch (expect) {
    case 'done':
      return [done];
    case 'undone':
      return [done === 'held' ? 'not held' : done];
    case 'code':
      return [held(move.exitCode === 3 || move.status === 404)];
    case 'success':
      return [held(move.exitCode === 0 || move.status === 201), done];
    case 'declined':
      // A success has no error.
      return [held(move.declined === true && classIn(move, overrides) !== 'succeeded')];
  }
}

function held(holds: boolean): Verdict {
  return holds ? 'held' : 'not held';
}

/** What an output is once the cell's `output` has been applied. */
function readAs(raw: Raw, output: Output): 'done' | 'other' | 'lost' {
  switch (raw) {
    case 'lost':
      return 'lost';
    case 'value':
      return 'done';
    case 'json':
    case 'file':
      return output === 'text' ? 'other' : 'done';
    case 'text-file':
      return output === 'text' ? 'other' : 'lost';
    case 'text':
    case 'empty':
      return output === 'json' ? 'lost' : 'other';
    case 'other':
    case 'none':
      return 'other';
  }
}
