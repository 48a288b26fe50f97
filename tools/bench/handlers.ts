import type { Handler } from '../../src/runbook/handler.ts';

/* The handlers of the bench's replicas, loaded through LEASEHOLD_HANDLERS. */

const handlers: Record<string, Handler> = {
  /** Costs nothing, so that only the product is measured. */
  nothing: () => ({ ok: true }),
  /** An effect that never ends. */
  endless: () => new Promise(() => undefined),
};

export default handlers;
