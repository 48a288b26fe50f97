import { describe, expect, it } from 'vitest';

import type { LogEvidence } from '../../../../tools/chaos/log-access.ts';
import { ClientHistory } from '../../../../tools/chaos/client-history.ts';
import { Checker, sampleBreaches, verdictOf } from '../../../../tools/chaos/checker.ts';
import type { Findings } from '../../../../tools/chaos/checker.ts';
import type { WitnessedEffect } from '../../../../tools/chaos/witness.ts';
import type { Row, RowKind } from '../../../../src/execution/row.ts';
import type { JsonObject } from '../../../../src/json.ts';
import type { Receipt } from '../../../../src/request/receipt.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';

const RUNBOOK: Runbook = {
  runbook: 'one',
  version: 1,
  inputs: [],
  cells: [
    {
      id: 'pay',
      exec: { http: { method: 'POST', url: 'http://127.0.0.1:1/effects' } },
      onInterrupt: 'rerun',
    },
  ],
};
const START_MS = Date.parse('2030-01-01T00:00:00Z');

function at(ms: number): string {
  return new Date(START_MS + ms).toISOString();
}

function row(
  seq: number,
  kind: RowKind,
  attempt: number,
  body: JsonObject = {},
  fencingToken = 7,
): Row {
  const common = {
    instanceId: 'i1',
    requestId: 'q1',
    agentId: 'a',
    cellId: 'pay',
    replicaId: 'r1-00000001',
  };
  return { ...common, seq, kind, attempt, fencingToken, body, recordedAt: at(seq * 100) };
}

const KEY = { idempotencyKey: 'i1/pay/1' };
const CLEAN_ROWS = [row(1, 'started', 1, KEY), row(2, 'completed', 1, { output: {} })];
const RECEIPT: Receipt = {
  requestId: 'q1',
  instanceId: 'i1',
  outcome: 'completed',
  steps: CLEAN_ROWS.map(({ seq, cellId, kind, attempt }) => ({ seq, cellId, kind, attempt })),
  nextCellId: null,
  holder: { replicaId: 'r1-00000001', fencingToken: 7 },
};

function effect(ms: number, more: Partial<WitnessedEffect> = {}): WitnessedEffect {
  const common = {
    instanceId: 'i1',
    cellId: 'pay',
    attempt: null,
    idempotencyKey: 'i1/pay/1',
    status: 201,
  };
  return { ...common, fencingToken: 7, at: at(ms), ...more };
}

/** The findings for a run of one instance without any breach, except for what is given. */
function findingsOf(
  given: {
    rows?: Row[];
    receipts?: Receipt[];
    witnessed?: WitnessedEffect[];
    record?: (history: ClientHistory) => void;
    started?: string[];
    settled?: boolean;
  } = {},
): Findings {
  const history = new ClientHistory();
  (given.record ?? (() => history.complete('q1', RECEIPT)))(history);
  const effects = new Map<string, WitnessedEffect[]>();
  for (const one of given.witnessed ?? [effect(150)]) {
    effects.set(one.instanceId, [...(effects.get(one.instanceId) ?? []), one]);
  }
  const checker = new Checker({
    effects,
    history,
    started: new Set(given.started ?? ['i1']),
    settled: given.settled ?? true,
  });
  const rows = given.rows ?? CLEAN_ROWS;
  const log: LogEvidence = {
    evidence: {
      instanceId: 'i1',
      instance: {
        runbookId: 'one',
        version: 1,
        inputs: {},
        recordedAt: '1970-01-01T00:00:00.000000Z',
      },
      runbook: RUNBOOK,
      rows,
      receipts: (given.receipts ?? [RECEIPT]).map((receipt) => {
        const lastSeq = receipt.steps.at(-1)?.seq ?? 0;
        return {
          requestId: receipt.requestId ?? '',
          instanceId: 'i1',
          receipt,
          fencingToken: 7,
          lastSeq,
        };
      }),
      lateOutcomes: [],
      refusals: [],
    },
    receiptTimes: [at(200)],
    lateTimes: [],
    refusalTimes: [],
    refusalReasons: [],
  };
  checker.check(log);
  return checker.finish([]);
}

function names(findings: Findings): string[] {
  return [...new Set(findings.breaches.map(({ check }) => check))];
}

describe('the check of the log against witness and agents', () => {
  it('finds nothing where all agree, having checked everything', () => {
    const findings = findingsOf();
    expect(findings.breaches).toEqual([]);
    expect(findings).toMatchObject({ instances: 1, rows: 2, effects: 1 });
    const looked = (name: string) =>
      findings.checks.find((check) => check.name === name)?.looked?.count;
    expect(looked('effect-seen-once')).toBe(1);
    expect(looked('told-what-is-recorded')).toBe(1);
    expect(looked('chain-unbroken')).toBe(2);
  });

  it('an effect that was seen twice is caught by name, with its instance and rows', () => {
    const findings = findingsOf({ witnessed: [effect(150), effect(160)] });
    expect(findings.breaches).toEqual([
      expect.objectContaining({
        check: 'effect-seen-once',
        guarantee: 3,
        instanceId: 'i1',
        seqs: [1],
      }),
    ]);
  });

  it('an effect before its intent, and one without any, are caught', () => {
    expect(names(findingsOf({ witnessed: [effect(20)] }))).toEqual(['intent-before-effect']);
    expect(
      names(findingsOf({ witnessed: [effect(150), effect(150, { fencingToken: 6 })] })),
    ).toContain('intent-before-effect');
  });

  it('effects of an instance that the log does not know are caught', () => {
    const stray = effect(150, { instanceId: 'i2', idempotencyKey: 'i2/pay/1' });
    expect(findingsOf({ witnessed: [effect(150), stray] }).breaches).toEqual([
      expect.objectContaining({ check: 'intent-before-effect', instanceId: 'i2' }),
    ]);
  });

  it('an answered receipt that is not recorded is caught; a missing answer is no breach', () => {
    const lost: Receipt = { ...RECEIPT, requestId: 'q2', steps: [] };
    const findings = findingsOf({
      record(history) {
        history.complete('q1', RECEIPT);
        history.complete('q2', lost);
      },
    });
    expect(names(findings)).toEqual(['told-what-is-recorded', 'acknowledged-is-recorded']);
    const unanswered = findingsOf({
      record: (history) => history.complete('q2', { ...lost, outcome: 'unavailable' }),
    });
    expect(unanswered.breaches).toEqual([]);
  });

  it('an instance or a decision that was acknowledged and is not recorded is caught', () => {
    expect(names(findingsOf({ started: ['i1', 'i9'] }))).toContain('started-is-recorded');
    const findings = findingsOf({
      record: (history) => history.decided('i1', { seq: 2, as: 'rerun' }),
    });
    expect(names(findings)).toEqual(['decision-told-is-recorded']);
  });

  it('a cancel that was acknowledged and is not recorded is caught', () => {
    for (const undo of [true, false]) {
      const record = (history: ClientHistory): void => history.cancelled('i1', { seq: 2, undo });
      expect(names(findingsOf({ record }))).toEqual(['cancel-told-is-recorded']);
    }
  });

  it('each effect goes to its own attempt where one term had several', () => {
    const rows = [
      row(1, 'started', 1, KEY),
      row(2, 'interrupted', 1, { reason: 'timeout' }),
      row(3, 'decided', 1, { as: 'rerun', by: '@policy', reason: 'policy' }),
      row(4, 'started', 2, KEY),
      row(5, 'completed', 2, { output: {} }),
    ];
    const steps = rows.map(({ seq, cellId, kind, attempt }) => ({ seq, cellId, kind, attempt }));
    const receipts = [{ ...RECEIPT, steps }];
    const record = (history: ClientHistory): void => history.complete('q1', { ...RECEIPT, steps });
    expect(
      findingsOf({ rows, receipts, record, witnessed: [effect(150), effect(450)] }).breaches,
    ).toEqual([]);
    // The first call may arrive after the second attempt began: still one each.
    expect(
      findingsOf({ rows, receipts, record, witnessed: [effect(440), effect(450)] }).breaches,
    ).toEqual([]);
    expect(
      names(
        findingsOf({ rows, receipts, record, witnessed: [effect(440), effect(450), effect(460)] }),
      ),
    ).toEqual(['effect-seen-once']);
  });

  it('an instance that did not end is stuck, once settling ran to its end', () => {
    const rows = CLEAN_ROWS.slice(0, 1);
    const open = { rows, receipts: [], record: () => undefined };
    expect(names(findingsOf(open))).toEqual(['stuck-instance']);
    expect(findingsOf({ ...open, settled: false }).breaches).toEqual([]);
  });

  it('a replica that exited without being stopped is a breach', () => {
    const checker = new Checker({
      effects: new Map(),
      history: new ClientHistory(),
      started: new Set(),
      settled: true,
    });
    const crashed = {
      replicaId: 'r1-1',
      name: 'r1',
      pid: 1,
      fromMs: 0,
      toMs: 9,
      end: 'crashed' as const,
    };
    expect(names(checker.finish([crashed]))).toEqual(['replicas-live']);
  });
});

describe('the verdict', () => {
  const breach = { check: 'effect-seen-once', guarantee: 3, instanceId: 'i', seqs: [], what: '' };
  it.each([
    ['passed', [], 0, false],
    ['broken_off', [], 0, true],
    ['stuck', [{ ...breach, check: 'stuck-instance' }], 1, false],
    ['stuck', [], 1, true],
    ['breached', [breach, { ...breach, check: 'stuck-instance' }], 1, true],
  ] as const)('is %s', (verdict, breaches, stuck, brokenOff) => {
    expect(verdictOf(breaches, stuck, brokenOff)).toBe(verdict);
  });
});

describe('the breaches that a record keeps', () => {
  const of = (check: string, nth: number) => ({
    check,
    guarantee: 2,
    instanceId: `i${nth}`,
    seqs: [],
    what: '',
  });

  it('are all of them, in their order, where they are few', () => {
    const found = [of('a', 1), of('b', 2), of('a', 3)];
    expect(sampleBreaches(found, 3)).toEqual(found);
  });

  it('include some of each check, whichever came first and however often', () => {
    const many = Array.from({ length: 5_000 }, (_, nth) => of('often', nth));
    const found = [of('early', 0), ...many, of('rare', 1), of('rare', 2)];
    const kept = sampleBreaches(found, 1_000);
    expect(kept).toHaveLength(1_000);
    expect(kept.filter(({ check }) => check !== 'often')).toEqual([
      of('early', 0),
      of('rare', 1),
      of('rare', 2),
    ]);
    expect(kept.filter(({ check }) => check === 'often')).toEqual(many.slice(0, 997));
  });
});
