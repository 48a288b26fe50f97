import { describe, expect, it } from 'vitest';

import { Audit } from '../../../../src/audit/audit.ts';
import type { JsonObject } from '../../../../src/json.ts';
import type { Evidence } from '../../../../src/audit/evidence.ts';
import { CHECKS } from '../../../../src/audit/checks.ts';
import { breachesOf, sample } from './sample.ts';
import { at, receiptOf } from './sample-log.ts';
import { row, until, type Control, type Writable } from './evidence-edits.ts';
import { EXECUTION_CONTROLS } from './execution-controls.ts';
import { CHILDREN_CONTROLS, childrenSample } from './children-sample.ts';
import { LIFE_CONTROLS } from './life-controls.ts';
import { lifeSample } from './life-sample.ts';
import { RECORD_CONTROLS } from './record-controls.ts';

/** Each check's negative controls, with the sound evidence that they change. */
const CONTROLS = [
  ...[...EXECUTION_CONTROLS, ...RECORD_CONTROLS].map(on(sample)),
  ...LIFE_CONTROLS.map(on(lifeSample)),
  ...CHILDREN_CONTROLS.map(on(childrenSample)),
];

function on(sound: () => Evidence) {
  return ([check, what, breakIt]: Control) => ({ check, what, breakIt, sound });
}

describe('the checks', () => {
  it('find nothing in a log that survived every kind of trouble', () => {
    expect(breachesOf(sample())).toEqual([]);
  });

  it('find nothing in the log of an instance that was repaired, unwound and cancelled', () => {
    expect(breachesOf(lifeSample())).toEqual([]);
  });

  it('find nothing in the log of an instance that started others', () => {
    expect(breachesOf(childrenSample())).toEqual([]);
  });

  it('each examine something: none passes because it has nothing to examine', () => {
    const run = new Audit();
    run.look(sample());
    run.look(lifeSample());
    run.look(childrenSample());
    const vacuous = run.summary().checks.filter(({ checked, seen }) => checked !== 3 || seen === 0);
    expect(vacuous).toEqual([]);
  });

  it('each have a name in kebab case and a negative control', () => {
    const names = CHECKS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z]+(-[a-z]+)+$/);
    expect(new Set(CONTROLS.map(({ check }) => check))).toEqual(new Set(names));
    expect(new Set(CHECKS.map(({ guarantee }) => guarantee))).toEqual(
      new Set([1, 2, 3, 4, 5, 6, 7]),
    );
  });

  it.each(CONTROLS)('$check: caught when $what', ({ check, breakIt, sound }) => {
    const evidence = sound() as Writable;
    breakIt(evidence);
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

  it('a doubt is not stuck whose holder reported late what only a person can judge', () => {
    const reported = sample() as Writable;
    until(reported, 5);
    Object.assign(reported, { atRest: 'quiet', witness: undefined, refusals: [] });
    reported.lateOutcomes = [];
    expect(breachesOf(reported).map(({ check }) => check)).toEqual(['stuck-instance']);
    const { fencingToken, replicaId } = reported.rows[3]!;
    const body = { reason: 'unverified', happened: true };
    const about = { cellId: 'again', attempt: 1, fencingToken, replicaId };
    reported.lateOutcomes = [{ ...about, kind: 'unverified', body }];
    reported.refusals = [{ seq: 5, fencingToken, replicaId, kind: 'interrupted' }];
    expect(breachesOf(reported)).toEqual([]);
    // A person may decide anything, except that what happened did not.
    const decide = (as: string, more: JsonObject = {}): string[] => {
      const decided = sample() as Writable;
      until(decided, 6);
      const { lateOutcomes, refusals } = reported;
      Object.assign(decided, { lateOutcomes, refusals, witness: undefined, atRest: undefined });
      decided.rows[5]!.agentId = 'ann';
      decided.rows[5]!.body = { as, by: 'ann', reason: 'looked', ...more };
      return breachesOf(decided).map(({ check }) => check);
    };
    expect(decide('rerun')).toEqual([]);
    expect(decide('skipped')).toEqual([]);
    expect(decide('failed', { happened: true })).toEqual([]);
    expect(decide('failed')).toEqual(['evidence-agrees-with-decision']);
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

  it('a runbook of an earlier release with cells named undo-… is not checked against its log', () => {
    const old = sample() as Writable;
    const rename = (text: string): string => text.replace('again', 'undo-again');
    old.runbook!.cells = old.runbook!.cells.map((cell) => ({ ...cell, id: rename(cell.id) }));
    old.rows = old.rows.map((one) => ({ ...one, cellId: rename(one.cellId) }));
    for (const { receipt } of old.receipts)
      for (const step of receipt.steps) step.cellId = rename(step.cellId);
    for (const one of old.rows) {
      const key = one.body['idempotencyKey'];
      if (typeof key === 'string') one.body = { idempotencyKey: rename(key) };
    }
    for (const effect of old.witness!) {
      effect.cellId = rename(effect.cellId);
      effect.idempotencyKey = rename(effect.idempotencyKey);
    }
    expect(breachesOf(old)).toEqual([]);
    const run = new Audit();
    run.look(old);
    const counts = run.summary().checks.filter(({ check }) => check === 'cells-in-order');
    expect(counts).toMatchObject([{ checked: 0, notChecked: 1 }]);
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
