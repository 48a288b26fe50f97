import { unwindingOf } from '../../src/execution/status.ts';
import type { Outcome, Receipt, ReceiptError } from '../../src/request/receipt.ts';
import type { RunContext } from './context.ts';
import type { InstanceLog } from './instance-log.ts';

/** Why a request is answered before its work ends. */
export const POSTGRES_UNAVAILABLE: ReceiptError = {
  code: 'unavailable',
  message: 'Postgres does not answer; nothing was run. Ask again with the same request id.',
};

/** The ids that a receipt takes from its request. */
export interface RequestName {
  instanceId: string;
  requestId: string;
}

/** The members that a receipt may have, depending on its outcome. */
export type ReceiptDetail = Pick<
  Receipt,
  'awaiting' | 'waiting' | 'children' | 'inFlight' | 'inDoubt' | 'error'
>;

/** The receipt of a request that is refused without looking at the log. */
export function refusedOutright(
  request: RequestName,
  outcome: 'expired' | 'not_found' | 'unavailable' | 'invalid',
  message: string,
): Receipt {
  return { ...bareReceipt(request, outcome), error: { code: outcome, message } };
}

/** Why a request cannot go on: nobody can serve it before Postgres accepts what comes next. */
export function refusedByPostgres(why: string): string {
  return `Postgres refuses to record what comes next: ${why}. Remove the cause, then ask again with the same request id.`;
}

/** A receipt that shows nothing of the log. */
function bareReceipt(request: RequestName, outcome: Receipt['outcome']): Receipt {
  const { requestId, instanceId } = request;
  return { requestId, instanceId, outcome, steps: [], nextCellId: null, holder: null };
}

/**
 * The answer to a request whose id has a receipt: that receipt, or a refusal if the id was used for
 * another instance. A request id belongs to one instance permanently.
 */
export function recordedFor(request: RequestName, recorded: Receipt): Receipt {
  if (recorded.instanceId === request.instanceId) return recorded;
  const message = `requestId: ${request.requestId} was used for instance ${recorded.instanceId}; choose a fresh one`;
  const refusal = refusedOutright(request, 'invalid', message);
  return { ...refusal, error: { code: 'invalid', message, field: 'requestId' } };
}

/** The receipt of a request, with the log as it is now. */
export function receiptOf(
  context: RunContext,
  log: InstanceLog,
  request: RequestName,
  outcome: Outcome,
  detail: ReceiptDetail,
): Receipt {
  const { stepsByRequest, unwinding } = log.view.state;
  return {
    requestId: request.requestId,
    instanceId: request.instanceId,
    outcome,
    steps: [...(stepsByRequest.get(request.requestId) ?? [])],
    nextCellId: log.nextCellId,
    holder: { replicaId: context.leases.replicaId, fencingToken: log.holding.token },
    ...(unwinding && { unwinding: unwindingOf(unwinding) }),
    ...detail,
  };
}
