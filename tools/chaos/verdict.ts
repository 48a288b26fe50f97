import { Audit } from '../../src/audit/audit.ts';
import type { CheckCount } from '../../src/audit/audit.ts';
import type { Breach } from '../../src/audit/check.ts';
import type { Evidence } from '../../src/audit/evidence.ts';
import type { LogEvidence } from './log-access.ts';
import type { BreachRecord, ChaosRecord, CheckResult, ReplicaLife } from './record.ts';
import { attributed, CLOCK_SLACK_MS } from './seen-effects.ts';
import type { ToldLedger } from './told.ts';
import type { WitnessedEffect } from './witness.ts';

/** What the log is compared with. */
export interface Outside {
  /** By instance. */
  witnessed: ReadonlyMap<string, readonly WitnessedEffect[]>;
  told: ToldLedger;
  /** Instances that agents were told exist. */
  started: ReadonlySet<string>;
  /** Whether every instance was driven to its end, or was to be. */
  settled: boolean;
}

/** The checks' results, and what they found. */
export interface Findings {
  checks: CheckResult[];
  breaches: BreachRecord[];
  /** What may be in order, or harms no guarantee; fails nothing. */
  warnings: BreachRecord[];
  rows: number;
  instances: number;
  effects: number;
}

const STUCK = 'stuck-instance';
const KEPT_BREACHES = 1_000;

/**
 * No more than so many, in their order, and of each check as many as of any other: one check that
 * is breached by every row must not leave out what only a few rows show.
 */
export function keptOf(found: readonly BreachRecord[], most: number): BreachRecord[] {
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
 * Compares, one instance after the other, what the log says with what the witness saw and what
 * agents were told, by the same checks as `leasehold audit`.
 */
export class Comparison {
  readonly #outside: Outside;
  readonly #audit = new Audit();
  readonly #found: Breach[] = [];
  readonly #seen = new Set<string>();
  #told = 0;
  #untold = 0;
  #effects = 0;

  constructor(outside: Outside) {
    this.#outside = outside;
  }

  /** One instance of the log. @returns how many breaches it has */
  look(log: LogEvidence): number {
    const before = this.#found.length;
    this.#look(log.evidence);
    return this.#found.slice(before).filter(({ severity }) => severity === 'breach').length;
  }

  /** What is left: instances that the witness or the agents know and the log does not. */
  finish(lives: readonly ReplicaLife[]): Findings {
    const { witnessed, started } = this.#outside;
    for (const instanceId of new Set([...witnessed.keys(), ...started])) {
      if (this.#seen.has(instanceId)) continue;
      if (started.has(instanceId)) {
        this.#breach(
          'started-is-recorded',
          5,
          instanceId,
          [],
          `${instanceId} was told to exist, and does not`,
        );
      }
      this.#look(emptyEvidence(instanceId));
    }
    const summary = this.#audit.summary();
    const crashed = lives.filter(({ end }) => end === 'crashed');
    for (const { replicaId } of crashed) {
      this.#breach(
        'replicas-live',
        4,
        replicaId,
        [],
        `${replicaId} ended by itself; its log says why`,
      );
    }
    const own: CheckResult[] = [
      {
        name: 'started-is-recorded',
        guarantee: 5,
        checked: started.size,
        breaches: this.#count('started-is-recorded'),
      },
      {
        name: 'decision-told-is-recorded',
        guarantee: 5,
        checked: this.#told,
        breaches: this.#untold,
      },
      { name: 'replicas-live', guarantee: 4, checked: lives.length, breaches: crashed.length },
    ];
    const record = ({ check, guarantee, instanceId, seqs, what }: Breach): BreachRecord => {
      return { check, guarantee, instanceId, seqs, what };
    };
    const of = (severity: Breach['severity']): BreachRecord[] =>
      this.#found.filter((one) => one.severity === severity).map(record);
    return {
      checks: [
        ...summary.checks.filter(({ severity }) => severity === 'breach').map(result),
        ...own,
      ],
      breaches: keptOf(of('breach'), KEPT_BREACHES),
      warnings: keptOf(of('warning'), KEPT_BREACHES),
      rows: summary.rows,
      instances: this.#seen.size,
      effects: this.#effects,
    };
  }

  #look(from: Evidence): void {
    const { witnessed, told, settled } = this.#outside;
    const { instanceId, rows } = from;
    this.#seen.add(instanceId);
    const witness = attributed(witnessed.get(instanceId) ?? [], rows);
    this.#effects += witness.length;
    const evidence: Evidence = {
      ...from,
      witness,
      witnessSkewMs: CLOCK_SLACK_MS,
      told: told.of(instanceId),
      ...(settled && { atRest: 'ended' as const }),
    };
    this.#found.push(...this.#audit.look(evidence));
    for (const { seq, as } of told.decisionsOf(instanceId)) {
      this.#told += 1;
      const row = rows.find((one) => one.seq === seq);
      if (row?.kind === 'decided' && row.body['as'] === as) continue;
      this.#untold += 1;
      const what = `an agent was told that seq ${seq} decides ${as}, and it is ${row?.kind ?? 'not there'}`;
      this.#breach('decision-told-is-recorded', 5, instanceId, [seq], what);
    }
  }

  #breach(
    check: string,
    guarantee: Breach['guarantee'],
    instanceId: string,
    seqs: number[],
    what: string,
  ): void {
    this.#found.push({ check, guarantee, severity: 'breach', instanceId, seqs, what });
  }

  #count(check: string): number {
    return this.#found.filter((one) => one.check === check).length;
  }
}

/** What a run comes to. */
export function verdictOf(
  breaches: readonly BreachRecord[],
  stuck: number,
  brokenOff: boolean,
): ChaosRecord['verdict'] {
  if (breaches.some(({ check }) => check !== STUCK)) return 'breached';
  if (stuck > 0 || breaches.length > 0) return 'stuck';
  return brokenOff ? 'broken_off' : 'passed';
}

function result({
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
      why: 'this run has no evidence for it',
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
