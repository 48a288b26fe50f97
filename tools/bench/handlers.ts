import type { Handler } from '../../src/runbook/handler.ts';

/* The handlers of the bench, for LEASEHOLD_HANDLERS of its replicas. */

const handlers: Record<string, Handler> = {
  /** Costs nothing, so that what is measured is all ours. */
  nothing: () => ({ ok: true }),
  /** An effect that takes as long as anybody waits for it. */
  endless: () => new Promise(() => undefined),
};

export default handlers;
