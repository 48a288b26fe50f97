import type { Ending } from '../../src/execution/outcome.ts';
import { Random } from '../../tools/chaos/random.ts';
import { classIn, type Expect, type Output, type Overrides } from './meaning.ts';
import { INSTEAD, MOVES, moveOf, movesOf, type Kind, type MoveName } from './moves.ts';

/** What stands between a cell and its effect. */
export type Obstacle =
  /** A placeholder that its inputs do not fill. */
  | 'placeholder'
  /** An address that the replica may not call. */
  | 'not_allowed'
  /** Nobody listens, for good or until an attempt has failed. */
  | 'closed'
  | 'closed_first'
  /** The program does not exist, for good or until an attempt has failed. */
  | 'missing'
  | 'missing_first'
  /** A handler that one replica lacks. */
  | 'elsewhere'
  /** A handler that every replica lacks. */
  | 'nobody'
  /** The replica fails inside while the effect runs. */
  | 'injected'
  /** The replica loses its temporary directory after the intent. */
  | 'tmp'
  /** The replica runs out of files after the intent. */
  | 'starved'
  /** The replica is frozen, killed or delayed at a failpoint. */
  | Storm;

/** What a failpoint does, and where. */
export type Storm = (typeof STORMS)[number];
/** See {@link Storm}. */
export const STORMS = [
  'before_intent-kill',
  'after_intent-freeze',
  'after_intent-kill',
  'in_effect-freeze',
  'in_effect-kill',
  'after_effect-freeze',
  'after_effect-kill',
  'after_outcome-kill',
  'before_decision-kill',
] as const;

/** What an agent answers to a doubt. */
export type Answer =
  /** The truth, and where nothing happened: make another attempt. */
  | 'rerun'
  /** The truth, and where nothing happened: it failed. */
  | 'failed'
  /** The truth, and where nothing happened: go on without. */
  | 'skipped';

/** A cell and everything that will happen to it, all drawn from a seed. */
export interface RandomCell {
  instanceId: string;
  cellId: string;
  kind: Kind;
  /**
   * What the effect does at attempt 1, 2, 3, … (an http call: at its nth arrival); the last word
   * also stands for what follows. A word is a {@link MoveName} and what the receiver does to the
   * key: `+` acts, `!` refuses, `.` neither.
   */
  plan: string[];
  policy: 'hold' | 'rerun' | 'probe';
  /** What the probe says; only `truth` is honest. */
  says: 'truth' | 'unknown' | 'nonsense' | 'fails';
  /** Of `retry`. */
  attempts: number;
  backoffMs: number;
  expect: Expect;
  overrides: Overrides;
  output: Output;
  timeoutMs: number;
  obstacle?: Obstacle | undefined;
  /** Whether another cell follows, which refers to this one's output. */
  follower: boolean;
  /** What agents answer to its doubts, in order. With none left, it stays in doubt. */
  answers: Answer[];
  /** Whether replicas are killed and frozen while it runs. */
  storm: boolean;
}

/** A word of a plan. */
export interface Word {
  move: MoveName;
  want: '+' | '!' | '.';
}

/** Reads a word of a plan. */
export function wordOf(text: string): Word {
  return { move: text.slice(0, -1) as MoveName, want: text.slice(-1) as Word['want'] };
}

/** Lines of the table that are reached by something other than a move. */
const OBSTACLES: Partial<Record<Ending, readonly (readonly [Kind, Obstacle])[]>> = {
  placeholder: [
    ['command', 'placeholder'],
    ['http', 'placeholder'],
  ],
  stopped_before: [
    ['command', 'after_intent-freeze'],
    ['http', 'after_intent-freeze'],
    ['handler', 'after_intent-freeze'],
  ],
  internal_error: [
    ['command', 'injected'],
    ['http', 'injected'],
    ['handler', 'injected'],
  ],
  not_spawned: [
    ['command', 'missing'],
    ['command', 'missing_first'],
  ],
  spawn_shortage: [['command', 'starved']],
  no_temp_directory: [['command', 'tmp']],
  bad_request: [['http', 'not_allowed']],
  not_connected: [
    ['http', 'closed'],
    ['http', 'closed_first'],
  ],
  connect_shortage: [['http', 'starved']],
  no_handler: [
    ['handler', 'nobody'],
    ['handler', 'elsewhere'],
  ],
};

const ORDINARY_TIMEOUT_MS = 20_000;
const SHORT_TIMEOUT_MS = 600;
const MOST_WORDS = 4;

/** The nth random cell of a seed. They are about one of `lines` after another. */
export function randomCell(seed: number, nth: number, lines: readonly Ending[]): RandomCell {
  const random = new Random(Math.imul(seed, 1_000_003) + nth * 7_919);
  const line = lines[nth % lines.length] ?? 'exit_0';
  const obstacles = OBSTACLES[line];
  const about = movesWith(line);
  let kind: Kind;
  let obstacle: Obstacle | undefined;
  let first: MoveName | undefined;
  if (obstacles === undefined) {
    first = random.pick(about);
    ({ kind } = MOVES[first]);
  } else [kind, obstacle] = random.pick(obstacles);
  const storm =
    obstacle === undefined ? random.chance(0.2) : (STORMS as readonly string[]).includes(obstacle);
  if (storm && obstacle === undefined && random.chance(0.4)) obstacle = random.pick(STORMS);
  const unsent = line === 'answered_unsent';
  const overrides = random.chance(0.3) ? random.pick(OVERRIDES[kind]) : 'none';
  const expect = random.chance(0.4) ? random.pick(EXPECTS[kind]) : 'none';
  const policy = unsent ? 'rerun' : random.pick(POLICIES);
  const says = random.chance(0.7)
    ? 'truth'
    : random.pick(['unknown', 'nonsense', 'fails'] as const);
  // A probe that says that nothing happened has the effect made again, however often that takes.
  const endless = policy === 'probe' && says === 'truth';
  const plan = planOf(random, { kind, first, overrides, unsent, ends: endless });
  return {
    instanceId: `c${nth}`,
    cellId: obstacle ?? 'plain',
    kind,
    plan,
    policy,
    says: endless && obstacle === 'injected' ? 'unknown' : says,
    attempts: unsent || obstacle?.endsWith('_first') === true ? 4 : random.int(1, 3),
    backoffMs: random.pick([1, 2, 5]),
    expect: unsent ? 'none' : expect,
    overrides,
    output: kind === 'handler' || random.chance(0.7) ? undefined : random.pick(['json', 'text']),
    timeoutMs: plan.some((word) => moveOf(wordOf(word).move).hangs === true)
      ? SHORT_TIMEOUT_MS
      : ORDINARY_TIMEOUT_MS,
    obstacle,
    follower: random.chance(0.15),
    answers: Array.from({ length: random.int(0, 2) }, () => random.pick(ANSWERS)),
    storm,
  };
}

const POLICIES = ['hold', 'rerun', 'rerun', 'probe'] as const;
const ANSWERS = ['rerun', 'failed', 'skipped'] as const;
const OVERRIDES: Record<Kind, readonly Overrides[]> = {
  command: ['refused', 'unknown', 'both'],
  http: ['refused', 'notBegun', 'unknown', 'both'],
  handler: ['none'],
};
const EXPECTS: Record<Kind, readonly Expect[]> = {
  command: ['done', 'undone', 'code', 'success', 'declined'],
  http: ['done', 'undone', 'code', 'success', 'declined'],
  handler: ['done', 'undone', 'declined'],
};

/** The moves that end by a line. */
function movesWith(line: Ending): MoveName[] {
  return (Object.keys(MOVES) as MoveName[]).filter((name) => MOVES[name].line === line);
}

interface PlanOptions {
  kind: Kind;
  first: MoveName | undefined;
  overrides: Overrides;
  unsent: boolean;
  /** Whether it must end with a success. */
  ends: boolean;
}

function planOf(random: Random, options: PlanOptions): string[] {
  const { kind, first, overrides, unsent, ends } = options;
  // Whether the receiver speaks before it is spoken to is a matter of luck; it tries often.
  if (unsent && first !== undefined) return [...Array<string>(6).fill(`${first}.`), '200-json+'];
  // Only what is decided at the connection can also be done first.
  const others = movesOf(kind).filter((name) => MOVES[name].line !== 'answered_unsent');
  const successes = others.filter((name) => MOVES[name].class === 'succeeded');
  const moves = first === undefined ? [] : [first];
  const words = random.int(1, MOST_WORDS);
  while (moves.length < words) moves.push(random.pick(random.chance(0.4) ? successes : others));
  // Whatever is moved to another class is no sure success.
  if (ends) moves.push(INSTEAD[kind].acted);
  else if (random.chance(0.8)) moves.push(random.pick(successes));
  return moves.map((name) => `${name}${wantOf(random, name, overrides)}`);
}

/** What the receiver does to the key: as the class says, and where nobody can know, by chance. */
function wantOf(random: Random, name: MoveName, overrides: Overrides): Word['want'] {
  switch (classIn(moveOf(name), overrides)) {
    case 'succeeded':
      return '+';
    case 'refused':
      return '!';
    case 'notBegun':
      return '.';
    case 'unknown':
      return random.chance(0.5) ? '+' : '.';
  }
}
