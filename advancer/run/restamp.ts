import type { Row } from '../../src/execution/row.ts';
import type { InstanceState } from '../../src/execution/state.ts';

/** Replaces this replica's times by the database's, once rows that the state has are committed. */
export function restamp(state: InstanceState, rows: readonly Row[]): void {
  const last = rows.at(-1);
  if (last === undefined || state.last?.seq !== last.seq) return;
  state.last = last;
  if (state.open !== undefined) state.open.since = last.recordedAt;
  if (state.doubt !== undefined) state.doubt.since = last.recordedAt;
  if (state.unwinding === undefined && state.cancelled === undefined) return;
  for (const { kind, recordedAt } of rows) {
    if (kind === 'unwinding' && state.unwinding) state.unwinding.since = recordedAt;
    if (kind === 'cancelled' && state.cancelled) state.cancelled.since = recordedAt;
  }
}
