import type { Row } from '../../execution/row.ts';
import { jsonOf, sameJson } from '../../json.ts';
import type { Step } from '../../execution/views.ts';
import { isRecorded, type Receipt } from '../../request/receipt.ts';
import type { Check } from '../check.ts';
import type { RecordedReceipt } from '../evidence.ts';
import type { StateAtRow } from '../walk.ts';

/** Refusals that are recorded for enqueued requests, because nobody waits for their answer. */
const RECORDED_REFUSALS: readonly string[] = ['expired', 'not_found', 'out_of_order', 'invalid'];

/** Refusals for which nobody need hold the instance. */
const UNHELD_REFUSALS: readonly string[] = ['expired', 'not_found', 'invalid'];

/** Guarantee 5: an acknowledged request has one receipt, which lists everything done for it. */
export const RECEIPTS: readonly Check[] = [
  {
    name: 'one-receipt-per-request',
    guarantee: 5,
    severity: 'breach',
    states:
      'a request has one receipt, which names it and its instance and has an outcome that is recorded',
    of: 'receipts',
    needs: [],
    look({ evidence: { instanceId, receipts } }, report) {
      const seen = new Set<string>();
      for (const { requestId, receipt } of receipts) {
        if (seen.has(requestId)) report([], `request ${requestId} has two receipts`);
        seen.add(requestId);
        if (receipt.requestId !== requestId || receipt.instanceId !== instanceId) {
          report(
            [],
            `the receipt of request ${requestId} names request ${receipt.requestId} of ${receipt.instanceId}`,
          );
        }
        if (!isRecorded(receipt.outcome) && !RECORDED_REFUSALS.includes(receipt.outcome)) {
          report(
            [],
            `the receipt of request ${requestId} is ${receipt.outcome}, which is not a final outcome`,
          );
        }
      }
      return receipts.length;
    },
  },
  {
    name: 'receipt-accounts-for-rows',
    guarantee: 5,
    severity: 'breach',
    states: 'the steps of a receipt are the rows of its request, up to the seq that it rests on',
    of: 'receipts',
    needs: [],
    look({ evidence: { rows, receipts } }, report) {
      for (const recorded of receipts) {
        const { requestId, receipt } = recorded;
        const written = writtenBefore(recorded, rows);
        if (written.map(stepText).join() === receipt.steps.map(stepText).join()) continue;
        report(
          written.map(({ seq }) => seq),
          `the receipt of request ${requestId} has steps ${list(receipt.steps)}, but the log has ${list(written)}`,
        );
      }
      return receipts.length;
    },
  },
  {
    name: 'nothing-after-receipt',
    guarantee: 5,
    severity: 'breach',
    states: 'nothing is written under a request that has its receipt',
    of: 'receipts',
    needs: [],
    look({ evidence: { rows, receipts } }, report) {
      for (const { requestId, receipt, lastSeq } of receipts) {
        const restedOn = lastSeq ?? Math.max(0, ...receipt.steps.map(({ seq }) => seq));
        for (const row of rows) {
          if (row.requestId !== requestId || row.seq <= restedOn) continue;
          report(
            [row.seq],
            `${row.kind} ${row.cellId} was written under request ${requestId}, which had its receipt at seq ${restedOn}`,
          );
        }
      }
      return receipts.length;
    },
  },
  {
    name: 'receipt-as-fenced-as-rows',
    guarantee: 5,
    severity: 'breach',
    states:
      "a receipt rests on an existing row, under a token no older than that row's, its own holder's",
    of: 'receipts',
    needs: ['columns of receipts'],
    look({ evidence: { rows, receipts } }, report) {
      for (const { requestId, receipt, lastSeq = 0, fencingToken = 0 } of receipts) {
        const last = rows.find(({ seq }) => seq === lastSeq);
        if (lastSeq > 0 && last === undefined) {
          report(
            [],
            `the receipt of request ${requestId} rests on seq ${lastSeq}, which does not exist`,
          );
        } else if (last !== undefined && fencingToken < last.fencingToken) {
          report(
            [last.seq],
            `the receipt of request ${requestId} is under token ${fencingToken}, but the row that it rests on under ${last.fencingToken}`,
          );
        }
        if (receipt.holder !== null && receipt.holder.fencingToken !== fencingToken) {
          report(
            [],
            `the receipt of request ${requestId} names token ${receipt.holder.fencingToken} but was written under ${fencingToken}`,
          );
        }
      }
      return receipts.length;
    },
  },
  {
    name: 'only-refusals-without-lease',
    guarantee: 5,
    severity: 'breach',
    states: 'a receipt without a lease refuses its request on an empty log, and names no holder',
    of: 'receipts',
    needs: ['columns of receipts'],
    look({ evidence: { receipts } }, report) {
      for (const { requestId, receipt, lastSeq, fencingToken } of receipts) {
        if (fencingToken !== 0) continue;
        const { outcome, holder } = receipt;
        if (lastSeq === 0 && holder === null && UNHELD_REFUSALS.includes(outcome)) continue;
        report(
          [],
          `the receipt of request ${requestId} has no lease, but says ${outcome} at seq ${lastSeq}`,
        );
      }
      return receipts.length;
    },
  },
  {
    name: 'receipt-says-what-the-log-said',
    guarantee: 5,
    severity: 'breach',
    states: 'the outcome of a receipt is where the instance was at the seq that it rests on',
    of: 'receipts',
    needs: ['runbook', 'columns of receipts'],
    look({ evidence: { receipts }, walk }, report) {
      let count = 0;
      for (const recorded of receipts) {
        const progress = walk.rests.get(recorded.lastSeq ?? -1);
        if (progress === undefined || !isRecorded(recorded.receipt.outcome)) continue;
        count += 1;
        const fault = outcomeFault(recorded.receipt, progress);
        if (fault !== undefined)
          report(restsOn(recorded), `the receipt of request ${recorded.requestId} ${fault}`);
      }
      return count;
    },
  },
  {
    name: 'told-what-is-recorded',
    guarantee: 5,
    severity: 'breach',
    states: 'an agent that got a recorded outcome got the recorded receipt',
    of: 'answers',
    needs: ['client history'],
    look({ evidence: { clientHistory = [], receipts } }, report) {
      let answers = 0;
      for (const { requestId, receipt } of clientHistory) {
        // No answer means unknown: the request may have ended either way.
        if (receipt === undefined || !isRecorded(receipt.outcome)) continue;
        answers += 1;
        const stored = receipts.find((one) => one.requestId === requestId);
        if (stored === undefined) {
          report(
            [],
            `request ${requestId}: the agent got ${receipt.outcome}, but nothing is recorded`,
          );
        } else if (!sameJson(jsonOf(stored.receipt), jsonOf(receipt))) {
          report(
            restsOn(stored),
            `request ${requestId}: the agent got ${JSON.stringify(receipt)}, but the log has ${JSON.stringify(stored.receipt)}`,
          );
        }
      }
      return answers;
    },
  },
  {
    name: 'acknowledged-is-recorded',
    guarantee: 5,
    severity: 'breach',
    states: 'a request that was acknowledged as durable has a receipt at the end of the run',
    of: 'acknowledged requests',
    needs: ['client history', 'end of run'],
    look({ evidence: { clientHistory = [], receipts } }, report) {
      const due = new Set(
        clientHistory
          .filter(({ acknowledged }) => acknowledged === true)
          .map(({ requestId }) => requestId),
      );
      for (const { requestId } of receipts) due.delete(requestId);
      for (const requestId of due)
        report([], `request ${requestId} was acknowledged but has no receipt`);
      return clientHistory.filter(({ acknowledged }) => acknowledged === true).length;
    },
  },
  {
    name: 'request-of-one-instance',
    guarantee: 5,
    severity: 'warning',
    states: 'no agent used one request id for two instances',
    of: 'instances',
    needs: ['other receipts'],
    look({ evidence: { rows, receiptsElsewhere } }, report) {
      for (const [requestId, other] of receiptsElsewhere ?? []) {
        const seqs = rows.filter((row) => row.requestId === requestId).map(({ seq }) => seq);
        report(seqs, `request ${requestId} was also used for ${other}, which has its receipt`);
      }
      return 1;
    },
  },
];

/**
 * The rows of the request that its receipt must list. A decision may still be recorded under the
 * request's id after an `in_doubt` receipt: the previous holder was running the probe, and what
 * settles a doubt is always accepted.
 */
function writtenBefore(
  { requestId, receipt, lastSeq }: RecordedReceipt,
  rows: readonly Row[],
): Row[] {
  const written = rows.filter((row) => row.requestId === requestId);
  if (lastSeq !== undefined) return written.filter(({ seq }) => seq <= lastSeq);
  const after = written.slice(receipt.steps.length);
  return after.every(({ kind }) => kind === 'decided')
    ? written.slice(0, receipt.steps.length)
    : written;
}

function outcomeFault(receipt: Receipt, { step, nextCellId }: StateAtRow): string | undefined {
  const { outcome } = receipt;
  if (receipt.nextCellId !== nextCellId) {
    return `says that ${receipt.nextCellId ?? 'nothing'} is next, but it was ${nextCellId ?? 'nothing'}`;
  }
  const possible = outcomesAt(step);
  if (!(possible as readonly string[]).includes(outcome)) {
    return `says ${outcome}, but the instance was ${possible.join(' or ') || 'in the middle of an attempt'}`;
  }
  if (step.do !== 'settle') return undefined;
  const { inDoubt } = receipt;
  if (inDoubt?.cellId === step.doubt.cellId && inDoubt.attempt === step.doubt.attempt)
    return undefined;
  return `names a doubt other than ${step.doubt.cellId} attempt ${step.doubt.attempt}`;
}

function outcomesAt(step: StateAtRow['step']): Receipt['outcome'][] {
  switch (step.do) {
    case 'complete':
      return ['completed'];
    case 'halt':
      return ['halted'];
    case 'settle':
      return ['in_doubt'];
    case 'cancelled':
      return ['cancelled'];
    case 'await':
    case 'wait':
    case 'run':
      return ['parked', 'advanced'];
    case 'start':
    case 'satisfy':
    case 'refute':
    case 'skip':
    case 'unwind':
    case 'cancel':
      return ['advanced'];
    case 'close':
      return [];
  }
}

function stepText({ seq, cellId, kind, attempt }: Step): string {
  return `${seq}/${cellId}/${kind}/${attempt}`;
}

function list(steps: readonly { seq: number; kind: string }[]): string {
  return steps.length === 0 ? 'none' : steps.map(({ seq, kind }) => `${seq} ${kind}`).join(', ');
}

function restsOn({ lastSeq }: RecordedReceipt): number[] {
  return lastSeq === undefined || lastSeq === 0 ? [] : [lastSeq];
}
