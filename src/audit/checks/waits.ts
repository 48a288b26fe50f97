import { dueIso } from '../../execution/await.ts';
import type { NextStep } from '../../execution/plan.ts';
import type { Row } from '../../execution/row.ts';
import { sameJson } from '../../json.ts';
import type { Check } from '../check.ts';
import { microsOf } from '../micros.ts';

/** Guarantees 3, 6 and 7: what was skipped, and what waited, by the database's clock. */
export const WAITS: readonly Check[] = [
  {
    name: 'skipped-only-where-allowed',
    guarantee: 3,
    severity: 'breach',
    states:
      'a cell is skipped if and only if its `when` does not hold, by the values in the log, or its deadline skips it',
    of: 'cells with a `when`, and skipped ones',
    needs: ['runbook'],
    look({ evidence: { rows }, walk }, report) {
      let count = 0;
      for (const row of rows) {
        const step = walk.next.get(row.seq);
        if (step === undefined || (row.kind !== 'skipped' && !isConditional(step))) continue;
        count += 1;
        const fault = skipFault(row, step);
        if (fault !== undefined)
          report([row.seq], `${row.kind} ${row.cellId} attempt ${row.attempt}: ${fault}`);
      }
      return count;
    },
  },
  {
    name: 'wait-ended-when-due',
    guarantee: 7,
    severity: 'breach',
    states:
      'a pause is over, and a deadline has passed, no earlier than the times of the rows allow',
    of: 'pauses and deadlines that ended',
    needs: ['runbook'],
    look({ evidence: { rows }, walk }, report) {
      let count = 0;
      for (const row of rows) {
        const due = dueFor(row, walk.next.get(row.seq));
        if (due === undefined) continue;
        count += 1;
        const { iso, recorded } = due;
        if (recorded !== iso)
          report(
            [row.seq],
            `${row.cellId} was due at ${iso}, but its row says ${JSON.stringify(recorded)}`,
          );
        if (microsOf(row.recordedAt) >= microsOf(iso)) continue;
        report(
          [row.seq],
          `${row.kind} ${row.cellId} came at ${row.recordedAt}, but was due at ${iso}; was the database's clock set back?`,
        );
      }
      return count;
    },
  },
  {
    name: 'claim-came-first',
    guarantee: 6,
    severity: 'breach',
    states: 'the claim that an await saw was made before the row that says so',
    of: 'claims seen',
    needs: ['claims'],
    look({ evidence: { rows, claims } }, report) {
      let seen = 0;
      for (const row of rows) {
        const { claimId, revision } = row.body;
        if (row.kind !== 'satisfied' || typeof claimId !== 'string') continue;
        if (typeof revision !== 'number') continue;
        const claim = claims?.(claimId, revision);
        if (claim === undefined) continue;
        seen += 1;
        if (microsOf(claim.recordedAt) <= microsOf(row.recordedAt)) continue;
        report(
          [row.seq],
          `${row.cellId} saw claim ${claimId} revision ${revision} at ${row.recordedAt}, but it was made at ${claim.recordedAt}; was the database's clock set back?`,
        );
      }
      return seen;
    },
  },
];

/** Whether the cell that is next has a `when` that counts now. */
function isConditional(step: NextStep): boolean {
  return 'cell' in step && 'when' in step.cell && step.cell.when !== undefined;
}

function skipFault(row: Row, step: NextStep): string | undefined {
  if (step.do === 'skip') {
    if (row.kind !== 'skipped') return 'its `when` does not hold';
    return sameJson(row.body, step.body)
      ? undefined
      : `it names ${JSON.stringify(row.body)}, but the log has ${JSON.stringify(step.body)}`;
  }
  if (row.kind !== 'skipped') return undefined;
  if (step.do === 'await' && step.deadline !== undefined && step.otherwise === 'skip')
    return undefined;
  return 'nothing says so';
}

/** When the wait that this row ends was due, and what the row says; undefined if it ends none. */
function dueFor(row: Row, step: NextStep | undefined) {
  if (step?.do === 'wait' && row.kind === 'satisfied')
    return { iso: dueIso(step.until), recorded: row.body['until'] };
  const passed = row.kind === 'refuted' || row.kind === 'skipped';
  if (step?.do !== 'await' || step.deadline === undefined || !passed) return undefined;
  return { iso: dueIso(step.deadline), recorded: row.body['deadline'] };
}
