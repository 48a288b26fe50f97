import { Random } from '../../tools/chaos/random.ts';

/** What the receiver does with an effect that arrives. */
export type Move =
  /** It acts, and answers. */
  | 'ok'
  /** It says no, and has not acted. */
  | 'refuse'
  /** It acts, and the connection breaks. */
  | 'lose'
  /** It does nothing, and the connection breaks. */
  | 'drop';

/** How an effect is made, and what becomes of it. */
export interface EffectPlan {
  by: 'http' | 'command';
  policy: 'hold' | 'rerun' | 'probe';
  /** What happens to its nth arrival; the last one also stands for all that follow. */
  moves: Move[];
  /** How long after the act its answer takes. */
  delayMs: number;
  /** Of `retry`. */
  attempts: number;
}

/** One cell of a life. */
export type LifeCell = { id: string } & (
  | { type: 'effect'; effect: EffectPlan; undo: EffectPlan | undefined; skipped: boolean }
  | { type: 'pause'; ms: number }
  | { type: 'claim' }
  | { type: 'deadline'; ms: number; otherwise: 'halt' | 'skip'; claim: ClaimPlan }
  | { type: 'check'; of: string }
  /** One child for each element of a list; see family.ts. */
  | { type: 'run'; count: number }
);

/** When the claim of a deadline is made, from the moment at which it is due. */
export type ClaimPlan = { afterDueMs: number } | 'never';

/** A cancel, and the moment at which an agent sends it. */
export interface CancelPlan {
  /** After the nth arrival of this cell's effect, or after the instance started. */
  after: { cellId: string; arrival: number } | 'start';
  ms: number;
  undo: boolean;
  children?: boolean | undefined;
}

/** An instance, and everything that is planned to happen to it, all drawn from a seed. */
export interface Life {
  instanceId: string;
  onHalt: 'hold' | 'undo';
  cells: LifeCell[];
  /** None, one, or two that race. */
  cancels: CancelPlan[];
  /** How many agents advance it. */
  agents: number;
  /** Whether it may be cancelled because its parent is. */
  byParent?: boolean | undefined;
}

/** How many lives with a cancel there are for each one without. */
export const CANCELS_PER_OTHER = 8;

/** The id of the undo cell of a cell, as the log names it. */
export function undoIdOf(cellId: string): string {
  return `undo-${cellId}`;
}

/** Lives of a seed, from number `first` on. */
export function livesOf(seed: number, count: number, first = 0): Life[] {
  return Array.from({ length: count }, (_, nth) => randomLife(seed, first + nth));
}

/** The nth life of a seed. */
export function randomLife(seed: number, nth: number): Life {
  const random = new Random(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(nth + 1, 0x85ebca6b));
  const count = random.int(2, 5);
  const cells: LifeCell[] = [];
  for (let at = 0; at < count; at += 1) cells.push(randomCell(random, `c${at}`, cells));
  // Something to undo, and something to race with.
  if (!cells.some(({ type }) => type === 'effect')) cells.push(effectCell(random, `c${count}`));
  return {
    instanceId: `l${nth}`,
    onHalt: random.chance(0.25) ? 'undo' : 'hold',
    cells,
    cancels: nth % (CANCELS_PER_OTHER + 1) === CANCELS_PER_OTHER ? [] : cancelsOf(random, cells),
    agents: random.chance(0.3) ? 2 : 1,
  };
}

function randomCell(random: Random, id: string, before: readonly LifeCell[]): LifeCell {
  const effects = before.filter((cell) => cell.type === 'effect' && !cell.skipped);
  const { type } = random.weighted([
    { type: 'effect', weight: 70 },
    { type: 'pause', weight: 8 },
    { type: 'claim', weight: 4 },
    { type: 'deadline', weight: 12 },
    { type: 'check', weight: effects.length > 0 ? 6 : 0 },
  ] as const);
  switch (type) {
    case 'effect':
      return effectCell(random, id);
    case 'pause':
      return { id, type, ms: random.int(20, 400) };
    case 'claim':
      return { id, type };
    case 'deadline':
      return {
        id,
        type,
        ms: random.int(60, 900),
        otherwise: random.chance(0.4) ? 'halt' : 'skip',
        claim: random.chance(0.15) ? 'never' : { afterDueMs: random.int(-40, 25) },
      };
    case 'check':
      return { id, type, of: random.pick(effects).id };
  }
}

function effectCell(random: Random, id: string): LifeCell {
  return {
    id,
    type: 'effect',
    effect: effectPlan(random, { ok: 12, refuse: 2, lose: 1, drop: 1 }),
    undo: random.chance(0.65)
      ? effectPlan(random, { ok: 10, refuse: 1, lose: 1, drop: 1 })
      : undefined,
    skipped: random.chance(0.08),
  };
}

function effectPlan(random: Random, weights: Record<Move, number>): EffectPlan {
  const options = Object.entries(weights).map(([move, weight]) => ({ move: move as Move, weight }));
  const first = random.weighted(options).move;
  const second = first === 'ok' ? 'ok' : random.weighted(options).move;
  return {
    by: random.chance(0.08) ? 'command' : 'http',
    policy: random.pick(['hold', 'rerun', 'probe', 'probe']),
    moves: [...new Set([first, second]), 'ok'],
    delayMs: random.pick([0, 0, 5, 30, 120, 400]),
    attempts: random.int(1, 3),
  };
}

function cancelsOf(random: Random, cells: readonly LifeCell[]): CancelPlan[] {
  const effects = cells.filter((cell) => cell.type === 'effect' && !cell.skipped);
  const last = effects.at(-1);
  const cancel = (): CancelPlan => {
    const race = random.next();
    const undo = random.chance(0.5);
    // At the very end: it races completion.
    if (last !== undefined && race < 0.55)
      return { after: { cellId: last.id, arrival: 1 }, ms: random.int(0, 60), undo };
    if (effects.length > 0 && race < 0.85)
      return {
        after: { cellId: random.pick(effects).id, arrival: 1 },
        ms: random.int(0, 300),
        undo,
      };
    return { after: 'start', ms: random.int(0, 1_500), undo };
  };
  return random.chance(0.2) ? [cancel(), cancel()] : [cancel()];
}
