import { errorText } from '../error-text.ts';
import { attemptsOf, type Attempt } from './attempts.ts';
import {
  has,
  type Breach,
  type Check,
  type Guarantee,
  type Severity,
  type Subject,
} from './check.ts';
import { CHECKS } from './checks.ts';
import type { Evidence } from './evidence.ts';
import { walkOf, type Walk } from './walk.ts';

/** The totals of one check over all instances. */
export interface CheckCount {
  check: string;
  guarantee: Guarantee;
  severity: Severity;
  states: string;
  /** Instances that it examined. */
  checked: number;
  /** Instances whose evidence lacks what it needs. */
  notChecked: number;
  /** What it counts, and how many of them it examined. */
  of: string;
  seen: number;
  breaches: number;
}

/** The totals of an audit. */
export interface AuditSummary {
  instances: number;
  rows: number;
  /** Without warnings. */
  breaches: number;
  warnings: number;
  /** Distinct instances with a breach. */
  breached: number;
  checks: CheckCount[];
}

/** Checks one instance after the other, and counts. */
export class Audit {
  readonly #checks: { check: Check; count: CheckCount }[];
  #instances = 0;
  #rows = 0;
  #breached = 0;

  constructor(checks: readonly Check[] = CHECKS) {
    this.#checks = checks.map((check) => {
      const { name, guarantee, severity, states, of } = check;
      const none = { checked: 0, notChecked: 0, seen: 0, breaches: 0 };
      return { check, count: { check: name, guarantee, severity, states, of, ...none } };
    });
  }

  /** Runs every check for which there is evidence on one instance. */
  look(evidence: Evidence): Breach[] {
    const subject = new LazySubject(evidence);
    const found: Breach[] = [];
    for (const { check, count } of this.#checks) {
      const { name, guarantee, severity } = check;
      const { instanceId } = evidence;
      const report = (seqs: readonly number[], what: string): void => {
        count.breaches += 1;
        found.push({ check: name, guarantee, severity, instanceId, seqs: [...seqs], what });
      };
      try {
        if (!check.needs.every((need) => has(evidence, need))) {
          count.notChecked += 1;
          continue;
        }
        count.checked += 1;
        count.seen += check.look(subject, report);
      } catch (cause) {
        // The log was damaged beyond reading: that is a finding, and no reason to stop.
        const why = errorText(cause);
        report([], `${instanceId} cannot be read: ${why}`);
      }
    }
    this.#instances += 1;
    this.#rows += evidence.rows.length;
    if (found.some(({ severity }) => severity === 'breach')) this.#breached += 1;
    return found;
  }

  summary(): AuditSummary {
    const checks = this.#checks.map(({ count }) => ({ ...count }));
    const sum = (severity: Severity): number =>
      checks.reduce(
        (total, count) => total + (count.severity === severity ? count.breaches : 0),
        0,
      );
    return {
      instances: this.#instances,
      rows: this.#rows,
      breaches: sum('breach'),
      warnings: sum('warning'),
      breached: this.#breached,
      checks,
    };
  }
}

/** Derives each property once, when a check first uses it. */
class LazySubject implements Subject {
  readonly evidence: Evidence;
  #attempts: Attempt[] | undefined;
  #walk: Walk | undefined;

  constructor(evidence: Evidence) {
    this.evidence = evidence;
  }

  get attempts(): readonly Attempt[] {
    return (this.#attempts ??= attemptsOf(this.evidence.rows));
  }

  get walk(): Walk {
    return (this.#walk ??= walkOf(this.evidence));
  }
}
