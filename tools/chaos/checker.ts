import { Audit } from '../../src/audit/audit.ts';
import type { CheckCount } from '../../src/audit/audit.ts';
import type { Breach } from '../../src/audit/check.ts';
import type { Evidence } from '../../src/audit/evidence.ts';
import type { Row } from '../../src/execution/row.ts';
import type { ClientHistory } from './client-history.ts';
import type { LogEvidence } from './log-access.ts';
import { OutsideChecks } from './outside-checks.ts';
import type { BreachRecord, ChaosRecord, CheckResult, ReplicaProcess } from './record.ts';
import type { WitnessedEffect } from './witness.ts';
import { attributeEffects, CLOCK_SLACK_MS } from './witnessed-effects.ts';

/** What was observed outside the log, to check it against. */
export interface Observations {
  /** The witness's effects, by instance. */
  effects: ReadonlyMap<string, readonly WitnessedEffect[]>;
  history: ClientHistory;
  /** Instances that agents got an answer for that they exist. */
  started: ReadonlySet<string>;
  /** Whether settling ran to its end, so that every instance should have ended. */
  settled: boolean;
}

/** The results of all checks. */
export interface Findings {
  checks: CheckResult[];
  breaches: BreachRecord[];
  /** Findings that may be correct behaviour, or break no guarantee; they do not fail the run. */
  warnings: BreachRecord[];
  rows: number;
  instances: number;
  effects: number;
}

const STUCK = 'stuck-instance';
const DECISION_CHECK = 'decision-told-is-recorded';
const CANCEL_CHECK = 'cancel-told-is-recorded';
const KEPT_BREACHES = 1_000;

/**
 * Keeps at most `most` of the breaches, in their order, with an equal share for each check: a check
 * that every row breaches must not crowd out one that only a few rows breach.
 */
export function sampleBreaches(found: readonly BreachRecord[], most: number): BreachRecord[] {
  const counts = new Map<string, number>();
  const ranked = found.map((breach, index) => {
    const rank = counts.get(breach.check) ?? 0;
    counts.set(breach.check, rank + 1);
    return { breach, index, rank };
  });
  return ranked
    .sort((a, b) => a.rank - b.rank || a.index - b.index)
    .slice(0, most)
    .sort((a, b) => a.index - b.index)
    .map(({ breach }) => breach);
}

/**
 * Checks the log, one instance after another, against what the witness saw and what agents were
 * answered, with the same checks as `leasehold audit` and some of chaos.
 */
export class Checker {
  readonly #observations: Observations;
  readonly #audit = new Audit();
  readonly #outside: OutsideChecks;
  readonly #found: Breach[] = [];
  readonly #seen = new Set<string>();
  #decisions = 0;
  #lostDecisions = 0;
  #cancels = 0;
  #lostCancels = 0;
  #effects = 0;

  constructor(observations: Observations) {
    this.#observations = observations;
    this.#outside = new OutsideChecks(observations.effects);
  }

  /** Checks one instance of the log. @returns how many breaches it has */
  check(log: LogEvidence): number {
    const before = this.#found.length;
    this.#check(log.evidence);
    return this.#found.slice(before).filter(({ severity }) => severity === 'breach').length;
  }

  /** Checks what the log alone does not show: missing instances, and crashed replicas. */
  finish(processes: readonly ReplicaProcess[]): Findings {
    this.#checkMissingInstances();
    for (const breach of this.#outside.finish()) this.#breach(breach);
    const own = [
      this.#startedCheck(),
      {
        name: DECISION_CHECK,
        guarantee: 5,
        checked: this.#decisions,
        breaches: this.#lostDecisions,
      },
      {
        name: CANCEL_CHECK,
        guarantee: 5,
        checked: this.#cancels,
        breaches: this.#lostCancels,
      },
      this.#replicaCheck(processes),
      ...this.#outside.results(),
    ];
    const summary = this.#audit.summary();
    const breachChecks = summary.checks.filter(({ severity }) => severity === 'breach');
    return {
      checks: [...breachChecks.map(resultOf), ...own],
      breaches: sampleBreaches(this.#foundOf('breach'), KEPT_BREACHES),
      warnings: sampleBreaches(this.#foundOf('warning'), KEPT_BREACHES),
      rows: summary.rows,
      instances: this.#seen.size,
      effects: this.#effects,
    };
  }

  /** Instances that the witness or agents know and the log does not. */
  #checkMissingInstances(): void {
    const { effects, started } = this.#observations;
    for (const instanceId of new Set([...effects.keys(), ...started])) {
      if (this.#seen.has(instanceId)) continue;
      if (started.has(instanceId)) {
        const what = `an agent got an answer that ${instanceId} exists, but it is not in the log`;
        this.#breach({ check: 'started-is-recorded', guarantee: 5, instanceId, seqs: [], what });
      }
      this.#check(emptyEvidence(instanceId));
    }
  }

  #startedCheck(): CheckResult {
    const name = 'started-is-recorded';
    const breaches = this.#found.filter(({ check }) => check === name).length;
    return { name, guarantee: 5, checked: this.#observations.started.size, breaches };
  }

  #replicaCheck(processes: readonly ReplicaProcess[]): CheckResult {
    const name = 'replicas-live';
    const crashed = processes.filter(({ end }) => end === 'crashed');
    for (const { replicaId } of crashed) {
      const what = `${replicaId} exited without being stopped; its log says why`;
      this.#breach({ check: name, guarantee: 4, instanceId: replicaId, seqs: [], what });
    }
    return { name, guarantee: 4, checked: processes.length, breaches: crashed.length };
  }

  #check(from: Evidence): void {
    const { effects, history, settled } = this.#observations;
    const { instanceId, rows } = from;
    this.#seen.add(instanceId);
    const witness = attributeEffects(effects.get(instanceId) ?? [], rows);
    this.#effects += witness.length;
    const evidence: Evidence = {
      ...from,
      witness,
      witnessSkewMs: CLOCK_SLACK_MS,
      clientHistory: history.answersOf(instanceId),
      ...(settled && { atRest: 'ended' as const }),
    };
    this.#found.push(...this.#audit.look(evidence));
    for (const breach of this.#outside.look(from)) this.#breach(breach);
    this.#checkDecisions(instanceId, rows);
    this.#checkCancels(instanceId, rows);
  }

  /** Decisions that agents were told about. */
  #checkDecisions(instanceId: string, rows: readonly Row[]): void {
    for (const { seq, as } of this.#observations.history.decisionsOf(instanceId)) {
      this.#decisions += 1;
      const row = rows.find((one) => one.seq === seq);
      if (row?.kind === 'decided' && row.body['as'] === as) continue;
      this.#lostDecisions += 1;
      const what = `an agent got an answer that seq ${seq} decides ${as}, but ${foundText(row)}`;
      this.#breach({ check: DECISION_CHECK, guarantee: 5, instanceId, seqs: [seq], what });
    }
  }

  /** Cancels that agents were told about. With undo, the row may be either of the two. */
  #checkCancels(instanceId: string, rows: readonly Row[]): void {
    for (const { seq, undo } of this.#observations.history.cancelsOf(instanceId)) {
      this.#cancels += 1;
      const row = rows.find((one) => one.seq === seq);
      if (row?.kind === 'cancelled' || (undo && row?.kind === 'unwinding')) continue;
      this.#lostCancels += 1;
      const what = `an agent got an answer that seq ${seq} cancels it, but ${foundText(row)}`;
      this.#breach({ check: CANCEL_CHECK, guarantee: 5, instanceId, seqs: [seq], what });
    }
  }

  #breach(breach: Omit<Breach, 'severity'>): void {
    this.#found.push({ ...breach, severity: 'breach' });
  }

  #foundOf(severity: Breach['severity']): BreachRecord[] {
    return this.#found
      .filter((one) => one.severity === severity)
      .map(({ check, guarantee, instanceId, seqs, what }) => {
        return { check, guarantee, instanceId, seqs, what };
      });
  }
}

function foundText(row: Row | undefined): string {
  return row === undefined ? 'the log has no such row' : `that row is ${row.kind}`;
}

/** The verdict of a run. */
export function verdictOf(
  breaches: readonly BreachRecord[],
  stuck: number,
  brokenOff: boolean,
): ChaosRecord['verdict'] {
  if (breaches.some(({ check }) => check !== STUCK)) return 'breached';
  if (stuck > 0 || breaches.length > 0) return 'stuck';
  return brokenOff ? 'broken_off' : 'passed';
}

function resultOf({
  check,
  guarantee,
  checked,
  notChecked,
  breaches,
  of,
  seen,
}: CheckCount): CheckResult {
  if (checked === 0 && notChecked > 0) {
    return {
      name: check,
      guarantee,
      checked: null,
      breaches,
      why: 'this run has no evidence for this check',
    };
  }
  return { name: check, guarantee, checked, breaches, looked: { at: of, count: seen } };
}

function emptyEvidence(instanceId: string): Evidence {
  return {
    instanceId,
    instance: undefined,
    runbook: undefined,
    rows: [],
    receipts: [],
    lateOutcomes: [],
    refusals: [],
  };
}
