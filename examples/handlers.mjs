// Handlers for `exec: {handler: name}`, registered by LEASEHOLD_HANDLERS=examples/handlers.mjs.
// They run inside the replica.
import { countEffects, sendEffect } from './ledger/client.mjs';

export default {
  /** Books one region's day; see settlement.ts. */
  async settle({ cellId, inputs, idempotencyKey: key, fencingToken, signal }) {
    const body = { settle: cellId, day: inputs.day };
    try {
      return await sendEffect(inputs.ledger, { key, fencingToken, body, signal });
    } catch (error) {
      // An error that a handler throws counts as a definite failure and may be retried under a new
      // key. A lost answer is not a definite failure, so the ledger decides.
      const count = await countEffects(inputs.ledger, key);
      if (count === 0) throw error;
      return { key, count };
    }
  },
};
