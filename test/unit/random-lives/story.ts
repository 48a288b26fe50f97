import type { LogRow } from '../../random-cells/attribution.ts';
import type { Evidence } from '../../random-lives/evidence.ts';
import { undoIdOf, type EffectPlan, type Life } from '../../random-lives/life.ts';
import type { Arrival } from '../../random-lives/receiver.ts';
import type { Exchange } from '../../random-lives/wire.ts';

/** When the instance was started; row n is written n seconds later. */
export const STARTED_AT_MS = 1_000_000;
const ID = 'l1';
const SECOND_MS = 1_000;

const PLAN: EffectPlan = { by: 'http', policy: 'hold', moves: ['ok'], delayMs: 0, attempts: 1 };

/** Two effects with an undo, a deadline, a pause, and an effect that never comes. */
export const LIFE: Life = {
  instanceId: ID,
  onHalt: 'hold',
  cells: [
    { id: 'c0', type: 'effect', effect: PLAN, undo: PLAN, skipped: false },
    { id: 'c1', type: 'effect', effect: PLAN, undo: PLAN, skipped: false },
    { id: 'c2', type: 'deadline', ms: 500, otherwise: 'skip', claim: { afterDueMs: 0 } },
    { id: 'c3', type: 'pause', ms: 900 },
    { id: 'c4', type: 'effect', effect: PLAN, undo: undefined, skipped: false },
  ],
  cancels: [{ after: 'start', ms: 0, undo: true }],
  agents: 1,
};

/** The log of an instance that was cancelled and undone, once through a doubt. */
export const UNDONE = [
  'started c0 1',
  'completed c0 1',
  'started c1 1',
  'completed c1 1',
  'satisfied c2 1',
  'satisfied c3 1',
  'unwinding c3 1',
  'started undo-c1 1',
  'interrupted undo-c1 1',
  'decided undo-c1 1',
  'started undo-c1 2',
  'completed undo-c1 2',
  'started undo-c0 1',
  'completed undo-c0 1',
  'cancelled undo-c0 1',
];

const BODIES: Record<string, Record<string, unknown>> = {
  interrupted: { reason: 'crash' },
  decided: { as: 'rerun', by: 'judge-a' },
  unwinding: { by: 'canceller-0', reason: 'planned' },
  cancelled: { by: '@policy', reason: 'planned', left: [] },
};

/** A row from its text, as number `seq`. */
export function rowOf(text: string, seq: number, more: Partial<LogRow> = {}): LogRow {
  const [kind = '', cellId = '', attempt] = text.split(' ');
  const body = kind === 'started' ? { idempotencyKey: keyOf(cellId) } : (BODIES[kind] ?? {});
  return {
    seq,
    token: 7,
    replicaId: 'a-00000000',
    kind,
    cellId,
    attempt: Number(attempt),
    body,
    recordedAtMs: STARTED_AT_MS + seq * SECOND_MS,
    ...more,
  };
}

/** A log from its rows' texts. */
export function logOf(texts: readonly string[]): LogRow[] {
  return texts.map((text, index) => rowOf(text, index + 1));
}

/** The key of a cell's first run. */
export function keyOf(cellId: string): string {
  return `${ID}/${cellId}/1`;
}

/** An effect that arrived right after that row. */
export function arrivalOf(cellId: string, seq: number, more: Partial<Arrival> = {}): Arrival {
  const atMs = STARTED_AT_MS + seq * SECOND_MS + 100;
  return { instanceId: ID, cellId, key: keyOf(cellId), token: 7, move: 'ok', atMs, ...more };
}

/** What an agent was told. */
export function toldOf(verb: Exchange['verb'], body: object, reply: object | undefined): Exchange {
  return {
    verb,
    instanceId: ID,
    agentId: verb === 'cancel' ? 'canceller-0' : 'judge-a',
    body: { ...body },
    reply: reply as Exchange['reply'],
    sentAtMs: STARTED_AT_MS,
    answeredAtMs: STARTED_AT_MS + SECOND_MS,
  };
}

/** Everything about the instance that was cancelled and undone, without a breach. */
export function undoneEvidence(more: Partial<Evidence> = {}): Evidence {
  return {
    life: LIFE,
    rows: logOf(UNDONE),
    startedAtMs: STARTED_AT_MS,
    receipts: [
      {
        requestId: 'q1',
        outcome: 'cancelled',
        steps: [{ seq: 8, cellId: undoIdOf('c1'), kind: 'started', attempt: 1 }],
      },
    ],
    claims: [{ claimId: `${ID}-c2`, status: 'yes', recordedAtMs: STARTED_AT_MS + 4_800 }],
    arrivals: [
      arrivalOf('c0', 1),
      arrivalOf('c1', 3),
      arrivalOf(undoIdOf('c1'), 8),
      arrivalOf(undoIdOf('c1'), 11),
      arrivalOf(undoIdOf('c0'), 13),
    ],
    told: [
      toldOf('cancel', { undo: true }, { instanceId: ID, seq: 7, status: 'ready' }),
      toldOf(
        'decide',
        { cellId: undoIdOf('c1'), attempt: 1, as: 'rerun' },
        { seq: 10, as: 'rerun' },
      ),
      {
        ...toldOf('decide', { cellId: undoIdOf('c1'), attempt: 1, as: 'rerun' }, CONFLICT),
        agentId: 'judge-b',
      },
    ],
    freezes: [],
    status: 'cancelled',
    ...more,
  };
}

/** A refusal because something else counts. */
export const CONFLICT = { error: { code: 'conflict', message: 'judge-a has decided' } };
