import { isId } from '../ids.ts';
import type { Json, JsonObject } from '../json.ts';
import { fill, type Scope } from '../runbook/placeholder.ts';
import type { AwaitCell } from '../runbook/runbook.ts';
import { parseWaitMs } from '../time/duration.ts';
import { parseInstant } from '../time/instant.ts';
import type { Awaiting, Waiting } from './views.ts';

/**
 * When a wait is over: at a moment, or a while after another one. Moments are ISO 8601 with
 * microseconds. Only the database's clock says whether one has come.
 */
export type Due = { atIso: string } | { sinceIso: string; afterMs: number };

/** The newest revision of a claim; undefined if it was never made. */
export type ClaimView =
  { revision: number; status: string; agentId: string; evidence?: unknown } | undefined;

/** A cell that waits for a claim; {@link judgeAwait} decides what follows. */
export interface AwaitStep {
  do: 'await';
  cell: AwaitCell;
  attempt: number;
  claimId: string;
  statuses: string[];
  /** Undefined if it waits as long as it takes. */
  deadline: Due | undefined;
  /** What follows if the deadline passes first. */
  otherwise: 'halt' | 'skip';
}

/** A cell that waits for time to pass; {@link judgeWait} decides what follows. */
export interface WaitStep {
  do: 'wait';
  cell: AwaitCell;
  attempt: number;
  until: Due;
}

/** What a wait has come to. */
export type Judgement = { do: 'satisfy' | 'refute' | 'skip'; body: JsonObject };

/**
 * What an await cell waits for. Its placeholders are filled: a value that is no id, no duration or
 * no time is an error that names it.
 *
 * @param sinceIso when the wait began: when the row before it was recorded
 */
export function awaitOf(
  cell: AwaitCell,
  attempt: number,
  scope: Scope,
  sinceIso: string,
): AwaitStep | WaitStep | { error: string } {
  const wanted = cell.await;
  if (!('claim' in wanted)) {
    const until = dueOf('for' in wanted ? { within: wanted.for } : wanted, scope, sinceIso);
    return 'error' in until ? until : { do: 'wait', cell, attempt, until };
  }
  const filled = fill([wanted.claim, ...wanted.statuses], scope);
  if (!filled.ok) return { error: filled.message };
  const [claimId, ...statuses] = filled.value as Json[];
  if (!isId(claimId)) return { error: `${JSON.stringify(claimId)} is not a claim id` };
  const { within, until, otherwise = 'halt' } = wanted;
  const timed = within !== undefined || until !== undefined;
  const deadline = timed ? dueOf({ within, until }, scope, sinceIso) : undefined;
  if (deadline !== undefined && 'error' in deadline) return deadline;
  return {
    do: 'await',
    cell,
    attempt,
    claimId,
    statuses: statuses.map(String),
    deadline,
    otherwise,
  };
}

/** The texts of a duration or a moment in a runbook, of which one is given. */
interface Timed {
  within?: string | undefined;
  until?: string | undefined;
}

function dueOf({ within, until }: Timed, scope: Scope, sinceIso: string): Due | { error: string } {
  const filled = fill(within ?? until ?? '', scope);
  if (!filled.ok) return { error: filled.message };
  const text = typeof filled.value === 'string' ? filled.value : JSON.stringify(filled.value);
  if (within !== undefined) {
    const afterMs = parseWaitMs(text);
    if (afterMs !== undefined) return { sinceIso, afterMs };
    return { error: `${JSON.stringify(filled.value)} is not a duration such as 90s, 10m or 2d` };
  }
  const atIso = parseInstant(text);
  if (atIso !== undefined) return { atIso };
  const what = 'is not a time with its zone, such as 2030-01-31T09:00:00Z';
  return { error: `${JSON.stringify(filled.value)} ${what}` };
}

/** The moment at which a wait is over, to the microsecond. */
export function dueIso(due: Due): string {
  if ('atIso' in due) return due.atIso;
  const { sinceIso, afterMs } = due;
  // A Date has milliseconds; the microseconds stay as they are.
  const micros = /\.\d{3}(\d+)Z$/.exec(sinceIso)?.[1] ?? '';
  return `${new Date(Date.parse(sinceIso) + afterMs).toISOString().slice(0, -1)}${micros}Z`;
}

/**
 * Whether the claim satisfies an await, its deadline has passed, or the instance parks. The claim
 * wins: if it is there when the deadline is found to have passed, it was made in time.
 *
 * @param isDue whether the deadline has passed, read in one statement with the claim
 */
export function judgeAwait(
  step: AwaitStep,
  claim: ClaimView,
  isDue: boolean,
): Judgement | { do: 'park'; awaiting: Awaiting } {
  const { cell, claimId, statuses, deadline, otherwise } = step;
  if (claim !== undefined && statuses.includes(claim.status)) {
    const { revision, status, agentId } = claim;
    const evidence = (claim.evidence ?? null) as Json;
    return { do: 'satisfy', body: { claimId, revision, status, agentId, evidence } };
  }
  const currentStatus = claim?.status ?? null;
  const until = deadline && dueIso(deadline);
  if (until !== undefined && isDue) {
    const body = { deadline: until, claimId, currentStatus };
    return { do: otherwise === 'skip' ? 'skip' : 'refute', body };
  }
  const awaiting: Awaiting = { cellId: cell.id, claimId, statuses, currentStatus };
  return { do: 'park', awaiting: until === undefined ? awaiting : { ...awaiting, until } };
}

/** Whether a pause is over, or the instance parks. */
export function judgeWait(
  { cell, until }: WaitStep,
  isDue: boolean,
): Judgement | { do: 'park'; waiting: Waiting } {
  const at = dueIso(until);
  return isDue
    ? { do: 'satisfy', body: { until: at } }
    : { do: 'park', waiting: { cellId: cell.id, until: at } };
}
