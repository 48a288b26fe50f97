import type { Attempt } from './attempts.ts';
import type { Evidence } from './evidence.ts';
import { hasReservedCells } from './reserved.ts';
import type { Walk } from './walk.ts';

/** The guarantees of the design, by number; see `docs/audit.md`. */
export type Guarantee = 1 | 2 | 3 | 4 | 5 | 6 | 7;

/** A `warning` may be harmless, or breaks no guarantee; it does not fail an audit. */
export type Severity = 'breach' | 'warning';

/** Evidence that not every source has. */
export type Need =
  | 'runbook'
  | 'digest'
  | 'claims'
  | 'children'
  | 'projection'
  | 'rests'
  | 'tick origin'
  | 'other receipts'
  | 'columns of receipts'
  | 'witness'
  | 'client history'
  | 'end of run'
  | 'time';

/**
 * What a check examines: the evidence of one instance, and what is derived from it once for all
 * checks.
 */
export interface Subject {
  evidence: Evidence;
  /** Attempts of exec cells in the order in which they first appear. */
  attempts: readonly Attempt[];
  walk: Walk;
}

/**
 * Reports a breach. `seqs` are those of the rows that show it; none if the breach is that something
 * is missing.
 */
export type Report = (seqs: readonly number[], what: string) => void;

/** One named check of the log of one instance. Pure. */
export interface Check {
  name: string;
  guarantee: Guarantee;
  severity: Severity;
  /** What must be true, in one sentence. */
  states: string;
  /** What it counts: the noun for the result of {@link look}. */
  of: string;
  needs: readonly Need[];
  /**
   * @returns how many things it examined, so that a check with nothing to examine is not taken for
   *   one that passed
   */
  look(subject: Subject, report: Report): number;
}

/** One violation of a guarantee. */
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
      return evidence.runbook !== undefined && !hasReservedCells(evidence.runbook);
    case 'digest':
      return evidence.digest !== undefined;
    case 'claims':
      return evidence.claims !== undefined;
    case 'children':
      return evidence.children !== undefined;
    case 'projection':
      return evidence.projection !== undefined;
    case 'rests':
      return evidence.rest !== undefined;
    case 'tick origin':
      return evidence.tickOrigin !== undefined;
    case 'other receipts':
      return evidence.receiptsElsewhere !== undefined;
    case 'columns of receipts':
      return evidence.receipts.every(
        ({ lastSeq, fencingToken }) => lastSeq !== undefined && fencingToken !== undefined,
      );
    case 'witness':
      return evidence.witness !== undefined;
    case 'client history':
      return evidence.clientHistory !== undefined;
    case 'end of run':
      return evidence.atRest !== undefined;
    case 'time':
      return evidence.now !== undefined;
  }
}
