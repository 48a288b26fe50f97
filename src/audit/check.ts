import type { Attempt } from './attempts.ts';
import type { Evidence } from './evidence.ts';
import type { Walk } from './walk.ts';

/** The guarantees of the design, by number; see `docs/audit.md`. */
export type Guarantee = 1 | 2 | 3 | 4 | 5 | 6 | 7;

/** A `warning` points at what may be in order, or harms no guarantee; it does not fail an audit. */
export type Severity = 'breach' | 'warning';

/** Evidence that not every source has. */
export type Need =
  | 'runbook'
  | 'digest'
  | 'claims'
  | 'projection'
  | 'other receipts'
  | 'columns of receipts'
  | 'witness'
  | 'told'
  | 'end of run'
  | 'time';

/**
 * What a check looks at: the evidence of one instance, and what is derived from it once for all
 * checks.
 */
export interface Subject {
  evidence: Evidence;
  /** Attempts of exec cells in the order in which they first appear. */
  attempts: readonly Attempt[];
  walk: Walk;
}

/**
 * Reports a breach. The seqs are those of the rows that show it; none when the fault is in what is
 * missing.
 */
export type Say = (seqs: readonly number[], what: string) => void;

/** One named claim over the log of one instance. Pure. */
export interface Check {
  name: string;
  guarantee: Guarantee;
  severity: Severity;
  /** What must be true, in a sentence. */
  states: string;
  /** What it counts: the noun for {@link look}'s answer. */
  of: string;
  needs: readonly Need[];
  /**
   * @returns how many things were looked at, so that a check that saw nothing cannot pass for one
   *   that did
   */
  look(subject: Subject, say: Say): number;
}

/** What was found against a guarantee. */
export interface Breach {
  check: string;
  guarantee: Guarantee;
  severity: Severity;
  instanceId: string;
  seqs: number[];
  what: string;
}

/** Whether the evidence has what the check needs. */
export function has(evidence: Evidence, need: Need): boolean {
  switch (need) {
    case 'runbook':
      return evidence.runbook !== undefined;
    case 'digest':
      return evidence.digest !== undefined;
    case 'claims':
      return evidence.claims !== undefined;
    case 'projection':
      return evidence.projection !== undefined;
    case 'other receipts':
      return evidence.receiptsElsewhere !== undefined;
    case 'columns of receipts':
      return evidence.receipts.every(
        ({ lastSeq, fencingToken }) => lastSeq !== undefined && fencingToken !== undefined,
      );
    case 'witness':
      return evidence.witness !== undefined;
    case 'told':
      return evidence.told !== undefined;
    case 'end of run':
      return evidence.atRest !== undefined;
    case 'time':
      return evidence.now !== undefined;
  }
}
