// The probe of these runbooks. It runs when an attempt was interrupted and the log cannot
// tell whether the effect happened. The ledger can. The probe receives the idempotency key of the
// interrupted attempt and prints what it found on stdout.
import { countEffects } from './ledger/client.mjs';

const [, , ledger] = process.argv;
const key = process.env.LEASEHOLD_IDEMPOTENCY_KEY;
const count = await countEffects(ledger, key);

console.log(
  JSON.stringify(
    count > 0 ? { answer: 'happened', output: { key, count } } : { answer: 'did_not_happen' },
  ),
);
