import { expect } from 'vitest';

import type { CellOutcome } from '../../../../advancer/cells/cells.ts';
import type { AdvanceRequest } from '../../../../advancer/run/active-request.ts';
import type { RunContext } from '../../../../advancer/run/context.ts';
import { HeldInstance } from '../../../../advancer/run/held-instance.ts';
import type { CancelRequest } from '../../../../advancer/run/pending-cancels.ts';
import type { Cell, Runbook } from '../../../../src/runbook/runbook.ts';
import { rows, type Line } from '../../src/execution/fixture.ts';
import { HandEffects, stage, type Stage } from './fixture.ts';

export const DONE: CellOutcome = { kind: 'completed', output: null, detail: {} };
export const NO: CellOutcome = {
  kind: 'failed',
  class: 'refused',
  error: { message: 'no' },
  detail: {},
};
export const KEY = { idempotencyKey: 'i/a/1' };
export const COMPLETED_A: Line[] = [
  ['started', 'a', 1, KEY],
  ['completed', 'a', 1],
];

export const exec = (id: string, more: Partial<Cell> = {}): Cell => ({
  id,
  exec: { handler: id },
  ...more,
});

export interface World extends Stage {
  effects: HandEffects;
  held: HeldInstance;
  /** The rows of the log. */
  kinds(): string[];
}

/** An instance of these cells with this log, under one holding. */
export function world(
  cells: Cell[],
  history: Line[] = [],
  changed: Partial<RunContext> = {},
  head: Partial<Runbook> = {},
): World {
  const effects = new HandEffects();
  const staged = stage({ effects, ...changed });
  staged.scripted.runbook = { runbook: 'book', version: 1, inputs: [], cells, ...head };
  staged.scripted.rows = rows(...history);
  const held = new HeldInstance(staged.context, staged.holding);
  const kinds = (): string[] =>
    staged.scripted.rows.map(({ kind, cellId, attempt }) => `${kind} ${cellId} ${attempt}`);
  return { ...staged, effects, held, kinds };
}

export function cancel(
  { held, clock }: World,
  more: Partial<CancelRequest> = {},
): ReturnType<HeldInstance['cancel']> {
  const arrivedAtMs = clock.wallMs();
  return held.cancel({
    by: 'judge',
    reason: 'not wanted',
    arrivedAtMs,
    expiresAtMs: arrivedAtMs + 30_000,
    remembered: false,
    ...more,
  });
}

export function advance({ held, clock }: World, more: Partial<AdvanceRequest> = {}) {
  const requestId = more.requestId ?? 'q';
  return held.advance({
    instanceId: 'i',
    requestId,
    agentId: 'agent',
    wait: false,
    expiresAtMs: clock.wallMs() + 30_000,
    ...more,
  });
}

export const receipt = (outcome: string, more: object = {}) => ({
  kind: 'receipt',
  receipt: expect.objectContaining({ outcome, ...more }) as unknown,
});
export const conflict = (message: RegExp) => ({
  kind: 'refused',
  error: { code: 'conflict', message: expect.stringMatching(message) as string },
});
