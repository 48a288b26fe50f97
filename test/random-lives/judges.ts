import type { Random } from '../../tools/chaos/random.ts';

/** What has to be decided: an attempt in doubt, or a cell that halted the instance. */
export interface Question {
  kind: string;
  cellId: string;
  attempt: number;
  /** The idempotency key of the attempt; undefined for a cell without effects. */
  key: string | undefined;
  /** Whether the receiver has acted under that key. */
  happened: boolean;
}

/** The newest row of a log as `status` shows it, and the key of its attempt. */
export function newestOf(
  log: readonly Record<string, unknown>[],
): Omit<Question, 'happened'> | undefined {
  const newest = log.at(-1);
  if (newest === undefined) return undefined;
  const place = placeOf(newest);
  const started = log.findLast(
    (row) =>
      row['kind'] === 'started' &&
      placeOf(row).cellId === place.cellId &&
      placeOf(row).attempt === place.attempt,
  );
  const body = started?.['body'] as { idempotencyKey?: string } | undefined;
  return { kind: String(newest['kind']), ...place, key: body?.idempotencyKey };
}

/**
 * A true answer to it. Of an effect that has not happened, both answers are true: that it is made
 * again, and that the instance goes on without it.
 *
 * @param patient whether another failure can be borne
 */
export function judge(
  { cellId, attempt, happened }: Question,
  random: Random,
  patient: boolean,
  agentId: string,
): object {
  const as = happened
    ? 'succeeded'
    : random.pick(patient ? ['rerun', 'rerun', 'skipped'] : ['skipped']);
  const output = as === 'succeeded' ? { output: { ok: true, by: agentId } } : {};
  return { cellId, attempt, as, reason: `${agentId} has looked`, ...output };
}

function placeOf(row: Record<string, unknown>): { cellId: string; attempt: number } {
  return { cellId: String(row['cell_id'] ?? row['cellId']), attempt: Number(row['attempt']) };
}
