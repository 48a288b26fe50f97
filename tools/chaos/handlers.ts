import type { Handler, HandlerCall } from '../../src/runbook/handler.ts';
import type { Json } from '../../src/json.ts';

/*
 * The handlers of the workload, for LEASEHOLD_HANDLERS of the run's replicas. They do nothing but
 * tell the witness.
 */

function text(input: Json | undefined): string {
  return typeof input === 'string' ? input : '';
}

/** Tells the witness, and takes as long as `inputs.ms` says. */
async function tell(call: HandlerCall, query: string, signal?: AbortSignal): Promise<Json> {
  const { inputs, idempotencyKey, fencingToken, attempt } = call;
  const response = await fetch(`${text(inputs['witness'])}/effects?${query}`, {
    method: 'POST',
    headers: {
      'idempotency-key': idempotencyKey,
      'leasehold-fencing-token': String(fencingToken),
      'x-attempt': String(attempt),
    },
    ...(signal !== undefined && { signal }),
  });
  const body = (await response.json()) as Json;
  if (!response.ok) throw new Error(`the witness answered ${response.status}`);
  return body;
}

const handlers: Record<string, Handler> = {
  /** Goes on to its end whatever happens to the lease. */
  stubborn: (call) => tell(call, `ms=${text(call.inputs['ms'])}`),
  /** Ends when it is told to. */
  obedient: (call) => tell(call, `ms=${text(call.inputs['ms'])}`, call.signal),
  /** Fails twice, for good each time, before it works. */
  flaky: (call) => tell(call, 'fail=2'),
};

export default handlers;
