import type { Row } from '../../execution/row.ts';
import { isId } from '../../ids.ts';
import { execCellOf } from '../../runbook/undo.ts';
import { seqsOf } from '../attempts.ts';
import type { Check, Subject } from '../check.ts';
import type { AnsweredDoubt } from '../walk.ts';

/** Guarantee 3, doubts: what may settle one, and what may be run again. */
export const DECISIONS: readonly Check[] = [
  {
    name: 'decision-names-its-attempt',
    guarantee: 3,
    severity: 'breach',
    states:
      'a decision directly follows the interruption, or the failure for good, of the attempt that it names',
    of: 'decisions',
    needs: [],
    look({ evidence: { rows } }, report) {
      let decisions = 0;
      rows.forEach((row, index) => {
        if (row.kind !== 'decided') return;
        decisions += 1;
        const before = rows[index - 1];
        const answers =
          before !== undefined &&
          (before.kind === 'interrupted' || isFailure(before)) &&
          before.cellId === row.cellId &&
          before.attempt === row.attempt;
        if (!answers) {
          report(
            seqsOf(before, row),
            `decided ${row.cellId} attempt ${row.attempt} answers no doubt or failure of that attempt`,
          );
        }
      });
      return decisions;
    },
  },
  {
    name: 'rerun-only-where-allowed',
    guarantee: 3,
    severity: 'breach',
    states:
      'an interrupted attempt is run again only by a decision that the cell, its probe, evidence or a person allows',
    of: 'further attempts',
    needs: ['runbook'],
    look(subject, report) {
      const { rows } = subject.evidence;
      let again = 0;
      rows.forEach((row, index) => {
        if (row.kind === 'started' && row.attempt > 1) {
          again += 1;
          const before = rows[index - 1];
          if (!letsRunAgain(before, row)) {
            report(
              seqsOf(before, row),
              `${row.cellId} attempt ${row.attempt} was begun without a failure or a decision that allows it`,
            );
          }
        }
        if (row.kind !== 'decided' || row.body['as'] !== 'rerun') return;
        again += 1;
        const answered = subject.walk.answered.get(row.seq);
        const fault = answered && rerunFault(row, answered);
        if (fault !== undefined) report([row.seq], `${row.cellId} attempt ${row.attempt} ${fault}`);
      });
      return again;
    },
  },
  {
    name: 'decision-by-whom',
    guarantee: 3,
    severity: 'breach',
    states: 'a decision names its author, and its answer is one that this author may give',
    of: 'decisions',
    needs: [],
    look(subject, report) {
      let decisions = 0;
      for (const row of subject.evidence.rows) {
        if (row.kind !== 'decided') continue;
        decisions += 1;
        const fault = deciderFault(row, subject);
        if (fault !== undefined)
          report([row.seq], `decided ${row.cellId} attempt ${row.attempt} ${fault}`);
      }
      return decisions;
    },
  },
  {
    name: 'halted-cell-repaired-by-agent',
    guarantee: 3,
    severity: 'breach',
    states:
      'a cell is decided after a failure only once it halts its instance, by an agent, and not as failed again',
    of: 'decisions on halted cells',
    needs: ['runbook'],
    look({ evidence: { rows }, walk }, report) {
      let decisions = 0;
      rows.forEach((row, index) => {
        const before = rows[index - 1];
        if (row.kind !== 'decided' || before === undefined || !isFailure(before)) return;
        decisions += 1;
        const name = `decided ${row.cellId} attempt ${row.attempt} as ${JSON.stringify(row.body['as'])}`;
        const step = walk.before.get(row.seq);
        if (step !== undefined && !(step.do === 'halt' && step.cell.id === row.cellId))
          report(seqsOf(before, row), `${name}, but the cell had not halted its instance`);
        if (!isId(row.body['by']))
          report(
            [row.seq],
            `${name} by ${JSON.stringify(row.body['by'] ?? null)}, which is no agent`,
          );
        if (row.body['as'] === 'failed') report([row.seq], `${name}, which it was already`);
      });
      return decisions;
    },
  },
  {
    name: 'retries-within-budget',
    guarantee: 3,
    severity: 'breach',
    states:
      'a cell is begun again after fewer failures than its `retry` allows, counted from the last decision by an agent',
    of: 'attempts after failures',
    needs: ['runbook'],
    look({ evidence: { rows, runbook } }, report) {
      const failures = new Map<string, number>();
      let seen = 0;
      for (const row of rows) {
        const { cellId, kind, body } = row;
        const count = failures.get(cellId) ?? 0;
        if (kind === 'decided' && isId(body['by'])) failures.set(cellId, isFailure(row) ? 1 : 0);
        else if (kind !== 'refuted' && isFailure(row)) failures.set(cellId, count + 1);
        const cell = runbook && execCellOf(runbook.cells, cellId);
        if (kind !== 'started' || cell === undefined || count === 0) continue;
        seen += 1;
        const allowed = cell.retry?.attempts ?? 1;
        if (count < allowed) continue;
        report(
          [row.seq],
          `${cellId} attempt ${row.attempt} follows ${count} failures of ${allowed}`,
        );
      }
      return seen;
    },
  },
  {
    name: 'own-word-only',
    guarantee: 3,
    severity: 'breach',
    states:
      'an outcome, time-out, abort or not_started is recorded by the process that opened the attempt, in the same term',
    of: 'closings',
    needs: [],
    look({ attempts }, report) {
      let count = 0;
      for (const { cellId, attempt, started, closings } of attempts) {
        const opened = started[0];
        for (const row of closings) {
          count += 1;
          // Others can find a crash; only the process itself can know the rest.
          const byOthers = row.kind === 'interrupted' && row.body['reason'] === 'crash';
          if (opened === undefined || byOthers) continue;
          const own =
            row.replicaId === opened.replicaId && row.fencingToken === opened.fencingToken;
          if (own) continue;
          const what =
            row.kind === 'interrupted'
              ? `interrupted (${JSON.stringify(row.body['reason'])})`
              : row.kind;
          report(
            seqsOf(opened, row),
            `${what} ${cellId} attempt ${attempt} was recorded by ${row.replicaId} (token ${row.fencingToken}), but ${opened.replicaId} (token ${opened.fencingToken}) ran it`,
          );
        }
      }
      return count;
    },
  },
];

/** Whether the row says that its cell failed, or was refuted. */
function isFailure({ kind, body }: Row): boolean {
  return kind === 'failed' || kind === 'refuted' || (kind === 'decided' && body['as'] === 'failed');
}

/** Whether the row before is a failure of the previous attempt, or a decision to run it again. */
function letsRunAgain(before: Row | undefined, row: Row): boolean {
  if (before?.cellId !== row.cellId || before.attempt !== row.attempt - 1) return false;
  const as = before.body['as'];
  return (
    before.kind === 'failed' || (before.kind === 'decided' && (as === 'rerun' || as === 'failed'))
  );
}

function rerunFault(row: Row, { reason, policy }: AnsweredDoubt): string | undefined {
  if (reason === 'not_started') return undefined;
  switch (row.body['by']) {
    case '@policy':
      return policy === 'rerun' || policy === undefined
        ? undefined
        : `was rerun by policy, but the policy for it is ${policy}`;
    case '@probe':
      return policy === 'probe' || policy === undefined
        ? undefined
        : `was rerun by a probe, but the policy for it is ${policy}`;
    // Evidence and persons may; other checks verify that they did.
    default:
      return undefined;
  }
}

function deciderFault(row: Row, { walk, evidence }: Subject): string | undefined {
  const { as, by } = row.body;
  const answered = walk.answered.get(row.seq);
  switch (by) {
    case '@policy':
      return as === 'rerun'
        ? undefined
        : `as ${JSON.stringify(as)} by policy, which can only decide rerun`;
    case '@probe':
      if (as !== 'rerun' && as !== 'succeeded')
        return `as ${JSON.stringify(as)} by a probe, which cannot decide that`;
      if (evidence.runbook === undefined || answered?.policy === undefined) return undefined;
      return answered.policy === 'probe'
        ? undefined
        : `by a probe, but the policy for it is ${answered.policy}`;
    case '@late-outcome':
      return answered?.reason === 'not_started'
        ? 'by a late outcome, but the effect never began'
        : undefined;
    default:
      if (!isId(by)) return `by ${JSON.stringify(by ?? null)}, which names nobody`;
      return row.agentId === by
        ? undefined
        : `by ${by}, but was requested by ${row.agentId ?? 'nobody'}`;
  }
}
