import * as fc from 'fast-check';

import { chainBreach } from '../../src/execution/chain.ts';
import type { ChainRow } from '../../src/execution/chain.ts';
import { ROW_KINDS } from '../../src/execution/row.ts';
import type { RowKind } from '../../src/execution/row.ts';
import type { JsonObject } from '../../src/json.ts';

/**
 * How to make one candidate for a log: a row that may follow, picked by number, and then perhaps
 * one field changed.
 */
export interface Recipe {
  pick: number;
  change: 'nothing' | 'token' | 'seq' | 'kind' | 'cell' | 'attempt' | 'body' | 'everything';
  tokenStep: number;
  seqStep: number;
  kind: RowKind;
  cellId: string;
  attempt: number;
  body: JsonObject;
}

const BODIES: JsonObject[] = [
  {},
  ...[
    'crash',
    'timeout',
    'aborted',
    'not_started',
    'unverified',
    'boredom',
    '',
    null,
    7,
    ['crash'],
    { crash: true },
  ].map((reason) => ({ reason })),
  ...['succeeded', 'failed', 'rerun', 'skipped', 'perhaps', null, true, ['rerun']].map((as) => ({
    as,
  })),
  { reason: 'crash', as: 'rerun' },
  { reason: 'not_started', as: 'succeeded' },
  { happened: true },
  { happened: 'true' },
  { happened: [true] },
  { notBegun: true },
  { reason: 'unverified', happened: true },
  { as: 'failed', happened: true },
  { as: 'failed', happened: false },
  { as: 'rerun', happened: true },
  ...['succeeded', 'failed', 'rerun', 'skipped'].map((as) => ({ as, by: 'ann' })),
  ...['', '@policy', '@', null, ['ann']].map((by) => ({ as: 'rerun', by })),
];

/** Every body where the rule reads it, elsewhere a few. */
function bodiesOf(kind: RowKind): readonly JsonObject[] {
  return kind === 'interrupted' || kind === 'decided' || kind === 'failed' ? BODIES : FEW_BODIES;
}

const FEW_BODIES: JsonObject[] = [{}, { as: 'rerun' }, { happened: true }];

const CELLS = ['a', 'b', 'undo-a', 'undo-b'];

/** Recipes for the candidates of one log. */
export const recipes: fc.Arbitrary<Recipe[]> = fc.array(
  fc.record({
    pick: fc.nat(),
    change: fc.oneof(
      { weight: 3, arbitrary: fc.constant('nothing' as const) },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
          'token',
          'seq',
          'kind',
          'cell',
          'attempt',
          'body',
          'everything' as const,
        ),
      },
    ),
    tokenStep: fc.constantFrom(-2, -1, 0, 0, 0, 1, 3),
    seqStep: fc.constantFrom(-3, -2, -1, 1, 2),
    kind: fc.constantFrom(...ROW_KINDS),
    cellId: fc.constantFrom(...CELLS),
    attempt: fc.integer({ min: 1, max: 4 }),
    body: fc.constantFrom(...BODIES),
  }),
  { minLength: 10, maxLength: 40 },
);

/** The candidate that the recipe makes for this log. */
export function candidate(log: readonly ChainRow[], recipe: Recipe): ChainRow {
  const newest = log.at(-1);
  const allowed = honestRows(newest);
  // Most candidates go on: after a cancellation there is nothing left to try.
  const goingOn = recipe.pick % 8 === 3 ? [] : allowed.filter(({ kind }) => kind !== 'cancelled');
  const honest = goingOn.length === 0 ? allowed : goingOn;
  const made: ChainRow = {
    ...(honest[recipe.pick % Math.max(1, honest.length)] ?? recipe),
    seq: log.length + 1,
    fencingToken: newest?.fencingToken ?? 10,
  };
  const all = recipe.change === 'everything';
  // A valid row may also come from a later term.
  if (all || recipe.change === 'token')
    made.fencingToken = Math.max(1, made.fencingToken + recipe.tokenStep);
  else if (recipe.pick % 5 === 0) made.fencingToken += 1;
  if (all || recipe.change === 'seq') made.seq += recipe.seqStep;
  if (all || recipe.change === 'kind') made.kind = recipe.kind;
  if (all || recipe.change === 'cell') made.cellId = recipe.cellId;
  if (all || recipe.change === 'attempt') made.attempt = recipe.attempt;
  if (all || recipe.change === 'body') made.body = recipe.body;
  return {
    seq: made.seq,
    fencingToken: made.fencingToken,
    kind: made.kind,
    cellId: made.cellId,
    attempt: made.attempt,
    body: made.body,
  };
}

type Template = Pick<ChainRow, 'kind' | 'cellId' | 'attempt' | 'body'>;

/** What may follow a row, by what the rule reads of it: most logs have the same rows. */
const known = new Map<string, readonly Template[]>();

/** Every row that may follow the newest one, at its token. */
function honestRows(newest: ChainRow | undefined): readonly Template[] {
  const { kind, cellId, attempt = 0, body } = newest ?? {};
  const key = JSON.stringify([kind, cellId, attempt, body]);
  let honest = known.get(key);
  if (honest === undefined) known.set(key, (honest = [...allowedAfter(newest, attempt)]));
  return honest;
}

function* allowedAfter(newest: ChainRow | undefined, newestAttempt: number): Generator<Template> {
  const seq = (newest?.seq ?? 0) + 1;
  const fencingToken = newest?.fencingToken ?? 10;
  for (const kind of ROW_KINDS) {
    for (const cellId of CELLS) {
      for (const attempt of new Set([1, newestAttempt, newestAttempt + 1])) {
        for (const body of bodiesOf(kind)) {
          const row = { kind, cellId, attempt, body };
          if (chainBreach(newest, { ...row, seq, fencingToken }) === undefined) yield row;
        }
      }
    }
  }
}
