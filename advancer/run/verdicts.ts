import { placeOfInstance } from '../../src/execution/plan.ts';
import type { JsonObject } from '../../src/json.ts';
import type { Cell } from '../../src/runbook/runbook.ts';
import type { InstanceLog, Requester } from './instance-log.ts';

/** The row of each verdict on a cell that has no attempts. */
const KINDS = { satisfy: 'satisfied', refute: 'refuted', skip: 'skipped' } as const;

/** Proposes what a cell without effects has come to. */
export function proposeVerdict(
  log: InstanceLog,
  { cell, attempt }: { cell: Cell; attempt: number },
  { do: verdict, body }: { do: keyof typeof KINDS; body: JsonObject },
  requester: Requester,
): void {
  log.propose(KINDS[verdict], cell.id, attempt, body, requester);
}

/** Who has an instance unwound or cancelled, and why. */
interface Cause {
  /** An agent's id, `@policy` or `@parent`. */
  by: string;
  reason: string;
  /** Whether its children are cancelled, too. */
  children?: boolean | undefined;
}

/** Proposes that what was satisfied is undone from now on, and nothing else is run. */
export function proposeUnwinding(log: InstanceLog, cause: Cause, requester: Requester): void {
  propose(log, 'unwinding', bodyOf(cause), requester);
}

/** Proposes the end of the instance, with the attempts of which nobody knows what they did. */
export function proposeCancelled(log: InstanceLog, cause: Cause, requester: Requester): void {
  propose(log, 'cancelled', { ...bodyOf(cause), left: leftDoubts(log) }, requester);
}

/** Proposes the end of an instance of which everything is undone. */
export function proposeUnwound(log: InstanceLog, requester: Requester): void {
  const { unwinding } = log.view.state;
  if (unwinding === undefined) throw new Error('the instance is not being unwound');
  proposeCancelled(log, unwinding, requester);
}

/**
 * The attempts whose outcome is unknown: one in doubt, and one that was to be run again by policy
 * and was not.
 */
function leftDoubts({ view }: InstanceLog): { cellId: string; attempt: number }[] {
  const left = [];
  for (const [cellId, { unsettled: attempt }] of view.state.cells)
    if (attempt !== undefined) left.push({ cellId, attempt });
  return left;
}

function propose(
  log: InstanceLog,
  kind: 'unwinding' | 'cancelled',
  body: JsonObject,
  requester: Requester,
): void {
  const { cellId, attempt } = placeOfInstance(log.view);
  log.propose(kind, cellId, attempt, body, requester);
}

function bodyOf({ by, reason, children }: Cause): JsonObject {
  return { by, reason, ...(children === true && { children }) };
}
