import type { Check } from './check.ts';
import { CLOCKS } from './checks/clocks.ts';
import { DECISIONS } from './checks/decisions.ts';
import { EFFECTS } from './checks/effects.ts';
import { INTENT } from './checks/intent.ts';
import { LIVENESS } from './checks/liveness.ts';
import { ORDER } from './checks/order.ts';
import { OUTCOME_CHECKS } from './checks/outcomes.ts';
import { RECEIPTS } from './checks/receipts.ts';
import { TOKENS } from './checks/tokens.ts';
import { TRUTH } from './checks/truth.ts';

/** Every check, by guarantee. */
export const CHECKS: readonly Check[] = [
  ...INTENT,
  ...TOKENS,
  ...ORDER,
  ...DECISIONS,
  ...EFFECTS,
  ...OUTCOME_CHECKS,
  ...LIVENESS,
  ...RECEIPTS,
  ...TRUTH,
  ...CLOCKS,
].sort((a, b) => a.guarantee - b.guarantee);
