import type { Json } from '../json.ts';
import type { ErrorCode } from '../request/messages.ts';
import type { Outcome, Receipt, ReceiptError } from '../request/receipt.ts';
import { readReply } from './replies.ts';

/** A replica's reply as a receipt; an error reply becomes the refusal that it stands for. */
export function receiptOf(body: Json, requestId: string, instanceId: string): Receipt {
  const read = readReply('receipt', body);
  switch (read.kind) {
    case 'result':
      return read.value;
    case 'error':
      return refusal(requestId, instanceId, outcomeOf(read.error.code), read.error);
    case 'malformed':
      return refusal(requestId, instanceId, 'unavailable', {
        code: 'unavailable',
        message: read.why,
      });
  }
}

function outcomeOf(code: ErrorCode): Outcome {
  return code === 'conflict' ? 'unavailable' : code;
}

/** A receipt that the agent makes itself, because no replica sent one. */
export function refusal(
  requestId: string | null,
  instanceId: string,
  outcome: Outcome,
  error: ReceiptError,
): Receipt {
  return { requestId, instanceId, outcome, steps: [], nextCellId: null, holder: null, error };
}
