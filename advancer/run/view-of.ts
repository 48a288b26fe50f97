import type { InstanceView } from '../../src/execution/plan.ts';
import { foldRows } from '../../src/execution/state.ts';
import type { Snapshot } from '../log/log.ts';

/** An instance as a snapshot shows it. */
export function viewOf({
  instance,
  runbook,
  rows,
}: Pick<Snapshot, 'instance' | 'runbook' | 'rows'>): InstanceView {
  const { inputs, recordedAt } = instance;
  return { runbook, inputs, recordedAt, state: foldRows(rows) };
}
