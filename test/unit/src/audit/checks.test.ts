import { describe, expect, it } from 'vitest';

import { Audit } from '../../../../src/audit/audit.ts';
import { CHECKS } from '../../../../src/audit/checks.ts';
import type { Evidence } from '../../../../src/audit/evidence.ts';
import type { Row } from '../../../../src/execution/row.ts';
import { at, breachesOf, receiptOf, sample } from './sample.ts';

type Spoil = (evidence: Writable) => void;

/** Evidence that may be spoilt. */
type Writable = {
  -readonly [K in keyof Evidence]: Evidence[K] extends readonly (infer T)[] | undefined
    ? T[] | (undefined extends Evidence[K] ? undefined : never)
    : Evidence[K];
};

const row = (evidence: Writable, seq: number): Row => evidence.rows.find((one) => one.seq === seq)!;

/** The log up to a row, and without what came of it later. */
function until(evidence: Writable, seq: number): void {
  evidence.rows = evidence.rows.filter((one) => one.seq <= seq);
  evidence.receipts = evidence.receipts.filter(({ lastSeq = 0 }) => lastSeq <= seq);
  evidence.clientHistory = [];
  evidence.projection = undefined;
}

/** Each check's negative controls: the name of the check, what was done, and the doing. */
const CONTROLS: readonly (readonly [check: string, what: string, spoil: Spoil])[] = [
  ['chain-unbroken', 'a row is missing', (e) => void e.rows.splice(7, 1)],
  ['chain-unbroken', 'the first row is missing', (e) => void e.rows.splice(0, 1)],
  ['chain-unbroken', 'an outcome is of another cell', (e) => void (row(e, 2).cellId = 'again')],
  ['chain-unbroken', 'a decision has no verdict', (e) => void (row(e, 6).body = { by: '@policy' })],
  ['chain-unbroken', 'a token is no exact number', (e) => void (row(e, 19).fencingToken = 2 ** 60)],
  ['one-open-attempt', 'an attempt was never closed', (e) => void (row(e, 2).kind = 'started')],
  ['one-open-attempt', 'an await passed meanwhile', (e) => void (row(e, 5).kind = 'satisfied')],
  ['intent-before-outcome', 'the intent is another attempt', (e) => void (row(e, 1).attempt = 9)],
  ['intent-before-effect', 'an effect has no intent', (e) => void e.rows.splice(17, 2)],
  [
    'intent-before-effect',
    'an effect is of another term',
    (e) => void (e.witness![0]!.fencingToken = 9),
  ],
  ['intent-before-effect', 'an effect came first', (e) => void (e.witness![0]!.at = at(0.5))],
  [
    'tokens-never-go-back',
    'a later row has an older token',
    (e) => void (row(e, 12).fencingToken = 12),
  ],
  [
    'outcome-under-its-own-token',
    'an outcome came from a later term',
    (e) => void (row(e, 2).fencingToken = 11),
  ],
  [
    'token-names-one-holder',
    'two replicas wrote under one token',
    (e) => void (row(e, 3).replicaId = 'rX'),
  ],
  [
    'token-names-one-holder',
    'a receipt names another holder',
    (e) => {
      e.receipts[1]!.receipt.holder = { replicaId: 'rX', fencingToken: 14 };
    },
  ],
  [
    'token-names-one-holder',
    'a refused write was of another',
    (e) => void (e.refusals[0]!.replicaId = 'rX'),
  ],
  [
    'cells-in-order',
    'a cell was passed over',
    (e) => {
      for (const one of e.rows.slice(3, 8)) one.cellId = 'tried';
    },
  ],
  [
    'cells-in-order',
    'a cell ran after the end',
    (e) => {
      e.rows.push({ ...row(e, 13), seq: 20, cellId: 'held', recordedAt: at(20) });
    },
  ],
  [
    'cells-in-order',
    'the log names a cell that the runbook does not have',
    (e) => {
      until(e, 1);
      row(e, 1).cellId = 'ghost';
    },
  ],
  [
    'retry-only-as-often-as-allowed',
    'a failure was retried beyond its limit',
    (e) => {
      e.runbook!.cells[6] = { id: 'tried', exec: { handler: 'any' } };
    },
  ],
  [
    'verdict-follows-from-log',
    'an assert is satisfied and does not hold',
    (e) => {
      row(e, 11).body['output'] = 8;
    },
  ],
  [
    'verdict-follows-from-log',
    'an assert is refuted and holds',
    (e) => {
      until(e, 12);
      row(e, 12).kind = 'refuted';
    },
  ],
  [
    'verdict-follows-from-log',
    'an await passed with an unwanted status',
    (e) => {
      row(e, 3).body['status'] = 'shut';
    },
  ],
  [
    'verdict-follows-from-log',
    'an await passed with another claim',
    (e) => void (row(e, 3).body['claimId'] = 'x'),
  ],
  ['each-attempt-once', 'an attempt was begun twice', (e) => void (row(e, 7).attempt = 1)],
  [
    'each-attempt-once',
    'a doubt was decided twice',
    (e) => {
      e.rows.splice(11, 0, { ...row(e, 11) });
    },
  ],
  [
    'idempotency-key-of-its-run',
    'a retry kept the key',
    (e) => {
      row(e, 15).body['idempotencyKey'] = 'i/tried/1';
    },
  ],
  [
    'idempotency-key-of-its-run',
    'a rerun got a new key',
    (e) => {
      row(e, 7).body['idempotencyKey'] = 'i/again/2';
    },
  ],
  [
    'decision-names-its-attempt',
    'a decision names another attempt',
    (e) => void (row(e, 6).attempt = 3),
  ],
  [
    'rerun-only-where-allowed',
    'a cell that holds was rerun by policy',
    (e) => {
      e.runbook!.cells[3] = { id: 'again', exec: { handler: 'any' } };
    },
  ],
  [
    'rerun-only-where-allowed',
    'a cell was rerun by a probe that it has not',
    (e) => {
      row(e, 6).body['by'] = '@probe';
    },
  ],
  [
    'rerun-only-where-allowed',
    'an attempt follows a success',
    (e) => void (row(e, 6).body['as'] = 'succeeded'),
  ],
  [
    'decision-by-whom',
    'policy said that it succeeded',
    (e) => void (row(e, 11).body['by'] = '@policy'),
  ],
  [
    'decision-by-whom',
    'a probe said that it failed',
    (e) => {
      row(e, 11).body = { as: 'failed', by: '@probe' };
    },
  ],
  ['decision-by-whom', 'nobody said it', (e) => void delete row(e, 11).body['by']],
  [
    'decision-by-whom',
    'a person is named who did not ask',
    (e) => void (row(e, 6).body['by'] = 'carl'),
  ],
  [
    'own-word-only',
    'somebody else says that it never began',
    (e) => void (row(e, 15).replicaId = 'rX'),
  ],
  [
    'own-word-only',
    'somebody else says that it was aborted',
    (e) => void (row(e, 5).body['reason'] = 'aborted'),
  ],
  ['effect-seen-once', 'an effect happened twice', (e) => void e.witness!.push(e.witness![0]!)],
  [
    'key-repeated-only-after-rerun',
    'a retry came with the old key',
    (e) => {
      e.witness![5]!.idempotencyKey = 'i/tried/1';
    },
  ],
  ['key-repeated-only-after-rerun', 'nobody decided the rerun', (e) => void e.rows.splice(5, 1)],
  [
    'effect-under-its-own-key',
    'an effect had another key',
    (e) => {
      e.witness![0]!.idempotencyKey = 'i/held/7';
    },
  ],
  [
    'not-started-never-ran',
    'it ran all the same',
    (e) => {
      e.witness!.push({ ...e.witness![5]!, attempt: 2, at: at(15.5) });
    },
  ],
  ['outcome-was-kept', 'the late outcome is gone', (e) => void (e.lateOutcomes = [])],
  ['outcome-has-its-effect', 'nobody saw it happen', (e) => void e.witness!.splice(0, 1)],
  ['stuck-instance', 'an attempt is open', (e) => until(e, 1)],
  ['stuck-instance', 'a doubt that the policy settles is left', (e) => until(e, 5)],
  ['stuck-instance', 'an effect that never began is left', (e) => until(e, 16)],
  ['stuck-instance', 'an instance was not driven to its end', (e) => until(e, 8)],
  [
    'open-for-long',
    'an attempt is open beyond its timeout',
    (e) => {
      until(e, 1);
      e.now = at(600);
    },
  ],
  [
    'open-for-long',
    'a doubt that the policy settles is old',
    (e) => {
      until(e, 5);
      e.now = at(600);
    },
  ],
  ['projection-agrees', 'the line is behind', (e) => void (e.projection!.lastSeq = 18)],
  [
    'projection-agrees',
    'the line has another status',
    (e) => void (e.projection!.status = 'parked'),
  ],
  [
    'projection-agrees',
    'the line of an instance that has rested for long says running',
    (e) => {
      until(e, 8);
      e.projection = { status: 'running', nextCellId: 'again', lastSeq: 7 };
      e.now = at(69);
    },
  ],
  ['projection-agrees', 'there is no line', (e) => void (e.projection = null)],
  ['one-receipt-per-request', 'a request has two', (e) => void e.receipts.push(e.receipts[0]!)],
  [
    'one-receipt-per-request',
    'it names another request',
    (e) => void (e.receipts[0]!.receipt.requestId = 'q9'),
  ],
  [
    'one-receipt-per-request',
    'its outcome is no end',
    (e) => void (e.receipts[2]!.receipt.outcome = 'in_flight'),
  ],
  [
    'receipt-accounts-for-rows',
    'a step is missing',
    (e) => void e.receipts[0]!.receipt.steps.pop(),
  ],
  [
    'receipt-accounts-for-rows',
    'a step is made up',
    (e) => void (e.receipts[0]!.receipt.steps[0]!.attempt = 4),
  ],
  [
    'receipt-accounts-for-rows',
    'a step is missing and no seq says so',
    (e) => {
      e.receipts[0]!.receipt.steps.pop();
      delete e.receipts[0]!.lastSeq;
    },
  ],
  ['nothing-after-receipt', 'the request went on', (e) => void (row(e, 9).requestId = 'q1')],
  [
    'receipt-as-fenced-as-rows',
    'it is of an older term',
    (e) => void (e.receipts[1]!.fencingToken = 12),
  ],
  ['receipt-as-fenced-as-rows', 'it rests on nothing', (e) => void (e.receipts[1]!.lastSeq = 40)],
  [
    'receipt-says-what-the-log-said',
    'it says another outcome',
    (e) => {
      e.receipts[0]!.receipt.outcome = 'completed';
    },
  ],
  [
    'receipt-says-what-the-log-said',
    'it names another cell',
    (e) => {
      e.receipts[0]!.receipt.nextCellId = 'tried';
    },
  ],
  [
    'receipt-says-what-the-log-said',
    'it was given in the middle of an attempt',
    (e) => {
      e.receipts[0] = receiptOf(
        e.rows.slice(0, 7),
        'q1',
        { outcome: 'advanced', nextCellId: 'again' },
        7,
      );
    },
  ],
  [
    'receipt-says-what-the-log-said',
    'it names another doubt',
    (e) => {
      const inDoubt = { cellId: 'again', attempt: 4, reason: 'crash', since: at(5) };
      e.receipts[0] = receiptOf(
        e.rows.slice(0, 5),
        'q1',
        { outcome: 'in_doubt', nextCellId: 'again', inDoubt },
        5,
      );
    },
  ],
  [
    'told-what-is-recorded',
    'an agent got something else',
    (e) => {
      e.clientHistory = [
        { requestId: 'q1', receipt: { ...e.receipts[0]!.receipt, outcome: 'completed' } },
      ];
    },
  ],
  ['told-what-is-recorded', 'nothing is recorded', (e) => void e.receipts.splice(1, 1)],
  ['acknowledged-is-recorded', 'nothing is recorded', (e) => void e.receipts.splice(1, 1)],
  [
    'request-of-one-instance',
    'the receipt is of another',
    (e) => {
      e.receiptsElsewhere = new Map([['q2', 'j']]);
    },
  ],
  [
    'instance-on-record',
    'it was never started',
    (e) => {
      e.instance = undefined;
      e.runbook = undefined;
    },
  ],
  ['instance-on-record', 'its runbook is not there', (e) => void (e.runbook = undefined)],
  [
    'runbook-unchanged',
    'its cells were changed',
    (e) => void (e.digest = { recorded: 'a', computed: 'b' }),
  ],
  ['claim-was-made', 'nobody made the claim', (e) => void (row(e, 3).body['revision'] = 1)],
  ['claim-was-made', 'somebody else made it', (e) => void (row(e, 3).body['agentId'] = 'eve')],
  ['late-outcome-was-refused', 'no refusal is on record', (e) => void (e.refusals = [])],
  ['late-outcome-was-refused', 'it is of no attempt', (e) => void (e.lateOutcomes[0]!.attempt = 5)],
  [
    'late-outcome-was-refused',
    'the attempt was of another term',
    (e) => {
      e.lateOutcomes[0]!.fencingToken = 10;
      e.lateOutcomes[0]!.replicaId = 'rA';
    },
  ],
  [
    'late-outcome-was-refused',
    'the attempt ended by itself',
    (e) => {
      Object.assign(e.lateOutcomes[0]!, { cellId: 'again', attempt: 2 });
    },
  ],
  ['refused-outcome-was-kept', 'it was not', (e) => void (e.lateOutcomes = [])],
  ['evidence-behind-decision', 'there is none', (e) => void (e.lateOutcomes = [])],
  [
    'evidence-behind-decision',
    'it says another thing',
    (e) => void (e.lateOutcomes[0]!.body = { output: 8 }),
  ],
  [
    'evidence-agrees-with-decision',
    'it tells another story',
    (e) => {
      row(e, 11).body = { as: 'skipped', by: 'ann', reason: 'looked' };
    },
  ],
  ['expired-ran-nothing', 'it ran something', (e) => void (row(e, 19).requestId = 'q3')],
];

describe('the checks', () => {
  it('find nothing in a log that survived every kind of trouble', () => {
    expect(breachesOf(sample())).toEqual([]);
  });

  it('each examine something: none passes because it has nothing to examine', () => {
    const run = new Audit();
    run.look(sample());
    const vacuous = run.summary().checks.filter(({ checked, seen }) => checked !== 1 || seen === 0);
    expect(vacuous).toEqual([]);
  });

  it('each have a name in kebab case and a negative control', () => {
    const names = CHECKS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z]+(-[a-z]+)+$/);
    expect(new Set(CONTROLS.map(([check]) => check))).toEqual(new Set(names));
    expect(new Set(CHECKS.map(({ guarantee }) => guarantee))).toEqual(
      new Set([1, 2, 3, 4, 5, 6, 7]),
    );
  });

  it.each(CONTROLS)('%s: caught when %s', (check, _what, spoil) => {
    const evidence = sample() as Writable;
    spoil(evidence);
    const found = breachesOf(evidence);
    expect(found.map((breach) => breach.check)).toContain(check);
    const guarantee = CHECKS.find(({ name }) => name === check)?.guarantee;
    for (const breach of found.filter((one) => one.check === check)) {
      expect(breach).toMatchObject({
        guarantee,
        instanceId: 'i',
        what: expect.stringMatching(/.{10}/),
      });
    }
  });
});

describe('missing evidence', () => {
  it('is reported as not checked, and never passes', () => {
    const { instanceId, instance, runbook, rows, receipts, lateOutcomes, refusals } = sample();
    const run = new Audit();
    run.look({ instanceId, instance, runbook, rows, receipts, lateOutcomes, refusals });
    const counts = new Map(run.summary().checks.map((count) => [count.check, count]));
    for (const check of CHECKS) {
      const lacks = check.needs.some((need) => !['runbook', 'columns of receipts'].includes(need));
      expect([check.name, counts.get(check.name)]).toMatchObject([
        check.name,
        lacks ? { checked: 0, notChecked: 1, seen: 0 } : { checked: 1, notChecked: 0 },
      ]);
    }
  });

  it('an operation without an answer is unknown: it is not a breach', () => {
    const evidence = { ...sample(), clientHistory: [{ requestId: 'q1' }, { requestId: 'q-lost' }] };
    expect(breachesOf(evidence)).toEqual([]);
  });

  it('a line that is written once its instance rests may say running for a while', () => {
    const evidence = sample() as Writable;
    until(evidence, 8);
    const found = (): string[] =>
      breachesOf(evidence).flatMap(({ check }) => (check === 'projection-agrees' ? [check] : []));
    evidence.projection = { status: 'running', nextCellId: 'again', lastSeq: 7 };
    expect(found()).toEqual([]);
    evidence.projection.lastSeq = 4;
    expect(found()).toEqual([]);
    evidence.projection.lastSeq = 9;
    expect(found()).toHaveLength(1);
    evidence.projection = { status: 'ready', nextCellId: 'again', lastSeq: 7 };
    expect(found()).toHaveLength(1);
    evidence.projection.status = 'running';
    evidence.now = new Date(Date.parse(evidence.rows.at(-1)!.recordedAt) + 61_000).toISOString();
    expect(found()).toHaveLength(1);
  });

  it('a request for an instance that was never started may be recorded as not found', () => {
    const receipt = receiptOf([], 'q', { outcome: 'not_found' }, 0);
    const nothing = { rows: [], lateOutcomes: [], refusals: [] };
    expect(
      breachesOf({
        instanceId: 'i',
        instance: undefined,
        runbook: undefined,
        ...nothing,
        receipts: [receipt],
      }),
    ).toEqual([]);
  });

  it('a doubt that a person must settle is not stuck, and neither is an await', () => {
    const held = sample() as Writable;
    until(held, 10);
    held.atRest = 'quiet';
    held.witness = undefined;
    held.runbook!.cells[4] = { id: 'probed', exec: { handler: 'any' } };
    expect(breachesOf(held)).toEqual([]);
    const parked = sample() as Writable;
    until(parked, 2);
    Object.assign(parked, { atRest: 'quiet', lateOutcomes: [], refusals: [], witness: undefined });
    expect(breachesOf(parked)).toEqual([]);
  });

  it('a decision may follow an in_doubt receipt under another request id, or none', () => {
    const evidence = sample() as Writable;
    until(evidence, 10);
    evidence.witness = undefined;
    evidence.atRest = undefined;
    const inDoubt = { cellId: 'probed', attempt: 1, reason: 'crash', since: at(10) };
    const receipt = receiptOf(
      evidence.rows,
      'q2',
      { outcome: 'in_doubt', nextCellId: 'probed', inDoubt },
      10,
    );
    evidence.rows.push(sample().rows[10]!);
    for (const lastSeq of [10, undefined]) {
      evidence.receipts = [{ ...receipt, lastSeq }];
      evidence.rows[10] = { ...sample().rows[10]!, requestId: null };
      expect(breachesOf(evidence)).toEqual([]);
      evidence.rows[10] = sample().rows[10]!;
      expect(breachesOf(evidence).map(({ check }) => check)).toEqual(['nothing-after-receipt']);
    }
  });

  it('a log that was damaged beyond reading is a finding, and the audit continues', () => {
    const evidence = sample() as Writable;
    evidence.runbook = { ...evidence.runbook!, cells: 'gone' as never };
    (evidence.receipts[0]!.receipt as { steps: unknown }).steps = 7;
    const found = breachesOf(evidence).map(({ check }) => check);
    expect(found).toContain('cells-in-order');
    expect(found).toContain('receipt-accounts-for-rows');
  });
});

it('a breach names the instance, the guarantee and the rows', () => {
  const evidence = sample() as Writable;
  row(evidence, 12).fencingToken = 12;
  expect(breachesOf(evidence)).toContainEqual({
    check: 'tokens-never-go-back',
    guarantee: 2,
    severity: 'breach',
    instanceId: 'i',
    seqs: [11, 12],
    what: 'token 12 of rC came after 14 of rC',
  });
});
