import type { NextStep } from '../../execution/plan.ts';
import { DERIVED_AGENT, isDerived } from '../../request/derived.ts';
import { isRecorded } from '../../request/receipt.ts';
import type { Check } from '../check.ts';
import type { Evidence } from '../evidence.ts';

/** Much longer than it takes to find what is due, also after a crash of everything. */
const GRACE_MS = 60_000;

/** Guarantee 5: what goes on without being asked does so once, and is never lost. */
export const UNATTENDED: readonly Check[] = [
  {
    name: 'derived-requests-write',
    guarantee: 5,
    severity: 'breach',
    states:
      'only unattended instances go on without being asked, by `@due`, and a request that replicas derived has a receipt only if it wrote a row',
    of: 'derived requests',
    needs: [],
    look({ evidence: { rows, receipts, instance, instanceId } }, report) {
      const derived = new Set<string>();
      for (const { seq, requestId, agentId } of rows) {
        const isOwn = requestId !== null && isDerived(requestId);
        if (isOwn) derived.add(requestId);
        if (isOwn === (agentId === DERIVED_AGENT)) continue;
        report([seq], `request ${requestId ?? '(none)'} is by ${agentId ?? 'nobody'}`);
      }
      for (const { requestId, receipt } of receipts) {
        if (!isDerived(requestId)) continue;
        derived.add(requestId);
        if (receipt.steps.length === 0 || !isRecorded(receipt.outcome))
          report([], `request ${requestId}, which nobody sent, wrote nothing and has a receipt`);
      }
      if (derived.size > 0 && instance !== undefined && instance.unattended !== true)
        report([], `${instanceId} is attended, and went on without being asked`);
      return derived.size;
    },
  },
  {
    name: 'unattended-comes-back',
    guarantee: 5,
    severity: 'warning',
    states:
      'an unattended instance that has not ended has on record what brings it back, and what is due is done within a minute',
    of: 'unattended instances',
    needs: ['runbook', 'rests', 'time'],
    look({ evidence, walk }, report) {
      const { instance, instanceId, rows } = evidence;
      if (instance?.unattended !== true || walk.end === undefined) return 0;
      const fault = faultOf(evidence, walk.end.step);
      const seqs = rows.slice(-1).map(({ seq }) => seq);
      if (fault !== undefined) report(seqs, `${instanceId} ${fault}`);
      return 1;
    },
  },
];

const FIX = 'to derive it again, run leasehold migrate --rebuild-projection';

function faultOf({ rest, now = '' }: Evidence, step: NextStep): string | undefined {
  if (step.do === 'complete' || step.do === 'cancelled') return undefined;
  if (rest === undefined || rest === null)
    return `has not ended, and nothing brings it back; ${FIX}`;
  const { dueAt, claimId } = rest;
  if (dueAt !== null && Date.parse(now) - Date.parse(dueAt) > GRACE_MS)
    return `has been due since ${dueAt}; is a replica running?`;
  if (dueAt !== null) return undefined;
  switch (step.do) {
    case 'close':
    case 'settle':
    case 'halt':
    case 'run':
      return undefined;
    case 'await':
      if (claimId === step.claimId && step.deadline === undefined) return undefined;
      return `waits for claim ${step.claimId}, which does not bring it back in time; ${FIX}`;
    default:
      return `can go on, and nothing brings it back; ${FIX}`;
  }
}
