// The effects of the storm, inside the replica: a process that is killed has noted its effect or
// has not, and notes nothing afterwards.
import { appendFileSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

export default {
  /** Notes its effect in the ledger, which is only ever appended to. */
  async note({ idempotencyKey, attempt, fencingToken, requestId, inputs }) {
    await pause(Math.random() * inputs.delayMs);
    appendFileSync(inputs.ledger, `${idempotencyKey} ${attempt} ${fencingToken} ${requestId}\n`);
    await pause(Math.random() * inputs.delayMs);
    return { done: true };
  },

  /** Whether an interrupted effect is in the ledger. */
  look({ idempotencyKey, inputs }) {
    const happened = readFileSync(inputs.ledger, 'utf8').includes(`${idempotencyKey} `);
    return happened ? { answer: 'happened', output: { done: true } } : { answer: 'did_not_happen' };
  },
};
