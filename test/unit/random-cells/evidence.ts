import type { LogRow } from '../../random-cells/attribution.ts';
import type { Evidence } from '../../random-cells/checker.ts';
import type { Entry, Knew } from '../../random-cells/ledger.ts';
import type { MoveName } from '../../random-cells/moves.ts';
import type { RandomCell } from '../../random-cells/random-cell.ts';

/** A cell without anything particular. */
export const CELL: RandomCell = {
  instanceId: 'c1',
  cellId: 'plain',
  kind: 'command',
  plan: [],
  policy: 'rerun',
  says: 'truth',
  attempts: 3,
  backoffMs: 1,
  expect: 'none',
  overrides: 'none',
  output: undefined,
  timeoutMs: 20_000,
  follower: false,
  answers: [],
  storm: false,
};

/** An effect of an attempt, which says under which run's key it was. */
export function effect(
  attempt: number,
  run: number,
  move: MoveName,
  knew: Knew,
  more: Partial<Entry> = {},
): Entry {
  const key = `c1/plain/${run}`;
  const place = { instanceId: 'c1', cellId: 'plain', key };
  return { ...place, attempt, token: 7, knew, move, atMs: undefined, ...more };
}

/** A row: its kind, its attempt and its body. They follow each other by 100 ms. */
export type RowText = [kind: string, attempt: number, body?: Record<string, unknown>];

/** `started` with the key of a run. */
export function started(attempt: number, run: number): RowText {
  return ['started', attempt, { idempotencyKey: `c1/plain/${run}` }];
}

/** A log. */
export function log(...rows: RowText[]): LogRow[] {
  return rows.map(([kind, attempt, body = {}], index) => ({
    seq: index + 1,
    token: 7,
    replicaId: 'a-1',
    kind,
    cellId: 'plain',
    attempt,
    body,
    recordedAtMs: 1_000 + index * 100,
  }));
}

/** What the policy `rerun` decides. */
export const RERUN: RowText = ['decided', 1, { as: 'rerun', by: '@policy' }];

/** An attempt that acted and lost its answer, and a second one under the same key. */
export function repeated(more: Partial<Evidence> = {}): Evidence {
  return {
    cell: CELL,
    effects: [effect(1, 1, 'exit-137', 'acted'), effect(2, 1, 'ok-json', 'acted')],
    probes: [],
    rows: log(started(1, 1), ['interrupted', 1, { reason: 'crash' }], RERUN, started(2, 1), [
      'completed',
      2,
    ]),
    late: [],
    status: 'completed',
    unavailable: undefined,
    ...more,
  };
}

/** An attempt that was refused, and a second one under a new key. */
export function refusedOnce(more: Partial<Evidence> = {}): Evidence {
  return repeated({
    effects: [effect(1, 1, 'exit-3', 'refused'), effect(2, 2, 'ok-json', 'acted')],
    rows: log(started(1, 1), ['failed', 1], started(2, 2), ['completed', 2]),
    ...more,
  });
}
