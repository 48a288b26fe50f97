import type { Check } from './check.ts';
import { CHILDREN } from './checks/children.ts';
import { CLOCKS } from './checks/clocks.ts';
import { DECISIONS } from './checks/decisions.ts';
import { EFFECTS } from './checks/effects.ts';
import { ENDINGS } from './checks/endings.ts';
import { INTENT } from './checks/intent.ts';
import { LIVENESS } from './checks/liveness.ts';
import { ORDER } from './checks/order.ts';
import { OUTCOME_CHECKS } from './checks/outcomes.ts';
import { RECEIPTS } from './checks/receipts.ts';
import { TICKS } from './checks/ticks.ts';
import { TOKENS } from './checks/tokens.ts';
import { TRUTH } from './checks/truth.ts';
import { UNATTENDED } from './checks/unattended.ts';
import { UNDO } from './checks/undo.ts';
import { WAITS } from './checks/waits.ts';

/** Every check, by guarantee. */
export const CHECKS: readonly Check[] = [
  ...INTENT,
  ...TOKENS,
  ...ORDER,
  ...DECISIONS,
  ...EFFECTS,
  ...ENDINGS,
  ...UNDO,
  ...WAITS,
  ...CHILDREN,
  ...TICKS,
  ...OUTCOME_CHECKS,
  ...LIVENESS,
  ...UNATTENDED,
  ...RECEIPTS,
  ...TRUTH,
  ...CLOCKS,
].sort((a, b) => a.guarantee - b.guarantee);
