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

/** Proposes that the instance is unwound from now on, as its runbook wants after a halt. */
export function proposeUnwinding(log: InstanceLog, reason: string, requester: Requester): void {
  const { cellId, attempt } = placeOfInstance(log.view);
  log.propose('unwinding', cellId, attempt, { by: '@policy', reason }, requester);
}

/** Proposes the end of the unwinding. Nothing is left in doubt, or there would be a next step. */
export function proposeUnwound(log: InstanceLog, requester: Requester): void {
  const { unwinding } = log.view.state;
  if (unwinding === undefined) throw new Error('the instance is not being unwound');
  const { by, reason, children } = unwinding;
  const { cellId, attempt } = placeOfInstance(log.view);
  const body = { by, reason, ...(children && { children }), left: [] };
  log.propose('cancelled', cellId, attempt, body, requester);
}
