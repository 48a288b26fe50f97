import type { StoredMessage } from '../../src/bus/request-stream.ts';
import { errorText } from '../../src/error-text.ts';
import type { Clock } from '../../src/time/clock.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { AgentIdPolicy } from '../intake/agent-account.ts';
import type { Router } from '../intake/router.ts';
import { LogUnavailable } from '../log/log.ts';
import type { Requests } from '../log/requests.ts';
import type { Counted } from '../run/context.ts';
import { refusedOutright } from '../run/receipts.ts';
import type { RecentReceipts } from '../run/recent-receipts.ts';
import { keyOfEnqueued, type EnqueuedOperations } from './enqueued-operations.ts';
import { readEnqueued, type EnqueuedRequest } from './read-enqueued.ts';
import type { ServingErrors } from './serving-errors.ts';

/** After this many errors of one process, people have to look at a request. */
const MAX_ERRORS = 8;
const FIRST_ERROR_PAUSE_MS = 1_000;
const MAX_ERROR_PAUSE_MS = 60_000;
/** A request that could not be served is tried again soon at first, and later less often. */
const FIRST_RETRY_MS = 200;
const MAX_RETRY_MS = 5_000;
/** How long Postgres has to come back. */
const WITHOUT_LOG_MS = 1_000;
/** A message of this age was missed by the replica that should have reacted at once. */
const LATE_MS = 2_000;
/** A run may take longer: then it goes on, and the message is looked at again later. */
const PATIENCE_MS = 60_000;

/** What is to become of a stored message. */
export type Settled =
  /** Its receipt is in the log. */
  | { do: 'ack' }
  /** It cannot be served: people have to look at it. `key`: of the errors that led to this. */
  | { do: 'poison'; reason: string; key?: string }
  | { do: 'retry'; afterMs: number };

/** What {@link StoredSettler} needs from the rest of the replica. */
export interface StoredSettlerOptions {
  router: Pick<Router, 'takeStored'>;
  requests: Pick<Requests, 'state' | 'refuse'>;
  receipts: Pick<RecentReceipts, 'get'>;
  operations: Pick<EnqueuedOperations, 'of'>;
  errors: ServingErrors;
  agentIds: AgentIdPolicy;
  clock: Clock;
  count: (event: Counted) => void;
  /** Postgres did not answer. */
  logTrouble: (cause: unknown) => void;
  /** Default: 60 s. */
  patienceMs?: number | undefined;
}

/**
 * Settles messages of the stream: has each request served, and then looks for its receipt in the
 * log. Only that ends a request; whatever is said on the bus does not.
 */
export class StoredSettler {
  readonly #options: StoredSettlerOptions;

  constructor(options: StoredSettlerOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async settle(message: StoredMessage): Promise<Settled> {
    const { agentIds, errors, logTrouble } = this.#options;
    const read = readEnqueued(message, agentIds);
    if (read.kind === 'unreadable') return { do: 'poison', reason: read.why };
    const { request } = read;
    try {
      return await this.#settle(message, request);
    } catch (cause) {
      if (cause instanceof LogUnavailable) {
        logTrouble(cause);
        return { do: 'retry', afterMs: WITHOUT_LOG_MS };
      }
      errors.add(keyOfEnqueued(request), errorText(cause));
      return this.#later(message, request);
    }
  }

  async #settle(message: StoredMessage, request: EnqueuedRequest): Promise<Settled> {
    const {
      router,
      receipts,
      requests,
      operations,
      clock,
      patienceMs = PATIENCE_MS,
    } = this.#options;
    const { requestId } = request;
    for (let tries = 0; ; tries += 1) {
      const known = receipts.get(requestId);
      if (known !== undefined) return endedBy(known, request);
      const { receipt, hasInstance } = await requests.state(request);
      if (receipt !== undefined) return endedBy(receipt, request);
      if (!hasInstance) {
        const refused = await this.#refuse(request);
        if (refused === 'recorded') return { do: 'ack' };
      } else if (tries > 0 || this.#isHopeless(request)) return this.#later(message, request);
      else {
        const late = message.deliveries > 1 || clock.wallMs() - message.storedAtMs > LATE_MS;
        const served = router.takeStored(operations.of(request, clock.wallMs()), late);
        const over = new AbortController();
        await Promise.race([served, clock.sleep(patienceMs, over.signal)]);
        over.abort();
      }
      if (tries > 1) return this.#later(message, request);
    }
  }

  /** There is no such instance: records that, under no lease. */
  async #refuse(request: EnqueuedRequest) {
    const { requests, clock, count } = this.#options;
    const { instanceId, requestId, agentId } = request;
    const receipt = unheldRefusal(request, clock.wallMs());
    const refused = await requests.refuse({ instanceId, requestId, agentId, receipt });
    if (refused === 'recorded') count({ what: 'receipt', outcome: receipt.outcome });
    return refused;
  }

  #isHopeless(request: EnqueuedRequest): boolean {
    return (this.#options.errors.of(keyOfEnqueued(request))?.times ?? 0) >= MAX_ERRORS;
  }

  #later({ deliveries }: StoredMessage, request: EnqueuedRequest): Settled {
    const key = keyOfEnqueued(request);
    const failures = this.#options.errors.of(key);
    if (failures === undefined)
      return { do: 'retry', afterMs: doubled(FIRST_RETRY_MS, deliveries, MAX_RETRY_MS) };
    const { times, why } = failures;
    if (times >= MAX_ERRORS) {
      const reason = `serving it failed ${times} times, the last time: ${why}`;
      return { do: 'poison', reason, key };
    }
    return { do: 'retry', afterMs: doubled(FIRST_ERROR_PAUSE_MS, times, MAX_ERROR_PAUSE_MS) };
  }
}

/** The receipt ends the request, unless its id was used for another instance before. */
function endedBy(receipt: Receipt, { instanceId, requestId }: EnqueuedRequest): Settled {
  if (receipt.instanceId === instanceId) return { do: 'ack' };
  const reason = `requestId: ${requestId} was used for instance ${receipt.instanceId}; choose a fresh one`;
  return { do: 'poison', reason };
}

function unheldRefusal(request: EnqueuedRequest, nowMs: number): Receipt {
  const { instanceId, invalid, expiresAt } = request;
  if (invalid !== undefined)
    return { ...refusedOutright(request, 'invalid', invalid.message), error: invalid };
  if (expiresAt !== undefined && Date.parse(expiresAt) < nowMs)
    return refusedOutright(request, 'expired', 'the request has expired; nothing was run');
  return refusedOutright(request, 'not_found', `there is no instance ${instanceId}`);
}

/** The nth pause: each is twice as long as the one before, up to a limit. */
function doubled(firstMs: number, nth: number, maxMs: number): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(30, nth - 1));
}
