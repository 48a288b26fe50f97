import type { Handler, HandlerCall } from '../../src/runbook/handler.ts';
import type { Json } from '../../src/json.ts';
import { echo } from './echo.ts';
import { SECRET } from './secret-runbook.ts';

/*
 * The workload's handlers: the LEASEHOLD_HANDLERS of the run's replicas. All they do is report an
 * effect to the witness. One prints a secret, too.
 */

function text(input: Json | undefined): string {
  return typeof input === 'string' ? input : '';
}

/** Reports an effect to the witness. */
async function report(call: HandlerCall, query: string, signal?: AbortSignal): Promise<Json> {
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
  /** Takes `inputs.ms`, and ignores the abort signal. */
  stubborn: (call) => report(call, `ms=${text(call.inputs['ms'])}`),
  /** Takes `inputs.ms`, and stops when the signal aborts. */
  obedient: (call) => report(call, `ms=${text(call.inputs['ms'])}`, call.signal),
  /** Fails definitely twice, then succeeds. */
  flaky: (call) => report(call, 'fail=2'),
  /** Throws its secret the first time, and returns it the second time. */
  async telling(call) {
    const secret = call.secret(SECRET) ?? '';
    const failed = (cause: unknown): never => {
      throw new Error(`refused for ${secret}: ${JSON.stringify(echo(secret))}`, { cause });
    };
    await report(call, 'fail=1').catch(failed);
    return echo(secret);
  },
};

export default handlers;
