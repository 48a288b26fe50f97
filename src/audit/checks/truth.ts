import type { LateKind, Row, Verdict } from '../../execution/row.ts';
import { sameJson } from '../../json.ts';
import { onInterrupt } from '../../runbook/runbook.ts';
import { execCellOf } from '../../runbook/undo.ts';
import { attemptOf, seqsOf } from '../attempts.ts';
import type { Check } from '../check.ts';
import type { LateEvidence } from '../evidence.ts';

/** Guarantee 6: evidence is kept, and what is kept is unchanged. */
export const TRUTH: readonly Check[] = [
  {
    name: 'instance-on-record',
    guarantee: 6,
    severity: 'breach',
    states: 'an instance with rows or outcomes has its record and its pinned runbook version',
    of: 'instances',
    needs: [],
    look({ evidence }, report) {
      const { instance, runbook, instanceId, rows, lateOutcomes, receipts } = evidence;
      const seqs = rows.map(({ seq }) => seq);
      if (instance === undefined) {
        const ran = receipts.some(({ receipt }) => receipt.steps.length > 0);
        // Enqueued requests for unknown instances are recorded as not_found.
        if (rows.length > 0 || lateOutcomes.length > 0 || ran)
          report(seqs, `${instanceId} was never started`);
      } else if (runbook === undefined) {
        report(seqs, `${instance.runbookId} version ${instance.version} is not in the log`);
      }
      return 1;
    },
  },
  {
    name: 'runbook-unchanged',
    guarantee: 6,
    severity: 'breach',
    states: "the pinned runbook version's digest matches its cells and inputs",
    of: 'instances',
    needs: ['digest'],
    look({ evidence: { digest, instance } }, report) {
      if (digest !== undefined && digest.recorded !== digest.computed) {
        const name =
          instance === undefined
            ? 'the runbook'
            : `${instance.runbookId} version ${instance.version}`;
        report(
          [],
          `${name} was changed: its digest is ${digest.recorded}, but its content has ${digest.computed}`,
        );
      }
      return 1;
    },
  },
  {
    name: 'claim-was-made',
    guarantee: 6,
    severity: 'breach',
    states: 'the claim that an await saw is on record, with that revision, status and agent',
    of: 'claims seen',
    needs: ['claims'],
    look({ evidence: { rows, claims } }, report) {
      let seen = 0;
      for (const row of rows) {
        const { claimId, revision, status, agentId } = row.body;
        if (row.kind !== 'satisfied' || typeof claimId !== 'string') continue;
        seen += 1;
        const claim = typeof revision === 'number' ? claims?.(claimId, revision) : undefined;
        if (claim !== undefined && claim.status === status && claim.agentId === agentId) continue;
        const record =
          claim === undefined ? 'not on record' : `${claim.status} by ${claim.agentId}`;
        report(
          [row.seq],
          `${row.cellId} saw claim ${claimId} revision ${JSON.stringify(revision)} as ${JSON.stringify(status)}, which is ${record}`,
        );
      }
      return seen;
    },
  },
  {
    name: 'late-outcome-was-refused',
    guarantee: 6,
    severity: 'breach',
    states:
      'a late outcome is from the process that opened the attempt, another closed it, and the refusal is on record; a not_started may instead be a reply to a peer',
    of: 'late outcomes',
    needs: [],
    look({ evidence: { lateOutcomes, refusals }, attempts }, report) {
      for (const late of lateOutcomes) {
        const found = attemptOf(attempts, late);
        const opened = found?.started[0];
        const about = `late outcome ${late.kind} of ${late.cellId} attempt ${late.attempt} by ${late.replicaId}`;
        const seqs = seqsOf(opened, found?.closings[0]);
        // The replica that asked records it, before it closes the attempt.
        const asked = late.kind === 'not_started';
        if (opened === undefined) report(seqs, `${about}: the attempt has no intent`);
        else if (opened.replicaId !== late.replicaId || opened.fencingToken !== late.fencingToken) {
          report(
            seqs,
            `${about} under token ${late.fencingToken}: the attempt was ${opened.replicaId}'s, under ${opened.fencingToken}`,
          );
        } else if (
          found?.closings[0]?.kind !== 'interrupted' &&
          !(asked && found?.closings[0] === undefined)
        ) {
          report(seqs, `${about}: the attempt was not interrupted`);
        }
        if (!asked && !refusals.some((refusal) => isRefusalOf(refusal, late)))
          report(seqs, `${about}: no refusal is on record`);
      }
      return lateOutcomes.length;
    },
  },
  {
    name: 'refused-outcome-was-kept',
    guarantee: 6,
    severity: 'warning',
    states: 'an outcome that was refused is kept as evidence, unless its process died in between',
    of: 'refused outcomes',
    needs: [],
    look({ evidence: { lateOutcomes, refusals } }, report) {
      let count = 0;
      for (const refusal of refusals) {
        if (refusal.kind !== 'completed' && refusal.kind !== 'failed') continue;
        count += 1;
        if (lateOutcomes.some((late) => isRefusalOf(refusal, late))) continue;
        report(
          [],
          `${refusal.kind} of ${refusal.replicaId} (token ${refusal.fencingToken}) was refused at seq ${refusal.seq}, but is not kept`,
        );
      }
      return count;
    },
  },
  {
    name: 'evidence-behind-decision',
    guarantee: 6,
    severity: 'breach',
    states: 'a decision by a late outcome says what that late outcome says',
    of: 'decisions by late outcomes',
    needs: [],
    look({ evidence: { rows, lateOutcomes } }, report) {
      let count = 0;
      for (const row of rows) {
        if (row.kind !== 'decided' || row.body['by'] !== '@late-outcome') continue;
        count += 1;
        const about = lateOutcomes.filter((late) => isAbout(late, row));
        if (about.some((late) => bearsOut(late, row))) continue;
        const kept = about.map(({ kind }) => kind).join(', ') || 'nothing';
        report(
          [row.seq],
          `decided ${row.cellId} attempt ${row.attempt} as ${JSON.stringify(row.body['as'])} by a late outcome, but what was kept is ${kept}`,
        );
      }
      return count;
    },
  },
  {
    name: 'evidence-agrees-with-decision',
    guarantee: 6,
    severity: 'warning',
    states: 'no late outcome contradicts the decision, which may have been made before it arrived',
    of: 'decided attempts with a late outcome',
    needs: ['runbook'],
    look({ evidence: { runbook, lateOutcomes }, attempts }, report) {
      let count = 0;
      for (const late of lateOutcomes) {
        const [decision] = attemptOf(attempts, late)?.decisions ?? [];
        if (decision === undefined) continue;
        count += 1;
        const cell = runbook && execCellOf(runbook.cells, late.cellId);
        // For a cell that may be run again, an earlier completion is no contradiction.
        const mayRepeat = cell !== undefined && onInterrupt(cell) === 'rerun';
        if (agrees(late, decision) || (mayRepeat && decision.body['as'] === 'rerun')) continue;
        report(
          [decision.seq],
          `${late.cellId} attempt ${late.attempt} was decided ${JSON.stringify(decision.body['as'])} by ${JSON.stringify(decision.body['by'])}, but ${late.replicaId} reported ${late.kind} late`,
        );
      }
      return count;
    },
  },
];

/** What a late outcome decides by itself. */
const VERDICT_OF = {
  completed: 'succeeded',
  failed: 'failed',
  not_started: 'rerun',
  // Only a person can judge an effect whose output was lost.
  unverified: undefined,
} as const satisfies Record<LateKind, Verdict | undefined>;

/** Whether a decision does not contradict what its attempt's process reported late. */
function agrees({ kind, body }: LateEvidence, decision: Row): boolean {
  const { as, by, happened } = decision.body;
  if (kind !== 'unverified') return as === VERDICT_OF[kind];
  // A person may decide anything about it, except that what happened did not.
  if (body['happened'] === true && as === 'failed') return happened === true;
  return as !== 'rerun' || (typeof by === 'string' && !by.startsWith('@'));
}

function isRefusalOf(
  refusal: { replicaId: string; fencingToken: number; kind: string },
  late: LateEvidence,
): boolean {
  const interrupted = late.kind === 'not_started' || late.kind === 'unverified';
  const kind = interrupted ? 'interrupted' : late.kind;
  return (
    refusal.replicaId === late.replicaId &&
    refusal.fencingToken === late.fencingToken &&
    refusal.kind === kind
  );
}

function isAbout(late: LateEvidence, { cellId, attempt }: Row): boolean {
  return late.cellId === cellId && late.attempt === attempt;
}

function bearsOut(late: LateEvidence, { body }: Row): boolean {
  if (body['as'] !== VERDICT_OF[late.kind]) return false;
  return late.kind !== 'completed' || sameJson(late.body['output'] ?? null, body['output'] ?? null);
}
