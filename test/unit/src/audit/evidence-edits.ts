import type { Evidence } from '../../../../src/audit/evidence.ts';
import type { Row } from '../../../../src/execution/row.ts';

/** What a negative control does to sound evidence. */
export type Break = (evidence: Writable) => void;

/** Evidence that a control may change. */
export type Writable = {
  -readonly [K in keyof Evidence]: Evidence[K] extends readonly (infer T)[] | undefined
    ? T[] | (undefined extends Evidence[K] ? undefined : never)
    : Evidence[K];
};

/** The row with that sequence number. */
export const row = (evidence: Writable, seq: number): Row =>
  evidence.rows.find((one) => one.seq === seq)!;

/** The log up to a row, and without what followed from later rows. */
export function until(evidence: Writable, seq: number): void {
  evidence.rows = evidence.rows.filter((one) => one.seq <= seq);
  evidence.receipts = evidence.receipts.filter(({ lastSeq = 0 }) => lastSeq <= seq);
  evidence.clientHistory = [];
  evidence.projection = undefined;
  evidence.rest = undefined;
}

/** A negative control: the name of the check that must catch it, what was done, and how. */
export type Control = readonly [check: string, what: string, breakIt: Break];
