export const VERBS = [
  'start',
  'runbook.get',
  'rows',
  'schedule.put',
  'schedule.get',
  'schedule.list',
  'schedule.pause',
  'schedule.resume',
  'schedule.delete',
  'status',
  'claim',
  'advance',
  'decide',
  'cancel',
  'settle',
  'answered',
  'leaving',
  'replica',
] as const;
export type Verb = (typeof VERBS)[number];

/** Messages between replicas: they are broadcast and never answered, and may gain fields. */
export const NOTICES: ReadonlySet<Verb> = new Set(['settle', 'answered', 'leaving']);

/** A well-formed body of each verb; each fault alters one thing in it. */
export const VALID_BODIES: Record<Verb, Record<string, unknown>> = {
  start: { instanceId: 'fuzzed', runbookId: 'none', version: 1, inputs: {}, agentId: 'fuzzer' },
  'runbook.get': { runbookId: 'none', version: 1 },
  rows: { instanceId: 'none', after: 'now', limit: 1 },
  'schedule.put': {
    scheduleId: 'fuzzed',
    runbookId: 'none',
    version: 1,
    cron: '0 9 * * 1-5',
    timezone: 'UTC',
    inputs: {},
    overlap: 'skip',
    catchUp: 'last',
    jitter: '1s',
    unattended: false,
    agentId: 'fuzzer',
  },
  'schedule.get': { scheduleId: 'fuzzed', agentId: 'fuzzer' },
  'schedule.list': { after: 'fuzzed', limit: 1 },
  'schedule.pause': { scheduleId: 'fuzzed', agentId: 'fuzzer' },
  'schedule.resume': { scheduleId: 'fuzzed', agentId: 'fuzzer' },
  'schedule.delete': { scheduleId: 'fuzzed', agentId: 'fuzzer' },
  status: { log: true, requestId: 'fuzzed' },
  claim: { status: 'approved', agentId: 'fuzzer', evidence: { a: [1] } },
  advance: {
    requestId: 'fuzzed',
    agentId: 'fuzzer',
    cellId: 'a',
    maxCells: 1,
    wait: false,
    expiresAt: '2030-01-31T12:00:00Z',
  },
  decide: {
    agentId: 'fuzzer',
    cellId: 'a',
    attempt: 1,
    as: 'succeeded',
    reason: 'because',
    output: null,
  },
  cancel: { agentId: 'fuzzer', reason: 'because', undo: true, children: true },
  settle: {},
  answered: { keys: ['advance/a/b'], by: 'nobody-00000000' },
  leaving: { replicaId: 'nobody-00000000', busy: ['fuzzed'] },
  replica: { ask: 'runs', instanceId: 'fuzzed', cellId: 'a', attempt: 1 },
};

/** Fields that may hold any JSON value, so that no value of theirs is wrong. */
export const ANYTHING = new Set(['evidence', 'output']);

export const WRONG_VALUES: unknown[] = [
  null,
  [],
  {},
  [[]],
  0,
  -1,
  1.5,
  2 ** 60,
  '',
  ' ',
  'a b',
  'a.b',
  '*',
  '>',
  'é',
];
WRONG_VALUES.push(
  'a\r\nPUB x 1\r\n',
  '\u0000',
  '\ud800',
  'x'.repeat(5_000),
  { __proto__x: 1 },
  true,
);

/** Which of the wrong values are right for a field after all. */
export function isRight(verb: Verb, field: string, value: unknown): boolean {
  if (ANYTHING.has(field)) return typeof value !== 'string' || !/[\0\ud800]/.test(value);
  switch (field) {
    case 'inputs':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'after':
      // Before the first row.
      return value === 0;
    case 'log':
    case 'wait':
    case 'undo':
    case 'children':
    case 'unattended':
      return typeof value === 'boolean';
    case 'status':
      return (
        typeof value === 'string' &&
        value !== '' &&
        value.length <= 256 &&
        !/[\0\ud800]/.test(value)
      );
    case 'reason':
      return (
        typeof value === 'string' &&
        value !== '' &&
        value.length <= 4_096 &&
        !/[\0\ud800]/.test(value)
      );
    case 'keys':
    case 'busy':
      return Array.isArray(value) && value.length === 0;
    default:
      return verb === 'settle';
  }
}

export const HOSTILE_IDS = [
  'a.b',
  'a.b.c.d',
  'é',
  '日本',
  'x'.repeat(129),
  'x'.repeat(3_000),
  "';drop",
  '{}',
  '"',
  '%00',
];
HOSTILE_IDS.push(
  '$JS',
  '../..',
  '..%2f',
  '<b>',
  '\u202e',
  '\u0001',
  'a\\b',
  'a/b',
  '~',
  '@policy',
  '-._',
  'a=b',
);

export const UNKNOWN_FIELDS = [
  'extra',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'prototype',
  'REQUESTID',
];
UNKNOWN_FIELDS.push('', ' ', '$where', 'a.b', '日本', 'x'.repeat(400));

export const OPTIONAL = new Set([
  'start.version',
  'runbook.get.version',
  'rows.instanceId',
  'rows.after',
  'rows.limit',
  ...['version', 'timezone', 'overlap', 'catchUp', 'jitter', 'unattended'].map(
    (field) => `schedule.put.${field}`,
  ),
  'schedule.get.agentId',
  'schedule.list.after',
  'schedule.list.limit',
  'status.log',
  'status.requestId',
  'claim.evidence',
  'advance.cellId',
  'advance.maxCells',
  'advance.wait',
  'advance.expiresAt',
  'decide.output',
  'cancel.undo',
  'cancel.children',
]);

/** Verbs whose subject ends with the verb. */
export const WITHOUT_ID: ReadonlySet<Verb> = new Set([
  'start',
  'runbook.get',
  'rows',
  'schedule.put',
  'schedule.get',
  'schedule.list',
  'schedule.pause',
  'schedule.resume',
  'schedule.delete',
  'answered',
  'leaving',
]);

export function unstorable(value: unknown): boolean {
  return typeof value === 'string' && /[\0\ud800]/.test(value);
}
