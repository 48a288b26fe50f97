import type { Receipt } from '../../src/request/receipt.ts';
import { childrenText } from './children.ts';

/** A receipt in one line: the outcome, the cells it passed or tried, and why it went no further. */
export function receiptLine(receipt: Receipt): string {
  const { outcome, steps, holder, awaiting, waiting, children, inFlight, inDoubt, error } = receipt;
  const passed = new Set(
    steps
      .filter(({ kind }) => kind === 'completed' || kind === 'satisfied')
      .map(({ cellId }) => cellId),
  );
  const tried = new Set(steps.map(({ cellId }) => cellId).filter((cellId) => !passed.has(cellId)));
  const where = holder === null ? '' : ` on ${holder.replicaId}`;
  const details = [
    steps.length === 0 && 'ran nothing',
    passed.size > 0 && `passed ${[...passed].join(', ')}`,
    tried.size > 0 && `tried ${[...tried].join(', ')}`,
    awaiting && `waits for claim ${awaiting.claimId} to be ${awaiting.statuses.join(' or ')}`,
    waiting && `waits until ${waiting.until}`,
    children && childrenText(children),
    inFlight && `attempt ${inFlight.attempt} of ${inFlight.cellId} is running${where}`,
    inDoubt &&
      `what attempt ${inDoubt.attempt} of ${inDoubt.cellId} did is unknown (${inDoubt.reason})`,
    error?.message,
  ];
  return `${outcome}: ${details.filter(Boolean).join('; ')}`;
}
