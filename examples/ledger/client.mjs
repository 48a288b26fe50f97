// How the examples' scripts and handlers talk to the ledger.

/** How many effects the ledger has under an idempotency key. */
export async function countEffects(ledger, key) {
  const answer = await fetch(`${ledger}/effects?key=${encodeURIComponent(key)}`);
  if (!answer.ok) throw new Error(`the ledger answered ${answer.status}`);
  return (await answer.json()).count;
}

/**
 * Sends an effect, with what lets the ledger tell a repetition and a stale sender: key and token.
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
