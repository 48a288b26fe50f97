import { errorText } from '../src/error-text.ts';
import type { Clock } from '../src/time/clock.ts';
import { withDeadline } from '../src/time/deadline.ts';
import { StoreUnavailable } from './store.ts';

/** How long the gate may take to answer, in milliseconds. */
const GATE_MS = 3_000;

/** Asks the gate whether this process may lead; undefined: it may. Never rejects. */
export async function askGate(
  clock: Clock,
  ask: () => Promise<string | undefined>,
): Promise<string | undefined> {
  const late = `the check before leading did not answer within ${GATE_MS} ms`;
  try {
    return await withDeadline(clock, GATE_MS, StoreUnavailable, late, ask);
  } catch (error) {
    return `the check before leading failed: ${errorText(error)}`;
  }
}
