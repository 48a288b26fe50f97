import { describe, expect, it } from 'vitest';

import type { LateOutcome } from '../../../../advancer/log/log.ts';
import {
  closeForNoRequest,
  closingRows,
  decisionBy,
  doubtEvidence,
  keepRefusedRows,
  lateOutcomeOf,
  ownWord,
} from '../../../../advancer/run/evidence.ts';
import type { Row } from '../../../../src/execution/row.ts';
import { LogUnavailable } from '../../../../advancer/log/log.ts';
import { over } from '../../../harness/controls.ts';
import { rows as rowsOf, type Line } from '../../src/execution/fixture.ts';
import { ME, OTHER, stage } from './fixture.ts';

const REFUSED: Line[] = [
  ['completed', 'a', 1, { output: 7 }],
  ['started', 'b', 1],
];
const rows = (...lines: Line[]): Row[] =>
  rowsOf(...lines).map((row) => ({ ...row, replicaId: ME }));
const late = (kind: LateOutcome['kind'], body: LateOutcome['body'] = {}): LateOutcome => ({
  instanceId: 'i',
  cellId: 'a',
  attempt: 1,
  fencingToken: 5,
  replicaId: OTHER,
  kind,
  body,
});

describe('rows that the log refused', () => {
  it('are all recorded with the reason; an outcome among them is kept and may settle the doubt', async () => {
    const { context, scripted, settleAsked } = stage();
    await keepRefusedRows(context, rows(...REFUSED), 'because');
    expect(scripted.refusals).toMatchObject([
      {
        instanceId: 'i',
        seq: 1,
        fencingToken: 5,
        replicaId: ME,
        kind: 'completed',
        reason: 'because',
      },
      {
        instanceId: 'i',
        seq: 2,
        fencingToken: 5,
        replicaId: ME,
        kind: 'started',
        reason: 'because',
      },
    ]);
    expect(scripted.lateOutcomes).toEqual([{ ...late('completed', { output: 7 }), replicaId: ME }]);
    expect(settleAsked).toEqual(['i']);
  });

  it('are kept although Postgres does not answer at first: nothing is given up', async () => {
    const { clock, context, scripted, troubles } = stage();
    const away = new LogUnavailable('away');
    let failures = 3;
    const log = over(context.log, {
      addLateOutcome: (outcome) => {
        failures -= 1;
        return failures < 0 ? scripted.log.addLateOutcome(outcome) : Promise.reject(away);
      },
    });
    const kept = keepRefusedRows({ ...context, log }, rows(...REFUSED), 'because');
    await clock.advance(1_400);
    expect(scripted.lateOutcomes).toEqual([]);
    await clock.advance(200);
    await kept;
    expect(scripted.lateOutcomes).toHaveLength(1);
    expect(scripted.refusals).toHaveLength(2);
    expect(troubles).toEqual([away, away, away]);
  });

  it.each<[string, Line, LateOutcome['kind'] | undefined]>([
    ['an outcome', ['completed', 'a', 1], 'completed'],
    ['a failure', ['failed', 'a', 1], 'failed'],
    ['that nothing began', ['interrupted', 'a', 1, { reason: 'not_started' }], 'not_started'],
    [
      'an effect whose output was lost',
      ['interrupted', 'a', 1, { reason: 'unverified' }],
      'unverified',
    ],
    ['no plain interruption', ['interrupted', 'a', 1, { reason: 'crash' }], undefined],
    ['no intent', ['started', 'a', 1], undefined],
    ['no decision', ['decided', 'a', 1, { as: 'succeeded' }], undefined],
    ['no satisfied cell', ['satisfied', 'a', 1], undefined],
  ])('are evidence of %s', (_what, line, kind) => {
    expect(lateOutcomeOf(rows(line)[0]!)?.kind).toBe(kind);
  });
});

describe('rows that were refused because their request has its receipt', () => {
  it('are written up to the first that opens something, for no request', async () => {
    const { context, holding, scripted } = stage();
    await closeForNoRequest(context, { holding, unattended: false }, rows(...REFUSED), 'q1');
    expect(scripted.entries).toMatchObject([
      { fencingToken: 10, replicaId: ME, projection: { status: 'ready', nextCellId: null } },
    ]);
    expect(scripted.entries[0]?.rows).toMatchObject([{ kind: 'completed', requestId: null }]);
    expect(scripted.refusals).toEqual([]);
  });

  it('leave the instance in doubt if they end with an interruption', async () => {
    const { context, holding, scripted } = stage();
    const crashed = rows(['interrupted', 'a', 1, { reason: 'crash' }]);
    await closeForNoRequest(context, { holding, unattended: false }, crashed, 'q1');
    expect(scripted.entries).toMatchObject([{ projection: { status: 'in_doubt' } }]);
  });

  it('bring an unattended instance back', async () => {
    const { context, holding, scripted } = stage();
    const attempt = { holding, unattended: true };
    await closeForNoRequest(context, attempt, rows(...REFUSED), 'q1');
    const crashed = rows(['interrupted', 'a', 1, { reason: 'crash' }]);
    await closeForNoRequest(context, attempt, crashed, 'q1');
    expect(scripted.entries.map(({ projection }) => projection?.rest)).toEqual([
      { at: { afterMs: 0 } },
      // The sweep finds a doubt.
      {},
    ]);
  });

  it('are kept as evidence if another replica has closed the attempt', async () => {
    const { context, holding, scripted } = stage();
    scripted.answers.push({ kind: 'conflict', detail: 'taken' });
    await closeForNoRequest(context, { holding, unattended: false }, rows(...REFUSED), 'q1');
    expect(scripted.refusals).toMatchObject([{ seq: 1, reason: 'request q1 has its receipt' }]);
    expect(scripted.lateOutcomes).toHaveLength(1);
  });

  it('are dropped if nothing closes or settles: nothing was learned', async () => {
    const { context, holding, scripted } = stage();
    await closeForNoRequest(
      context,
      { holding, unattended: false },
      rows(['started', 'a', 1]),
      'q1',
    );
    expect(scripted.entries).toEqual([]);
    expect(scripted.refusals).toEqual([]);
  });

  it.each(['started', 'satisfied', 'refuted', 'skipped', 'unwinding', 'cancelled'] as const)(
    'end before a row that is %s',
    (kind) => {
      const closing = closingRows(
        rows(['interrupted', 'a', 1], ['decided', 'a', 1], [kind, 'a', 2]),
      );
      expect(closing.map((row) => row.kind)).toEqual(['interrupted', 'decided']);
      expect(closing.every(({ requestId }) => requestId === null)).toBe(true);
    },
  );
});

describe('an outcome of an effect whose output was lost', () => {
  it('is kept with what is known, and nobody is asked to settle the doubt by it', async () => {
    const { context, scripted, settleAsked } = stage();
    const body = { reason: 'unverified', happened: true, detail: { message: 'lost' } };
    await keepRefusedRows(context, rows(['interrupted', 'a', 1, body]), 'fenced');
    expect(scripted.refusals).toMatchObject([{ kind: 'interrupted', reason: 'fenced' }]);
    expect(scripted.lateOutcomes).toEqual([{ ...late('unverified', body), replicaId: ME }]);
    expect(settleAsked).toEqual([]);
  });

  it('keeps its reason and that the effect happened, even if Postgres refuses its text', async () => {
    const { context, scripted } = stage();
    const log = over(context.log, {
      addLateOutcome: (one) =>
        one.body['output'] === undefined
          ? scripted.log.addLateOutcome(one)
          : Promise.reject(new Error('invalid data')),
    });
    const body = { reason: 'unverified', happened: true, output: 'odd', detail: {} };
    await keepRefusedRows({ ...context, log }, rows(['interrupted', 'a', 1, body]), 'fenced');
    expect(scripted.lateOutcomes).toMatchObject([
      { kind: 'unverified', body: { reason: 'unverified', happened: true, detail: {} } },
    ]);
  });
});

describe('what a person is shown of a doubt', () => {
  it('is nothing more than the log if nothing was reported', () => {
    expect(doubtEvidence({ happened: false }, [])).toEqual({});
    expect(doubtEvidence({ happened: true }, [])).toEqual({ happened: true });
  });

  it('is that the effect happened, if its holder reported so late, and why it needs a person', () => {
    const detail = { message: 'expect 1 cannot be evaluated' };
    const body = { reason: 'unverified', happened: true, detail };
    expect(doubtEvidence({ happened: false }, [late('unverified', body)])).toEqual({
      happened: true,
      lateOutcome: { kind: 'unverified', replicaId: OTHER, message: detail.message },
    });
    const refused = late('unverified', { reason: 'unverified' });
    expect(doubtEvidence({ happened: false }, [refused])).toEqual({
      lateOutcome: { kind: 'unverified', replicaId: OTHER },
    });
  });

  it('is the outcome that will settle the doubt, whatever else was reported', () => {
    const all = [late('not_started'), late('unverified'), late('completed', { output: 7 })];
    expect(doubtEvidence({ happened: false }, all)).toEqual({
      happened: true,
      lateOutcome: { kind: 'completed', replicaId: OTHER },
    });
  });
});

describe('evidence of an attempt', () => {
  const opened = { replicaId: OTHER, fencingToken: 5 };

  it('is what the process that opened it says, in that term', () => {
    const own = [late('not_started'), late('completed')];
    expect(ownWord(own, opened)).toEqual(own);
  });

  it('is not what another process says, nor what it says of another term', () => {
    expect(ownWord([late('not_started')], { ...opened, replicaId: ME })).toEqual([]);
    expect(ownWord([late('not_started')], { ...opened, fencingToken: 6 })).toEqual([]);
    expect(ownWord([late('not_started')], undefined)).toEqual([]);
  });
});

describe('the decision that evidence makes', () => {
  it('is that of an outcome, even if a report that nothing began came first', () => {
    expect(decisionBy([late('not_started'), late('completed', { output: 7 })])).toEqual({
      as: 'succeeded',
      by: '@late-outcome',
      reason: `late outcome from ${OTHER}`,
      output: 7,
    });
    expect(decisionBy([late('not_started'), late('failed')])).toMatchObject({ as: 'failed' });
  });

  it('is a rerun if all that is known is that nothing began', () => {
    expect(decisionBy([late('not_started')])).toMatchObject({ as: 'rerun', by: '@late-outcome' });
  });

  it('has null for the output of an outcome without one', () => {
    expect(decisionBy([late('completed')])).toMatchObject({ as: 'succeeded', output: null });
  });

  it('does not exist without evidence', () => {
    expect(decisionBy([])).toBeUndefined();
  });

  it('does not exist for an effect whose output was lost: only a person can judge it', () => {
    const report = late('unverified', { reason: 'unverified', happened: true });
    expect(decisionBy([report])).toBeUndefined();
    expect(decisionBy([late('not_started'), report])).toBeUndefined();
    expect(decisionBy([report, late('failed')])).toMatchObject({ as: 'failed' });
  });
});
