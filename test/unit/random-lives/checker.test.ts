import { describe, expect, it } from 'vitest';

import { check } from '../../random-lives/checker.ts';
import type { Evidence } from '../../random-lives/evidence.ts';
import { undoIdOf } from '../../random-lives/life.ts';
import type { Rule } from '../../random-lives/rules.ts';
import {
  arrivalOf,
  CONFLICT,
  LIFE,
  logOf,
  rowOf,
  STARTED_AT_MS,
  toldOf,
  UNDONE,
  undoneEvidence,
} from './story.ts';

/** A log with one row in another's place. */
function logWith(
  seq: number,
  text: string,
  more: Parameters<typeof rowOf>[2] = {},
): Evidence['rows'] {
  return logOf(UNDONE).map((row) => (row.seq === seq ? rowOf(text, seq, more) : row));
}

/** The log without its undo, and the cancel of an attempt in doubt. */
const LEFT = [...UNDONE.slice(0, 2), 'started c1 1', 'interrupted c1 1', 'cancelled c1 1'];

it('nothing is wrong with an instance that was cancelled and undone', () => {
  const { breaches, seen } = check(undoneEvidence());
  expect(breaches).toEqual([]);
  expect(seen).toEqual(
    expect.arrayContaining([
      'ended cancelled',
      'unwinding by an agent',
      'undone',
      'undone through a doubt',
      'of two decisions one counted',
      'claim before its deadline',
      'paused',
    ]),
  );
});

it('nothing is wrong with an instance that completed before it could be cancelled', () => {
  const rows = logOf([...UNDONE.slice(0, 6), 'started c4 1', 'completed c4 1']);
  const arrivals = [arrivalOf('c0', 1), arrivalOf('c1', 3), arrivalOf('c4', 7)];
  const told = [toldOf('cancel', {}, CONFLICT)];
  const { breaches, seen } = check(
    undoneEvidence({ rows, arrivals, told, receipts: [], status: 'completed' }),
  );
  expect(breaches).toEqual([]);
  expect(seen).toContain('cancel lost to completion');
});

it('nothing is wrong with a cancel that leaves a doubt and says so', () => {
  const rows = logOf(LEFT).map((row) =>
    row.kind === 'cancelled'
      ? { ...row, body: { ...row.body, left: [{ cellId: 'c1', attempt: 1 }] } }
      : row,
  );
  const arrivals = [arrivalOf('c0', 1), arrivalOf('c1', 3)];
  const { breaches, seen } = check(undoneEvidence({ rows, arrivals, told: [], receipts: [] }));
  expect(breaches).toEqual([]);
  expect(seen).toContain('cancelled with a doubt left');
});

/** What is wrong, and the rule that must say so. */
const WRONG: [string, Rule, Partial<Evidence>][] = [
  ['an instance that is still running', 'one-ending', { rows: logOf(UNDONE.slice(0, 4)) }],
  ['a status that the log does not have', 'one-ending', { status: 'completed' }],
  [
    'a receipt that says completed',
    'one-ending',
    { receipts: [{ requestId: 'q1', outcome: 'completed', steps: [] }] },
  ],
  ['a cancel that nobody wanted', 'one-ending', { life: { ...LIFE, cancels: [] } }],
  [
    'a row after cancelled',
    'nothing-after-cancelled',
    { rows: logOf([...UNDONE, 'started c4 1']), arrivals: [] },
  ],
  [
    'an effect after cancelled',
    'nothing-after-cancelled',
    { arrivals: [...undoneEvidence().arrivals, arrivalOf('c0', 18)] },
  ],
  ['a doubt that left does not name', 'left-is-true', { rows: logOf(LEFT) }],
  [
    'an effect without an intent',
    'intent-first',
    { arrivals: [...undoneEvidence().arrivals, arrivalOf('c4', 6)] },
  ],
  [
    'an effect before its intent',
    'intent-first',
    { arrivals: [arrivalOf('c0', 0), ...undoneEvidence().arrivals.slice(1)] },
  ],
  [
    'two effects of one attempt',
    'one-effect-per-attempt',
    { arrivals: [arrivalOf('c0', 1), ...undoneEvidence().arrivals] },
  ],
  [
    'an outcome without an effect',
    'completed-means-happened',
    { arrivals: undoneEvidence().arrivals.slice(1) },
  ],
  ['a failure that happened', 'failed-means-not-happened', { rows: logWith(4, 'failed c1 1') }],
  [
    'an effect of a holder that was frozen before it',
    'frozen-begins-nothing',
    {
      rows: logWith(9, 'interrupted undo-c1 1', { token: 8, replicaId: 'b-00000000' }),
      freezes: [
        {
          instanceId: 'l1',
          cellId: undoIdOf('c1'),
          replicaId: 'a-00000000',
          fromMs: STARTED_AT_MS + 8_001,
          toMs: STARTED_AT_MS + 9_500,
        },
      ],
    },
  ],
  [
    'a skipped cell that ran',
    'skipped-never-ran',
    {
      life: {
        ...LIFE,
        cells: LIFE.cells.map((cell) =>
          cell.id === 'c0' && cell.type === 'effect' ? { ...cell, skipped: true } : cell,
        ),
      },
    },
  ],
  ['an undo before unwinding', 'undo-when-unwinding', { rows: logWith(7, 'satisfied c3 1') }],
  [
    'a cell that begins while unwinding',
    'undo-when-unwinding',
    { rows: logWith(13, 'started c4 1') },
  ],
  [
    'an undo that only the receiver knows',
    'undo-when-unwinding',
    { rows: logOf(UNDONE.slice(0, 6)) },
  ],
  [
    'an undo in the wrong order',
    'undo-in-reverse',
    { rows: logOf([...UNDONE.slice(0, 7), ...UNDONE.slice(12, 14), ...UNDONE.slice(7, 12)]) },
  ],
  [
    'an undo that arrives in the wrong order',
    'undo-seen-in-reverse',
    {
      arrivals: [
        ...undoneEvidence().arrivals.slice(0, 2),
        arrivalOf(undoIdOf('c0'), 8),
        ...undoneEvidence().arrivals.slice(2, 4),
      ],
    },
  ],
  [
    'a satisfied cell that is not undone',
    'undone-once',
    { rows: logOf([...UNDONE.slice(0, 12), 'cancelled undo-c1 2']) },
  ],
  [
    'an undo that happened more often than the log says',
    'undone-once',
    { arrivals: [...undoneEvidence().arrivals, arrivalOf(undoIdOf('c0'), 13)] },
  ],
  [
    'two decisions that count',
    'one-decision-counts',
    {
      told: undoneEvidence().told.map((one) =>
        one.agentId === 'judge-b' ? { ...one, reply: { seq: 10, as: 'rerun' } } : one,
      ),
    },
  ],
  [
    'a decision that is not in the log',
    'told-is-recorded',
    { rows: logWith(10, 'completed c0 1') },
  ],
  [
    'a cancel that is not in the log',
    'told-is-recorded',
    { told: [toldOf('cancel', { undo: true }, { seq: 6 })] },
  ],
  [
    'a receipt that nobody was told',
    'told-is-recorded',
    { told: [toldOf('advance', { requestId: 'q1' }, { outcome: 'advanced', steps: [] })] },
  ],
  [
    'a conflict about nothing',
    'conflict-has-a-reason',
    { rows: logOf(UNDONE.slice(0, 3)), told: [toldOf('cancel', {}, CONFLICT)] },
  ],
  [
    'a conflict between decisions that are not there',
    'conflict-has-a-reason',
    {
      rows: logOf([...UNDONE.slice(0, 3), 'interrupted c1 1']),
      told: [toldOf('decide', { cellId: 'c1', attempt: 1, as: 'skipped' }, CONFLICT)],
    },
  ],
  [
    'a receipt with a row that the log does not have',
    'one-for-everyone',
    {
      receipts: [
        {
          requestId: 'q1',
          outcome: 'cancelled',
          steps: [{ seq: 5, cellId: 'c2', kind: 'skipped', attempt: 1 }],
        },
      ],
    },
  ],
  ['a satisfied deadline without a claim', 'deadline-or-claim', { claims: [] }],
  [
    'a deadline that passes early',
    'deadline-or-claim',
    { rows: logWith(5, 'skipped c2 1', { recordedAtMs: STARTED_AT_MS + 4_400 }) },
  ],
  [
    'a deadline that passes although the claim was made',
    'deadline-or-claim',
    {
      rows: logWith(5, 'skipped c2 1'),
      told: [
        ...undoneEvidence().told,
        {
          ...toldOf('claim', { claimId: 'l1-c2', status: 'yes' }, { status: 'yes' }),
          answeredAtMs: STARTED_AT_MS + 4_450,
        },
      ],
    },
  ],
  [
    'a pause that ends early',
    'wait-not-early',
    { rows: logWith(6, 'satisfied c3 1', { recordedAtMs: STARTED_AT_MS + 5_800 }) },
  ],
];

describe('is caught by name', () => {
  it.each(WRONG)('%s', (_what, rule, more) => {
    expect(check(undoneEvidence(more)).breaches.map((breach) => breach.rule)).toContain(rule);
  });
});
