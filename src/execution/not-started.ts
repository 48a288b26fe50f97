/**
 * The attempts of a cell, one after another, whose effects never began. They use up no retry and
 * change no idempotency key; they only make the next attempt wait.
 */
export interface NotStarted {
  count: number;
  /**
   * The replicas that could not begin the effect. One whose term ended before it began, or that met
   * an internal error, is not among them: it may try again, after the wait.
   */
  by: readonly string[];
  /** Why the newest one never began. */
  why: string;
}

/** Whether a replica may make the next attempt of a cell. */
export type MayStart =
  | { kind: 'start'; afterMs: number }
  /** It has had its attempt; another live replica has not. */
  | { kind: 'elsewhere'; forMs: number }
  /** Every live replica has had its attempt: nothing more is written for so long. */
  | { kind: 'unavailable'; forMs: number };

const FIRST_BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 60_000;

/** How long to wait after this many attempts in a row that never began, in milliseconds. */
export function notStartedBackoffMs(count: number): number {
  return Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (count - 1));
}

/**
 * Decides who makes the next attempt of a cell whose attempts never began: a replica that has not
 * tried yet, after the backoff. Once every live replica has tried, nobody does until the backoff
 * is over, so that a cell that no replica can run does not fill its log.
 *
 * A replica that has joined since has not tried, so a change of the registry lets it go on at once.
 *
 * @param live the live replicas, as last seen
 * @param waitedMs since when the newest of those attempts has been in the log
 */
export function mayStart(
  notStarted: NotStarted | undefined,
  replicaId: string,
  live: readonly string[],
  waitedMs: number,
): MayStart {
  if (notStarted === undefined) return { kind: 'start', afterMs: 0 };
  const { count, by } = notStarted;
  const forMs = Math.max(0, notStartedBackoffMs(count) - waitedMs);
  if (forMs === 0 || !by.includes(replicaId)) return { kind: 'start', afterMs: forMs };
  const untried = live.some((other) => other !== replicaId && !by.includes(other));
  return { kind: untried ? 'elsewhere' : 'unavailable', forMs };
}
