import { describe, expect, it } from 'vitest';

import {
  classOf,
  classOfExitCode,
  classOfStatus,
  ENDINGS,
  failedAfterEffect,
  isRefusal,
  OUTCOMES,
  UNEXPECTED,
  type Ending,
  type OutcomeClass,
} from '../../../../src/execution/outcome.ts';

/** Written out once more: a change of the table must be made twice. */
const CLASSES: Record<Ending, OutcomeClass> = {
  placeholder: 'notBegun',
  stopped: 'unknown',
  stopped_before: 'wrongReplica',
  internal_error: 'unknown',
  exit_0: 'succeeded',
  exit_1_125: 'refused',
  exit_126_127: 'notBegun',
  exit_128: 'unknown',
  signal: 'unknown',
  not_spawned: 'notBegun',
  spawn_shortage: 'wrongReplica',
  no_temp_directory: 'wrongReplica',
  bad_request: 'notBegun',
  not_connected: 'notBegun',
  answered_unsent: 'notBegun',
  connect_shortage: 'wrongReplica',
  status_1xx: 'unknown',
  status_2xx: 'succeeded',
  status_3xx: 'unknown',
  status_4xx: 'refused',
  status_408: 'unknown',
  status_425: 'notBegun',
  status_429: 'notBegun',
  status_5xx: 'unknown',
  connection_lost: 'unknown',
  returned: 'succeeded',
  threw: 'refused',
  threw_not_begun: 'notBegun',
  threw_unknown: 'unknown',
  threw_broken_off: 'unknown',
  threw_after_stop: 'unknown',
  no_handler: 'wrongReplica',
};

describe('the class of an ending', () => {
  it.each(Object.entries(CLASSES) as [Ending, OutcomeClass][])('%s is %s', (ending, expected) => {
    expect(classOf(ending)).toBe(expected);
  });

  it('is known for every line of the table', () => {
    expect(Object.keys(CLASSES)).toEqual(Object.keys(ENDINGS));
  });

  it.each([
    [0, 'succeeded'],
    [1, 'refused'],
    [125, 'refused'],
    [126, 'notBegun'],
    [127, 'notBegun'],
    [128, 'unknown'],
    [137, 'unknown'],
    [255, 'unknown'],
  ] as const)('exit code %i is %s', (exitCode, expected) => {
    expect(classOfExitCode(exitCode)).toBe(expected);
  });

  it.each([
    [101, 'unknown'],
    [199, 'unknown'],
    [200, 'succeeded'],
    [204, 'succeeded'],
    [299, 'succeeded'],
    [300, 'unknown'],
    [304, 'unknown'],
    [399, 'unknown'],
    [400, 'refused'],
    [404, 'refused'],
    [407, 'refused'],
    [408, 'unknown'],
    [409, 'refused'],
    [424, 'refused'],
    [425, 'notBegun'],
    [426, 'refused'],
    [428, 'refused'],
    [429, 'notBegun'],
    [499, 'refused'],
    [500, 'unknown'],
    [503, 'unknown'],
    [504, 'unknown'],
    [599, 'unknown'],
  ] as const)('status %i is %s', (status, expected) => {
    expect(classOfStatus(status)).toBe(expected);
  });

  it('of a status that the cell moves is the one it says', () => {
    const moved = { refused: [500, 503], notBegun: [504], unknown: [409, 201] };
    expect([500, 503, 504, 409, 201, 404, 502].map((one) => classOfStatus(one, moved))).toEqual([
      'refused',
      'refused',
      'notBegun',
      'unknown',
      'unknown',
      'refused',
      'unknown',
    ]);
  });

  it('of an exit code that the cell moves is the one it says', () => {
    const moved = { refusedExitCodes: [137], unknownExitCodes: [1] };
    expect([137, 1, 2, 138].map((one) => classOfExitCode(one, moved))).toEqual([
      'refused',
      'unknown',
      'refused',
      'unknown',
    ]);
  });
});

describe('the record of a class', () => {
  it.each([
    ['succeeded', 'completed', {}, 'same'],
    ['refused', 'failed', {}, 'new'],
    ['notBegun', 'failed', { notBegun: true }, 'same'],
    ['wrongReplica', 'interrupted', { reason: 'not_started' }, 'same'],
    ['unknown', 'interrupted', { reason: 'crash' }, 'same'],
  ] as const)('%s is a %s row', (outcome, row, body, nextKey) => {
    expect(OUTCOMES[outcome]).toEqual({ row, body, nextKey });
  });

  it('that happened but not as expected is failed with happened: true', () => {
    expect(UNEXPECTED).toEqual({ row: 'failed', body: { happened: true }, nextKey: 'same' });
  });

  it.each(['succeeded', 'refused', 'notBegun', 'wrongReplica', 'unknown'] as const)(
    '%s changes the key exactly if the row is a refusal',
    (outcome) => {
      const { row, body, nextKey } = OUTCOMES[outcome];
      expect(isRefusal({ kind: row, body })).toBe(nextKey === 'new');
    },
  );
});

describe('a refusal', () => {
  it.each([
    ['failed', {}, true],
    ['failed', { error: 'written before rows said more' }, true],
    ['failed', { notBegun: true }, false],
    ['failed', { happened: true }, false],
    ['decided', { as: 'failed' }, true],
    ['decided', { as: 'failed', notBegun: true }, false],
    ['decided', { as: 'failed', happened: true }, false],
    ['decided', { as: 'rerun' }, false],
    ['interrupted', { reason: 'crash' }, false],
    ['completed', {}, false],
    ['refuted', {}, false],
  ] as const)('%s %j: %s', (kind, body, expected) => {
    expect(isRefusal({ kind, body })).toBe(expected);
  });

  it.each([
    ['failed', { happened: true }, true],
    ['decided', { as: 'failed', happened: true }, true],
    ['failed', {}, false],
    ['decided', { as: 'failed' }, false],
    ['completed', { happened: true }, false],
  ] as const)('%s %j happened although it failed: %s', (kind, body, expected) => {
    expect(failedAfterEffect({ kind, body })).toBe(expected);
  });
});
