import { errorText } from '../../src/error-text.ts';
import { jsonOf } from '../../src/json.ts';
import type { Operation } from '../intake/pending-request.ts';
import { LogUnavailable } from '../log/log.ts';
import type { AdvanceRequest } from '../run/active-request.ts';
import type { Counted } from '../run/context.ts';
import type { Handled } from '../run/handled.ts';
import { refusedOutright } from '../run/receipts.ts';
import { forwardedBody, readForwarded, type EnqueuedRequest } from './read-enqueued.ts';
import type { ServingErrors } from './serving-errors.ts';

/** How long one is remembered in memory; the stream remembers it for as long as it takes. */
const REMEMBERED_MS = 30_000;

/** Makes the operations of enqueued requests, which the router takes as it takes any other. */
export class EnqueuedOperations {
  readonly #errors: ServingErrors;
  readonly #count: (event: Counted) => void;

  constructor(errors: ServingErrors, count: (event: Counted) => void) {
    this.#errors = errors;
    this.#count = count;
  }

  /** The operation that another replica asks this one to serve; undefined if it cannot be read. */
  forwarded(instanceId: string, body: string, nowMs: number): Operation | undefined {
    const request = readForwarded(instanceId, body);
    return request && this.of(request, nowMs);
  }

  of(enqueued: EnqueuedRequest, nowMs: number): Operation {
    const { instanceId, requestId, agentId, cellId, maxCells, expiresAt, invalid } = enqueued;
    const key = keyOfEnqueued(enqueued);
    const request: AdvanceRequest = {
      instanceId,
      requestId,
      agentId,
      cellId,
      maxCells,
      wait: false,
      expiresAtMs: expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresAt),
      enqueued: { invalid },
    };
    const failed = (why: string): void => this.#errors.add(key, why);
    return {
      key,
      instanceId,
      requestId,
      share: { agentId: agentId ?? undefined, bytes: 0 },
      expiresAtMs: nowMs + REMEMBERED_MS,
      runsEffects: invalid === undefined,
      serve: async (held, progress) => {
        let handled: Handled;
        try {
          handled = await held.advance(request, progress);
        } catch (cause) {
          if (!(cause instanceof LogUnavailable)) failed(errorText(cause));
          throw cause;
        }
        if (handled.kind === 'handed_on') return handled;
        const { receipt } = handled;
        const { outcome } = receipt;
        if (handled.kind === 'wrong_replica')
          return { kind: 'wrong_replica', wrong: handled, refusal: () => jsonOf(receipt) };
        if (handled.rejected === true) failed(receipt.error?.message ?? outcome);
        if (outcome === 'not_found' && handled.recorded !== true)
          return { kind: 'no_instance', reply: jsonOf(receipt) };
        this.#count({ what: 'receipt', outcome });
        return { kind: 'answered', reply: jsonOf(receipt), recorded: handled.recorded === true };
      },
      forward: () => ({ verb: 'enqueue', instanceId, body: forwardedBody(enqueued) }),
      // Nobody hears it: the request stays in the stream.
      refusal: (outcome, why) => jsonOf(refusedOutright(request, outcome, why)),
    };
  }
}

/** Identifies the request, on every replica alike. */
export function keyOfEnqueued({ instanceId, requestId }: EnqueuedRequest): string {
  return `enqueue/${instanceId}/${requestId}`;
}
