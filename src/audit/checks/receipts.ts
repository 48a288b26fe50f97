import type { Row } from '../../execution/row.ts';
import { sameJson, type Json } from '../../json.ts';
import { isRecorded, type Receipt, type Step } from '../../request/receipt.ts';
import type { Check } from '../check.ts';
import type { RecordedReceipt } from '../evidence.ts';
import type { RequestProgress } from '../walk.ts';

/** Refusals that an enqueued request is recorded with, since nobody waits for its answer. */
const RECORDED_REFUSALS: readonly string[] = ['expired', 'not_found', 'out_of_order', 'invalid'];

/** Guarantee 5: an acknowledged request has one receipt, which says all that was done for it. */
export const RECEIPTS: readonly Check[] = [
  {
    name: 'one-receipt-per-request',
    guarantee: 5,
    severity: 'breach',
    states:
      'a request has one receipt, which names it and its instance and has an outcome that is recorded',
    of: 'receipts',
    needs: [],
    look({ evidence: { instanceId, receipts } }, say) {
      const seen = new Set<string>();
      for (const { requestId, receipt } of receipts) {
        if (seen.has(requestId)) say([], `request ${requestId} has two receipts`);
        seen.add(requestId);
        if (receipt.requestId !== requestId || receipt.instanceId !== instanceId) {
          say(
            [],
            `the receipt of request ${requestId} names request ${receipt.requestId} of ${receipt.instanceId}`,
          );
        }
        if (!isRecorded(receipt.outcome) && !RECORDED_REFUSALS.includes(receipt.outcome)) {
          say([], `the receipt of request ${requestId} is ${receipt.outcome}, which is no end`);
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
    look({ evidence: { rows, receipts } }, say) {
      for (const recorded of receipts) {
        const { requestId, receipt } = recorded;
        const written = writtenBefore(recorded, rows);
        if (written.map(stepText).join() === receipt.steps.map(stepText).join()) continue;
        say(
          written.map(({ seq }) => seq),
          `the receipt of request ${requestId} has steps ${list(receipt.steps)}, the log has ${list(written)}`,
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
    look({ evidence: { rows, receipts } }, say) {
      for (const { requestId, receipt, lastSeq } of receipts) {
        const restedOn = lastSeq ?? Math.max(0, ...receipt.steps.map(({ seq }) => seq));
        for (const row of rows) {
          if (row.requestId !== requestId || row.seq <= restedOn) continue;
          say(
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
      "a receipt rests on a row that is there, under a token no older than that row, its own holder's",
    of: 'receipts',
    needs: ['columns of receipts'],
    look({ evidence: { rows, receipts } }, say) {
      for (const { requestId, receipt, lastSeq = 0, fencingToken = 0 } of receipts) {
        const last = rows.find(({ seq }) => seq === lastSeq);
        if (lastSeq > 0 && last === undefined) {
          say(
            [],
            `the receipt of request ${requestId} rests on seq ${lastSeq}, which is not there`,
          );
        } else if (last !== undefined && fencingToken < last.fencingToken) {
          say(
            [last.seq],
            `the receipt of request ${requestId} is under token ${fencingToken}, the row that it rests on under ${last.fencingToken}`,
          );
        }
        if (receipt.holder !== null && receipt.holder.fencingToken !== fencingToken) {
          say(
            [],
            `the receipt of request ${requestId} names token ${receipt.holder.fencingToken} and was written under ${fencingToken}`,
          );
        }
      }
      return receipts.length;
    },
  },
  {
    name: 'receipt-says-what-the-log-said',
    guarantee: 5,
    severity: 'breach',
    states: 'the outcome of a receipt is where the instance stood at the seq that it rests on',
    of: 'receipts',
    needs: ['runbook', 'columns of receipts'],
    look({ evidence: { receipts }, walk }, say) {
      let count = 0;
      for (const recorded of receipts) {
        const stood = walk.rests.get(recorded.lastSeq ?? -1);
        if (stood === undefined || !isRecorded(recorded.receipt.outcome)) continue;
        count += 1;
        const fault = outcomeFault(recorded.receipt, stood);
        if (fault !== undefined)
          say(restsOn(recorded), `the receipt of request ${recorded.requestId} ${fault}`);
      }
      return count;
    },
  },
  {
    name: 'told-what-is-recorded',
    guarantee: 5,
    severity: 'breach',
    states: 'whoever was told an outcome that is recorded was told the receipt that is recorded',
    of: 'answers',
    needs: ['told'],
    look({ evidence: { told = [], receipts } }, say) {
      let answers = 0;
      for (const { requestId, receipt } of told) {
        // Who heard nothing was told nothing: the request may have ended either way.
        if (receipt === undefined || !isRecorded(receipt.outcome)) continue;
        answers += 1;
        const stored = receipts.find((one) => one.requestId === requestId);
        if (stored === undefined) {
          say([], `request ${requestId}: told ${receipt.outcome}, and nothing is recorded`);
        } else if (!sameJson(stored.receipt as unknown as Json, receipt as unknown as Json)) {
          say(
            restsOn(stored),
            `request ${requestId}: told ${JSON.stringify(receipt)}, recorded is ${JSON.stringify(stored.receipt)}`,
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
    states: 'a request that was acknowledged as durable has its receipt in the end',
    of: 'acknowledged requests',
    needs: ['told', 'end of run'],
    look({ evidence: { told = [], receipts } }, say) {
      const due = new Set(
        told.filter(({ acknowledged }) => acknowledged === true).map(({ requestId }) => requestId),
      );
      for (const { requestId } of receipts) due.delete(requestId);
      for (const requestId of due)
        say([], `request ${requestId} was acknowledged and has no receipt`);
      return told.filter(({ acknowledged }) => acknowledged === true).length;
    },
  },
  {
    name: 'request-of-one-instance',
    guarantee: 5,
    severity: 'warning',
    states: 'no agent used one request id for two instances',
    of: 'instances',
    needs: ['other receipts'],
    look({ evidence: { rows, receiptsElsewhere } }, say) {
      for (const [requestId, other] of receiptsElsewhere ?? []) {
        const seqs = rows.filter((row) => row.requestId === requestId).map(({ seq }) => seq);
        say(seqs, `request ${requestId} was used for ${other} too, which has its receipt`);
      }
      return 1;
    },
  },
];

/**
 * The rows of the request that its receipt must name. A decision may still come under the request's
 * id when the receipt already says `in_doubt`: the holder before was asking the probe, and what
 * ends a doubt is always let in.
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

function outcomeFault(receipt: Receipt, { step, nextCellId }: RequestProgress): string | undefined {
  const { outcome } = receipt;
  if (receipt.nextCellId !== nextCellId) {
    return `says that ${receipt.nextCellId ?? 'nothing'} is next, but it was ${nextCellId ?? 'nothing'}`;
  }
  const stood = outcomesAt(step);
  if (!(stood as readonly string[]).includes(outcome)) {
    return `says ${outcome}, but the instance was ${stood.join(' or ') || 'in the middle of an attempt'}`;
  }
  if (step.do !== 'settle') return undefined;
  const { inDoubt } = receipt;
  if (inDoubt?.cellId === step.doubt.cellId && inDoubt.attempt === step.doubt.attempt)
    return undefined;
  return `names another doubt than ${step.doubt.cellId} attempt ${step.doubt.attempt}`;
}

function outcomesAt(step: RequestProgress['step']): Receipt['outcome'][] {
  switch (step.do) {
    case 'complete':
      return ['completed'];
    case 'halt':
      return ['halted'];
    case 'settle':
      return ['in_doubt'];
    case 'await':
      return ['parked', 'advanced'];
    case 'start':
    case 'satisfy':
    case 'refute':
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
