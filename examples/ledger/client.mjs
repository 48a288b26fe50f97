// The ledger's client, for the examples' scripts and handlers.

/** How many effects the ledger has under an idempotency key. */
export async function countEffects(ledger, key) {
  const answer = await fetch(`${ledger}/effects?key=${encodeURIComponent(key)}`);
  if (!answer.ok) throw new Error(`the ledger answered ${answer.status}`);
  return (await answer.json()).count;
}

/**
 * Sends an effect with its key and token, by which a ledger can detect repeats and stale senders.
 */
export async function sendEffect(ledger, { key, fencingToken, body, signal }) {
  const answer = await fetch(`${ledger}/effects`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'idempotency-key': key,
      'leasehold-fencing-token': String(fencingToken),
    },
    body: JSON.stringify(body),
    signal,
  });
  if (answer.status !== 201) throw new Error(`the ledger answered ${answer.status}`);
  return answer.json();
}
