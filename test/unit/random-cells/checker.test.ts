import { describe, expect, it } from 'vitest';

import { check, RULES, type Evidence, type Rule } from '../../random-cells/checker.ts';
import { CELL, effect, log, refusedOnce, repeated, RERUN, started } from './evidence.ts';

const lost = ['interrupted', 1, { reason: 'crash' }] as const;
const http = { ...CELL, kind: 'http' } as const;
const call = { attempt: undefined } as const;

/** Records that are true. */
const TRUE: Record<string, Evidence> = {
  'a repeat under the same key': repeated(),
  'a new key after a refusal': refusedOnce(),
  'a success that is not as expected': repeated({
    cell: { ...CELL, expect: 'undone' },
    effects: [effect(1, 1, 'ok-json', 'acted')],
    rows: log(started(1, 1), ['failed', 1, { happened: true }]),
    status: 'halted',
  }),
  'a failure that was predicted': repeated({
    cell: { ...CELL, expect: 'code' },
    effects: [effect(1, 1, 'exit-3', 'refused')],
    rows: log(started(1, 1), ['completed', 1]),
  }),
  'an attempt that sent nothing, and the next under its key': repeated({
    effects: [effect(2, 1, 'ok-json', 'acted')],
    rows: log(started(1, 1), ['failed', 1, { notBegun: true }], started(2, 1), ['completed', 2]),
  }),
  'a call that does not say which attempt it is': repeated({
    cell: http,
    effects: [
      effect(1, 1, '500', 'acted', { ...call, atMs: 1_010 }),
      effect(2, 1, '200-json', 'acted', { ...call, atMs: 1_310 }),
    ],
  }),
  'a call that is noted only once the next attempt has begun': repeated({
    cell: http,
    effects: [
      effect(1, 1, '500', 'acted', { ...call, atMs: 1_305 }),
      effect(2, 1, '200-json', 'acted', { ...call, atMs: 1_310 }),
    ],
  }),
  'a doubt that only a person settles, because the late outcome is unverified': repeated({
    cell: { ...CELL, expect: 'done' },
    effects: [effect(1, 1, 'ok-large', 'acted')],
    rows: log(started(1, 1), [...lost]).map((row) => ({ ...row, token: 6 + row.seq })),
    late: [{ cellId: 'plain', attempt: 1, kind: 'unverified', body: { happened: true } }],
    status: 'in_doubt',
  }),
  'a call that is noted once a later attempt has ended that could not call': repeated({
    cell: http,
    effects: [
      effect(1, 1, '500', 'acted', { ...call, atMs: 1_350 }),
      effect(3, 1, '200-json', 'acted', { ...call, atMs: 1_610 }),
    ],
    rows: log(
      started(1, 1),
      [...lost],
      RERUN,
      started(2, 1),
      ['interrupted', 2, { reason: 'not_started', wrongReplica: true }],
      ['decided', 2, { as: 'rerun', by: '@policy' }],
      started(3, 1),
      ['completed', 3],
    ),
  }),
  'a doubt that waits for a person': repeated({
    cell: { ...CELL, policy: 'hold' },
    effects: [effect(1, 1, 'kill-9', 'acted')],
    rows: log(started(1, 1), [...lost]),
    status: 'in_doubt',
  }),
};

/** Records that are doctored, each with the rule that must be breached. */
const DOCTORED: Record<string, [Rule, Evidence]> = {
  'two keys, and nothing refused in between': [
    'one-key-unless-refused',
    refusedOnce({
      effects: [effect(1, 1, 'exit-137', 'acted'), effect(2, 2, 'ok-json', 'acted')],
    }),
  ],
  'two keys, and the refusal came first': [
    'one-key-unless-refused',
    refusedOnce({
      effects: [
        effect(1, 1, 'exit-3', 'refused'),
        effect(2, 2, 'ok-json', 'acted'),
        effect(3, 3, 'ok-json', 'acted'),
      ],
    }),
  ],
  'failed, and the effect happened': [
    'failed-means-not-happened',
    refusedOnce({ effects: [effect(1, 1, 'ok-large', 'acted')] }),
  ],
  'failed and notBegun, and the effect happened': [
    'failed-means-not-happened',
    repeated({
      effects: [effect(1, 1, 'exit-137', 'acted')],
      rows: log(started(1, 1), ['failed', 1, { notBegun: true }], started(2, 1), ['completed', 2]),
    }),
  ],
  'unverified by a late outcome that says that it happened, and nothing happened': [
    'completed-means-happened',
    repeated({
      effects: [],
      late: [{ cellId: 'plain', attempt: 1, kind: 'unverified', body: { happened: true } }],
    }),
  ],
  'failed by a late outcome, and the effect happened': [
    'failed-means-not-happened',
    repeated({ late: [{ cellId: 'plain', attempt: 1, kind: 'failed', body: {} }] }),
  ],
  'decided as failed, and the effect happened': [
    'failed-means-not-happened',
    repeated({
      rows: log(started(1, 1), [...lost], ['decided', 1, { as: 'failed', by: 'agent' }]),
      status: 'ready',
    }),
  ],
  'failed, and nobody refused': [
    'refused-means-refused',
    refusedOnce({ effects: [effect(1, 1, 'exit-137', 'nothing')] }),
  ],
  'notBegun, and the receiver refused': [
    'not-begun-means-nothing',
    repeated({
      effects: [effect(1, 1, 'exit-3', 'refused'), effect(2, 1, 'ok-json', 'acted')],
      rows: log(started(1, 1), ['failed', 1, { notBegun: true }], started(2, 1), ['completed', 2]),
    }),
  ],
  'not_started, and something arrived': [
    'not-begun-means-nothing',
    repeated({
      rows: log(
        started(1, 1),
        ['interrupted', 1, { reason: 'not_started', detail: 'trust ended' }],
        RERUN,
        started(2, 1),
        ['completed', 2],
      ),
    }),
  ],
  'not_started, and a call arrived that nobody else made': [
    'not-begun-means-nothing',
    repeated({
      cell: http,
      effects: [effect(1, 1, '200-json', 'acted', { ...call, atMs: 1_010 })],
      rows: log(started(1, 1), ['interrupted', 1, { reason: 'not_started' }], RERUN),
    }),
  ],
  'completed, and nothing happened': ['completed-means-happened', repeated({ effects: [] })],
  'happened, and nothing happened': [
    'completed-means-happened',
    repeated({ effects: [], rows: log(started(1, 1), ['failed', 1, { happened: true }]) }),
  ],
  'an effect without a row': [
    'intent-first',
    repeated({ effects: [effect(3, 1, 'ok-json', 'acted')] }),
  ],
  'an effect before its row': [
    'intent-first',
    repeated({ effects: [effect(1, 1, 'exit-137', 'acted', { atMs: 900 })] }),
  ],
  'an effect under a key that is not recorded': [
    'intent-first',
    repeated({ effects: [effect(1, 2, 'exit-137', 'acted')] }),
  ],
  'an effect with another token': [
    'intent-first',
    repeated({ effects: [effect(1, 1, 'exit-137', 'acted', { token: 6 })] }),
  ],
  'two effects of one attempt': [
    'one-effect-per-attempt',
    repeated({
      effects: [effect(1, 1, 'exit-137', 'acted'), effect(1, 1, 'exit-137', 'acted')],
    }),
  ],
  'a third call, of two attempts': [
    'one-effect-per-attempt',
    repeated({
      cell: http,
      effects: [1_010, 1_310, 1_320].map((atMs) => effect(1, 1, '500', 'acted', { ...call, atMs })),
    }),
  ],
  'a new key without a refusal in the log': [
    'key-counts-refusals',
    repeated({
      rows: log(started(1, 1), [...lost], RERUN, started(2, 2), ['completed', 2]),
    }),
  ],
  'the old key after a refusal': [
    'key-counts-refusals',
    refusedOnce({ rows: log(started(1, 1), ['failed', 1], started(2, 1), ['completed', 2]) }),
  ],
  'a success that is recorded as unknown': [
    'recorded-as-the-table-says',
    repeated({ effects: [effect(1, 1, 'ok-json', 'acted'), effect(2, 1, 'ok-json', 'acted')] }),
  ],
  'a probe that never said so': [
    'decided-by-evidence',
    repeated({
      cell: { ...CELL, policy: 'probe' },
      rows: log(started(1, 1), [...lost], ['decided', 1, { as: 'succeeded', by: '@probe' }]),
    }),
  ],
  'a late outcome that does not exist': [
    'decided-by-evidence',
    repeated({
      rows: log(started(1, 1), [...lost], ['decided', 1, { as: 'succeeded', by: '@late-outcome' }]),
    }),
  ],
  'a rerun that the cell does not permit': [
    'decided-by-evidence',
    repeated({ cell: { ...CELL, policy: 'hold' } }),
  ],
  'a retry that does not wait as long as asked': [
    'waits-as-asked',
    repeated({
      cell: http,
      effects: [
        effect(1, 1, '503-after', 'acted', { ...call, atMs: 1_010 }),
        effect(2, 1, '200-json', 'acted', { ...call, atMs: 1_310 }),
      ],
    }),
  ],
  'a status that does not follow from the log': ['ends-right', repeated({ status: 'halted' })],
  'work that is left': [
    'ends-right',
    refusedOnce({ rows: log(started(1, 1), ['failed', 1]), status: 'ready' }),
  ],
  'a doubt that need not be one': [
    'ends-right',
    repeated({ rows: log(started(1, 1), [...lost]), status: 'in_doubt' }),
  ],
};

describe('the checker of random cells', () => {
  it.each(Object.entries(TRUE))('finds nothing wrong with %s', (_name, evidence) => {
    expect(check(evidence).breaches).toEqual([]);
  });

  it.each(Object.entries(DOCTORED))('catches %s', (_name, [rule, evidence]) => {
    expect(check(evidence).breaches.map((breach) => breach.rule)).toContain(rule);
  });

  it('has a doctored record for each of its rules', () => {
    const caught = new Set(Object.values(DOCTORED).map(([rule]) => rule));
    expect([...caught].sort()).toEqual(Object.keys(RULES).sort());
  });
});
