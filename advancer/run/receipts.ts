import type { Outcome, Receipt } from '../../src/request/receipt.ts';
import type { RunContext } from './context.ts';
import type { InstanceLog } from './instance-log.ts';

/** What a receipt needs to know of its request. */
export interface RequestName {
  instanceId: string;
  requestId: string;
}

/** What a receipt says beside its outcome. */
export type ReceiptDetail = Pick<Receipt, 'awaiting' | 'inFlight' | 'inDoubt' | 'error'>;

/** A receipt for a request that was refused before the log was looked at. */
export function refusedOutright(
  request: RequestName,
  outcome: 'expired' | 'not_found' | 'unavailable' | 'invalid',
  message: string,
): Receipt {
  return { ...bareReceipt(request, outcome), error: { code: outcome, message } };
}

/** A receipt that says nothing of the log. */
function bareReceipt(request: RequestName, outcome: Receipt['outcome']): Receipt {
  const { requestId, instanceId } = request;
  return { requestId, instanceId, outcome, steps: [], nextCellId: null, holder: null };
}

/** A request id belongs to one instance for ever. */
export function recordedFor(request: RequestName, recorded: Receipt): Receipt {
  if (recorded.instanceId === request.instanceId) return recorded;
  const message = `requestId: ${request.requestId} was used for instance ${recorded.instanceId}; choose a fresh one`;
  const refusal = refusedOutright(request, 'invalid', message);
  return { ...refusal, error: { code: 'invalid', message, field: 'requestId' } };
}

/** The receipt of a request as the term's log stands now. */
export function receiptOf(
  context: RunContext,
  term: InstanceLog,
  request: RequestName,
  outcome: Outcome,
  detail: ReceiptDetail,
): Receipt {
  return {
    requestId: request.requestId,
    instanceId: request.instanceId,
    outcome,
    steps: [...(term.course.state.stepsByRequest.get(request.requestId) ?? [])],
    nextCellId: term.nextCellId,
    holder: { replicaId: context.leases.replicaId, fencingToken: term.holding.token },
    ...detail,
  };
}
