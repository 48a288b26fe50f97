import type { NextStep } from '../../execution/plan.ts';
import { isOfInstance, type Row } from '../../execution/row.ts';
import { isId } from '../../ids.ts';
import { isJsonObject, type Json } from '../../json.ts';
import { attemptOf, seqsOf } from '../attempts.ts';
import type { Check, Subject } from '../check.ts';
import { openDoubts } from '../open-doubts.ts';

/** Guarantees 3, 4 and 6: an instance that was cancelled, or is unwound. */
export const ENDINGS: readonly Check[] = [
  {
    name: 'cancelled-is-final',
    guarantee: 3,
    severity: 'breach',
    states: 'nothing is written after cancelled',
    of: 'cancelled instances',
    needs: [],
    look({ evidence: { rows } }, report) {
      const at = rows.findIndex(({ kind }) => kind === 'cancelled');
      if (at === -1) return 0;
      for (const row of rows.slice(at + 1)) {
        const what = `${row.kind} ${row.cellId} attempt ${row.attempt} came after the cancellation`;
        report(seqsOf(rows[at], row), what);
      }
      return 1;
    },
  },
  {
    name: 'nothing-runs-after-cancelled',
    guarantee: 3,
    severity: 'breach',
    states:
      'no effect is seen after the cancellation of its instance, unless its attempt ended with an unknown outcome',
    of: 'effects of cancelled instances',
    needs: ['witness'],
    look({ evidence: { rows, witness = [], witnessSkewMs = 0 }, attempts }, report) {
      const end = rows.find(({ kind }) => kind === 'cancelled');
      if (end === undefined) return 0;
      for (const effect of witness) {
        if (Date.parse(effect.at) <= Date.parse(end.recordedAt) + witnessSkewMs) continue;
        // What was stopped, or belonged to a process that stood still, may arrive at any time.
        const { closings = [] } = attemptOf(attempts, effect) ?? {};
        if (closings.some(({ kind }) => kind === 'interrupted')) continue;
        const { cellId, attempt, at } = effect;
        const what = `${cellId} attempt ${attempt} was run (${at}) after the cancellation of ${end.recordedAt}`;
        report([end.seq], what);
      }
      return witness.length;
    },
  },
  {
    name: 'unwinds-at-most-once',
    guarantee: 3,
    severity: 'breach',
    states: 'an instance has at most one unwinding',
    of: 'unwindings',
    needs: [],
    look({ evidence: { rows } }, report) {
      const unwindings = rows.filter(({ kind }) => kind === 'unwinding');
      if (unwindings.length > 1)
        report(seqsOf(...unwindings), `the instance was unwound ${unwindings.length} times`);
      return unwindings.length;
    },
  },
  {
    name: 'cancelled-while-cells-were-left',
    guarantee: 4,
    severity: 'breach',
    states: 'only an instance with cells left is cancelled or unwound',
    of: 'endings',
    needs: ['runbook'],
    look({ evidence: { rows }, walk }, report) {
      let endings = 0;
      for (const row of rows) {
        const step = isOfInstance(row) ? walk.before.get(row.seq) : undefined;
        if (step === undefined) continue;
        endings += 1;
        if (step.do === 'complete') report([row.seq], `${row.kind}, but every cell was done`);
      }
      return endings;
    },
  },
  {
    name: 'ended-by-whom',
    guarantee: 3,
    severity: 'breach',
    states:
      'an agent who asked, the parent, or the runbook says that an instance is unwound or cancelled; one that is unwound is cancelled once nothing is left to undo',
    of: 'endings',
    needs: ['runbook'],
    look(subject, report) {
      let endings = 0;
      for (const row of subject.evidence.rows) {
        if (!isOfInstance(row)) continue;
        endings += 1;
        const fault = authorFault(row, subject);
        if (fault !== undefined) report([row.seq], `${row.kind} ${fault}`);
      }
      return endings;
    },
  },
  {
    name: 'left-names-open-doubts',
    guarantee: 6,
    severity: 'breach',
    states: 'a cancellation names exactly the doubts that nobody settled',
    of: 'cancellations',
    needs: [],
    look({ evidence: { rows } }, report) {
      let cancellations = 0;
      rows.forEach((row, index) => {
        if (row.kind !== 'cancelled') return;
        cancellations += 1;
        const due = namesOf(openDoubts(rows.slice(0, index)));
        const left = namesOf(row.body['left']);
        if (left === due) return;
        const [named, doubted] = [left, due].map((names) => (names === '' ? 'nothing' : names));
        report(
          [row.seq],
          `the cancellation names ${named ?? 'no list'}, but ${doubted} was in doubt`,
        );
      });
      return cancellations;
    },
  },
];

/** What a `left` member names, in one order; undefined if it is no list of attempts. */
function namesOf(left: Json | undefined): string | undefined {
  if (!Array.isArray(left)) return undefined;
  return left
    .map((one) => {
      const { cellId, attempt } = isJsonObject(one) ? one : {};
      return `${JSON.stringify(cellId)} attempt ${JSON.stringify(attempt)}`;
    })
    .sort()
    .join(', ');
}

function authorFault(row: Row, { evidence: { rows, parent }, walk }: Subject): string | undefined {
  const { by } = row.body;
  const step: NextStep | undefined = walk.before.get(row.seq);
  if (row.kind === 'unwinding' && by === '@policy') {
    if (step === undefined || step.do === 'unwind') return undefined;
    return 'by policy, but the runbook does not say so, or no cell had halted';
  }
  if (row.kind === 'cancelled' && step?.do === 'cancel') {
    const unwinding = rows.find(({ kind }) => kind === 'unwinding');
    if (by === unwinding?.body['by']) return undefined;
  }
  if (by === '@parent') {
    if (parent === null) return 'by its parent, but it has none';
    return parent?.cancelsChildren === false
      ? `by its parent ${parent.instanceId}, which does not say so`
      : undefined;
  }
  if (!isId(by)) return `by ${JSON.stringify(by ?? null)}, which names nobody who may say so`;
  return row.agentId === by
    ? undefined
    : `by ${by}, but was requested by ${row.agentId ?? 'nobody'}`;
}
