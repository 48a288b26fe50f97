// The last cell of both refunds: notifies the customer. Here the ledger stands in for that.
//
// The cell says `onInterrupt: rerun`: after a crash this script runs again, under the same
// idempotency key. So it first asks whether the message was already sent. (A receiver that
// deduplicates by the key is better still, because an interrupted run may still be on its way.)
import { readFileSync, writeFileSync } from 'node:fs';
import { countEffects, sendEffect } from './ledger/client.mjs';

const [, , ledger] = process.argv;
const { inputs, outputs } = JSON.parse(readFileSync(0, 'utf8'));
const key = process.env.LEASEHOLD_IDEMPOTENCY_KEY;
const fencingToken = process.env.LEASEHOLD_FENCING_TOKEN;

let count = await countEffects(ledger, key);
if (count === 0) {
  const body = { message: `order ${inputs.order} is refunded`, charge: outputs.charge.key };
  ({ count } = await sendEffect(ledger, { key, fencingToken, body }));
}

console.error(`told the customer about order ${inputs.order}`);
writeFileSync(process.env.LEASEHOLD_OUTPUT_FILE, JSON.stringify({ key, count }));
