import type {
  ChaosRecord,
  CheckResult,
  Failover,
  Phase,
} from '../../../../../tools/chaos/record.ts';
import { SeededRandom } from './seeded-random.ts';
import {
  hex,
  LEASE_TTL_MS,
  sampleFaults,
  sampleProcesses,
  type SampleSize,
} from './sample-faults.ts';
import { sampleInstance } from './sample-instance.ts';

const TEN_MINUTES: SampleSize = {
  seed: 4711,
  durationMs: 600_000,
  replicas: 5,
  instances: 60,
  faults: 300,
};

/** An invented record, such as that of a ten-minute run; the same for the same size. */
export function sampleRecord(size: Partial<SampleSize> = {}): ChaosRecord {
  const whole = { ...TEN_MINUTES, ...size };
  const random = new SeededRandom(whole.seed);
  const phases = samplePhases(whole.durationMs);
  const faults = sampleFaults(random, whole, phases);
  const replicas = sampleProcesses(random, whole, faults);
  const failovers: Failover[] = [];
  const instances = Array.from({ length: whole.instances }, (_, index) =>
    sampleInstance(random, whole, index, replicas, faults, failovers),
  );
  const marks = instances.flatMap(({ instanceId, marks: own }) =>
    own.map((mark) => ({ ...mark, instanceId })),
  );
  const acknowledged = Math.round(whole.durationMs / 26);
  return {
    format: 1,
    seed: whole.seed,
    command: `leasehold chaos --seed ${whole.seed} --duration ${whole.durationMs / 1000}s --lease-ttl 2 --replicas ${whole.replicas} --agents 16`,
    startedAt: '2025-11-22T09:14:03.120Z',
    durationMs: whole.durationMs,
    leaseTtlMs: LEASE_TTL_MS,
    versions: {
      leasehold: '0.1.0',
      node: '20.20.0',
      etcd: '3.5.30',
      nats: '2.15.1',
      postgres: '15.18',
    },
    phases,
    replicas,
    faults,
    failovers,
    counts: {
      requests: acknowledged + 190,
      acknowledged,
      unanswered: 44,
      byOutcome: {
        completed: Math.round(acknowledged * 0.61),
        advanced: Math.round(acknowledged * 0.24),
        parked: Math.round(acknowledged * 0.13),
        in_flight: 96,
        halted: Math.round(acknowledged * 0.01),
        in_doubt: 61,
        unavailable: 50,
      },
      effects: Math.round(acknowledged * 1.4),
      rows: Math.round(acknowledged * 3.1),
      instances: Math.round(acknowledged / 5),
      stuck: 0,
      decisions: marks.filter(({ what }) => what === 'decision').length,
    },
    instances,
    refusals: marks
      .filter(({ what }) => what === 'refused_write')
      .map(({ atMs, instanceId }, index) => ({
        atMs,
        instanceId,
        seq: 3 + (index % 7),
        fencingToken: 5100 + index,
        replicaId: `r${1 + (index % whole.replicas)}-${hex(random)}`,
        kind: 'completed',
        reason: 'stale token: the log has moved on',
      })),
    lateOutcomes: marks
      .filter(({ what }) => what === 'late_outcome')
      .map(({ atMs, instanceId }, index) => ({
        atMs,
        instanceId,
        cellId: 'charge',
        attempt: 1 + (index % 2),
        fencingToken: 5100 + index,
        replicaId: `r${1 + (index % whole.replicas)}-${hex(random)}`,
        kind: 'completed',
      })),
    checks: sampleChecks(Math.round(acknowledged / 5)),
    breaches: [],
    verdict: 'passed',
  };
}

/** The same run with two breaches in it. */
export function breachedRecord(size: Partial<SampleSize> = {}): ChaosRecord {
  const record = sampleRecord(size);
  const instanceId = record.instances[2]?.instanceId ?? 'refund-2';
  return {
    ...record,
    verdict: 'breached',
    checks: record.checks.map((check) =>
      check.name === 'effect_once_per_attempt' ? { ...check, breaches: 2 } : check,
    ),
    breaches: [
      {
        check: 'effect_once_per_attempt',
        guarantee: 3,
        instanceId,
        seqs: [4, 5],
        what: 'The witness saw the effect of charge, attempt 1, twice: under token 5127 and again under token 5139.',
      },
      {
        check: 'effect_once_per_attempt',
        guarantee: 3,
        instanceId: 'refund-not-among-those-shown',
        seqs: [9],
        what: 'The witness saw the effect of notify, attempt 2, twice under token 6210.',
      },
    ],
  };
}

function samplePhases(durationMs: number): Phase[] {
  const shares: [Phase['kind'], number][] = [
    ['warm_up', 0.03],
    ['isolated', 0.45],
    ['overlapping', 0.92],
    ['settling', 1],
  ];
  return shares.map(([kind, to], index) => ({
    kind,
    fromMs: (shares[index - 1]?.[1] ?? 0) * durationMs,
    toMs: to * durationMs,
  }));
}

function sampleChecks(instances: number): CheckResult[] {
  const names: [guarantee: number, ...names: string[]][] = [
    [1, 'effect_has_intent', 'one_open_attempt'],
    [2, 'tokens_never_decrease', 'rows_chain_without_gap'],
    [3, 'effect_once_per_attempt', 'rerun_only_when_allowed', 'decision_names_its_attempt'],
    [4, 'no_instance_stuck', 'doubt_says_so'],
    [5, 'one_receipt_per_request', 'same_receipt_when_asked_again', 'receipt_rests_on_rows'],
    [6, 'late_outcome_kept', 'refusal_recorded'],
    [7, 'clock_jump_moves_no_term'],
  ];
  return names.flatMap(([guarantee, ...own]) =>
    own.map((name) =>
      name === 'clock_jump_moves_no_term'
        ? {
            name,
            guarantee,
            checked: null,
            breaches: 0,
            why: 'libfaketime is not installed, so no clock was moved',
          }
        : { name, guarantee, checked: instances, breaches: 0 },
    ),
  );
}
