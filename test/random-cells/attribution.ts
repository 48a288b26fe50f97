import type { Entry } from './ledger.ts';

/** A row of the log. */
export interface LogRow {
  seq: number;
  token: number;
  replicaId: string;
  kind: string;
  cellId: string;
  attempt: number;
  body: Record<string, unknown>;
  recordedAtMs: number;
}

/** An attempt as the log has it. */
export interface Attempt {
  attempt: number;
  key: string;
  started: LogRow;
  /** The row after `started`; undefined while the attempt is open. */
  closing: LogRow | undefined;
  /** The decisions about it, in order. */
  decisions: LogRow[];
}

/** The attempts of a cell, in order. */
export function attemptsOf(rows: readonly LogRow[], cellId: string): Attempt[] {
  const attempts: Attempt[] = [];
  for (const row of rows) {
    if (row.cellId !== cellId) continue;
    const newest = attempts.at(-1);
    if (row.kind === 'started') {
      const key = String(row.body['idempotencyKey']);
      const { attempt } = row;
      attempts.push({ attempt, key, started: row, closing: undefined, decisions: [] });
    } else if (newest !== undefined && row.attempt === newest.attempt) {
      if (row.kind === 'decided') newest.decisions.push(row);
      else newest.closing ??= row;
    }
  }
  return attempts;
}

/** Which attempt each effect belongs to. */
export interface Attribution {
  /** The effects of each attempt, which should be at most one. */
  byAttempt: Map<number, Entry[]>;
  /** Effects that no attempt can have made. */
  unexplained: Entry[];
}

/**
 * How much earlier than its `started` row an effect may seem to be: both are stamped on this
 * machine, in whole milliseconds.
 */
const CLOCK_SLACK_MS = 5;

/** How late a receiver on a busy machine may note what arrived. */
const LATE_MS = 2_000;

/** Whether the log says that the attempt sent something, and not too long ago. */
function mayHaveMade({ closing }: Attempt, { atMs }: Entry): boolean {
  if (closing?.body['reason'] === 'not_started') return false;
  return atMs === undefined || closing === undefined || atMs <= closing.recordedAtMs + LATE_MS;
}

/**
 * Finds the attempt of each effect.
 *
 * A command and a handler say which attempt they are. An http call does not; it carries the key and
 * the token. A process makes one attempt after another, so the latest effect belongs to the latest
 * attempt with that key and token which had begun by then, the one before it to an earlier one, and
 * so on. An effect that is noted late is still counted for its own attempt; one that was sent by no
 * other is counted for an attempt that says that it never began, which is a breach.
 */
export function attribute(effects: readonly Entry[], attempts: readonly Attempt[]): Attribution {
  const byAttempt = new Map<number, Entry[]>();
  const unexplained: Entry[] = [];
  const give = (attempt: number, entry: Entry): void => {
    byAttempt.set(attempt, [entry, ...(byAttempt.get(attempt) ?? [])]);
  };
  for (const entry of effects.toReversed()) {
    // Nothing arrived.
    if (entry.move === 'cancelled' || entry.move === 'found') continue;
    const possible = attempts.filter(
      ({ attempt, key, started }) =>
        key === entry.key &&
        started.token === entry.token &&
        (entry.attempt === undefined || entry.attempt === attempt),
    );
    const begun = possible.filter(
      ({ started }) =>
        entry.atMs === undefined || started.recordedAtMs <= entry.atMs + CLOCK_SLACK_MS,
    );
    const free = begun.filter(({ attempt }) => !byAttempt.has(attempt));
    const found = free.findLast((attempt) => mayHaveMade(attempt, entry)) ?? free.at(-1);
    const attempt = found ?? begun.at(-1);
    if (attempt === undefined) unexplained.unshift(entry);
    else give(attempt.attempt, entry);
  }
  return { byAttempt, unexplained };
}
