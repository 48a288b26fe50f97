// Handlers for tests, registered by LEASEHOLD_HANDLERS. They run inside the replica.
const calls = new Map();

export default {
  /** Sends its effect to the witness, and answers what it was called with. */
  async report({
    instanceId,
    cellId,
    attempt,
    fencingToken,
    idempotencyKey,
    inputs,
    outputs,
    signal,
  }) {
    const response = await fetch(`${inputs.witness}/effects`, {
      method: 'POST',
      signal,
      headers: {
        'content-type': 'application/json',
        'idempotency-key': idempotencyKey,
        'leasehold-fencing-token': String(fencingToken),
        attempt: String(attempt),
      },
      body: JSON.stringify({ instanceId, cellId, inputs, outputs }),
    });
    return { status: response.status, attempt, fencingToken, idempotencyKey, outputs };
  },

  /** Throws, always. */
  fail() {
    throw new Error('this handler never succeeds');
  },

  /** Changes what it was given; nobody else may see that. */
  vandal({ inputs, outputs }) {
    inputs.witness = 'gone';
    for (const name of Object.keys(outputs)) delete outputs[name];
    return { calls: calls.size };
  },
};
