import type { Ending } from '../../src/execution/outcome.ts';
import type { Attempt, LogRow } from './attribution.ts';
import type { LateOutcome, Rule } from './checker.ts';
import type { Entry, ProbeEntry } from './ledger.ts';
import type { Recorded } from './meaning.ts';
import { MOVES, type MoveName } from './moves.ts';
import type { RandomCell } from './random-cell.ts';

/** An attempt, and everything that was seen of it. */
export interface Attributed {
  attempt: Attempt;
  next: Attempt | undefined;
  /** Undefined if nothing arrived. */
  effect: Entry | undefined;
  /** What the log must say of the effect. */
  wanted: { line: Ending; row: Recorded } | undefined;
  /** Effects under the attempt's key, whichever attempt made them. */
  acted: readonly Entry[];
  /** Whether the receiver refused the attempt's key, then or at any time. */
  refused: boolean;
  cell: RandomCell;
  probes: readonly ProbeEntry[];
  late: readonly LateOutcome[];
}

/** What the rules say about an attempt. */
export interface AttemptFinding {
  breaches: [Rule, string][];
  ending: Ending | undefined;
  seen: string[];
}

/** Checks one attempt. */
export function attemptBreaches(about: Attributed): AttemptFinding {
  const { attempt, late } = about;
  const { closing, decisions } = attempt;
  const breaches: [Rule, string][] = [];
  const seen: string[] = [];
  const statements = [
    ...(closing === undefined ? [] : [statementOf(closing)]),
    ...decisions.map(statementOf),
    ...late.map(({ kind, body }) => recordedAs(kind, body)),
  ];
  for (const stated of statements) {
    const wrong = untrue(stated, about);
    if (wrong !== undefined) breaches.push(wrong);
  }
  let ending: Ending | undefined;
  if (closing !== undefined) {
    const said = statementOf(closing);
    if (failedInside(about, closing)) ending = 'internal_error';
    else if (about.wanted === undefined) ending = endingWithout(closing);
    else if (said === about.wanted.row && !isTakeover(attempt, closing)) {
      ending = about.wanted.line;
      seen.push(`${about.cell.kind} ${said}`);
    } else if (!mayDiffer(about, closing)) {
      const what = `${about.effect?.move} is recorded as ${said}, not ${about.wanted.row}`;
      breaches.push(['recorded-as-the-table-says', what]);
    } else seen.push(`interrupted: ${String(closing.body['reason'])}`);
  }
  for (const decision of decisions) {
    const by = String(decision.body['by']);
    seen.push(`decided ${String(decision.body['as'])} by ${by.startsWith('@') ? by : 'an agent'}`);
    const wrong = wrongDecision(about, decision);
    if (wrong !== undefined) breaches.push(['decided-by-evidence', wrong]);
  }
  const hurry = tooSoon(about);
  if (hurry !== undefined) breaches.push(['waits-as-asked', hurry]);
  return { breaches, ending, seen };
}

/** What a row states about the effect; `nothing` for what states nothing. */
type Stated = Recorded | 'succeeded' | 'not_started' | 'nothing';

function statementOf({ kind, body }: LogRow): Stated {
  if (kind !== 'decided') return recordedAs(kind, body);
  if (body['as'] === 'failed') return recordedAs('failed', body);
  return body['as'] === 'succeeded' ? 'succeeded' : 'nothing';
}

function recordedAs(kind: string, body: Record<string, unknown>): Stated {
  switch (kind) {
    case 'completed':
      return 'completed';
    case 'failed':
      if (body['happened'] === true) return 'failed_happened';
      return body['notBegun'] === true ? 'failed_not_begun' : 'failed';
    case 'not_started':
      return 'not_started';
    case 'interrupted':
      if (body['reason'] === 'not_started') return 'not_started';
      return body['reason'] === 'unverified' ? recordedAs('unverified', body) : 'interrupted';
    case 'unverified':
      return body['happened'] === true ? 'unverified_happened' : 'unverified';
    default:
      return 'nothing';
  }
}

/** What is untrue about a statement, by what the receiver knows. */
function untrue(
  stated: Stated,
  { effect, acted, refused, wanted }: Attributed,
): [Rule, string] | undefined {
  const happened = acted.length > 0;
  const saw = effect === undefined ? 'nothing arrived' : `${effect.move} (${effect.knew})`;
  switch (stated) {
    case 'failed':
      // A refusal gives the next attempt a new key, so nothing may have happened under this one.
      if (happened) return ['failed-means-not-happened', `it is failed, but ${saw}`];
      return refused ? undefined : ['refused-means-refused', `it is failed, but ${saw}`];
    case 'failed_not_begun':
      if (effect?.knew === 'acted')
        return ['failed-means-not-happened', `it is failed and notBegun, but ${saw}`];
      return effect === undefined || effect.knew === 'nothing'
        ? undefined
        : ['not-begun-means-nothing', `it is failed and notBegun, but ${saw}`];
    case 'not_started':
      return effect === undefined
        ? undefined
        : ['not-begun-means-nothing', `it is not_started, but ${saw}`];
    case 'failed_happened':
    case 'unverified_happened':
    case 'succeeded':
      return happened ? undefined : ['completed-means-happened', `it is ${stated}, but ${saw}`];
    case 'completed':
      // Or a failure that the cell predicted.
      return happened || wanted?.row === 'completed'
        ? undefined
        : ['completed-means-happened', `it is completed, but ${saw}`];
    case 'interrupted':
    case 'unverified':
    case 'nothing':
      return undefined;
  }
}

/** Another term closed it, because the process that made it is gone or does not know it. */
function isTakeover({ started }: Attempt, closing: LogRow): boolean {
  return closing.token !== started.token || closing.replicaId !== started.replicaId;
}

/** The replica met the error that was injected into it. */
function failedInside({ attempt, cell }: Attributed, closing: LogRow): boolean {
  if (cell.obstacle !== 'injected' || attempt.started.cellId !== cell.cellId) return false;
  return closing.body['reason'] === 'crash' && !isTakeover(attempt, closing);
}

/**
 * Whether the row may say that the outcome is unknown although the effect ended as planned: its
 * replica died or lost its lease, its time was up first, or it met an injected error.
 */
function mayDiffer({ attempt, cell }: Attributed, closing: LogRow): boolean {
  const { reason } = closing.body;
  if (closing.kind !== 'interrupted' || reason === 'not_started' || reason === 'unverified')
    return false;
  if (isTakeover(attempt, closing) || reason === 'aborted') return true;
  return reason === 'timeout' && cell.timeoutMs < 5_000;
}

/** The line of the table for an attempt of which nothing arrived, as the row has it. */
function endingWithout({ kind, body }: LogRow): Ending | undefined {
  if (kind === 'failed' && body['notBegun'] === true) {
    const error = body['error'] as { code?: string; message?: string } | undefined;
    switch (error?.code) {
      case 'placeholder':
      case 'bad_request':
      case 'not_spawned':
        return error.code;
      case 'not_connected':
        return error.message?.includes('before anything was sent') === true
          ? 'answered_unsent'
          : 'not_connected';
      default:
        return undefined;
    }
  }
  if (kind !== 'interrupted') return undefined;
  if (body['reason'] !== 'not_started') return undefined;
  const detail = String(body['detail']);
  if (body['wrongReplica'] !== true) return 'stopped_before';
  if (detail.includes('temporary directory')) return 'no_temp_directory';
  if (detail.includes('open a connection')) return 'connect_shortage';
  return detail.includes('start the command') ? 'spawn_shortage' : undefined;
}

function wrongDecision(about: Attributed, { body }: LogRow): string | undefined {
  const { as, by } = body;
  const happened = about.acted.length > 0;
  if (by === '@probe') {
    const said = about.probes.map((probe) => probe.said);
    const wanted = as === 'succeeded' ? 'happened' : 'did_not_happen';
    if (!said.includes(wanted)) return `it is decided ${String(as)} by a probe that never said so`;
    if (as === 'succeeded' && !happened) return 'the probe was believed, but nothing happened';
  }
  if (by === '@late-outcome' && about.late.length === 0)
    return 'it is decided by a late outcome, but there is none';
  if (by === '@policy' && as !== 'rerun') return `a policy decided ${String(as)}`;
  if (by === '@policy' && about.attempt.closing?.body['reason'] !== 'not_started') {
    if (about.cell.policy !== 'rerun' && about.attempt.started.cellId === about.cell.cellId)
      return `a policy decided rerun, but the cell says ${about.cell.policy}`;
  }
  return undefined;
}

/** How much earlier than asked the next attempt may seem to begin, by the database's clock. */
const WAIT_SLACK_MS = 50;

function tooSoon(about: Attributed): string | undefined {
  const { attempt, next, effect } = about;
  const { closing } = attempt;
  if (closing === undefined || next === undefined || effect === undefined) return undefined;
  // An agent's decision ends the wait.
  if (attempt.decisions.some(({ body }) => !String(body['by']).startsWith('@'))) return undefined;
  // Who closed it did not see the answer.
  if (isTakeover(attempt, closing) || failedInside(about, closing)) return undefined;
  const { retryAfterMs }: { retryAfterMs?: number } = MOVES[effect.move as MoveName];
  if (retryAfterMs === undefined) return undefined;
  const waitedMs = next.started.recordedAtMs - closing.recordedAtMs;
  return waitedMs >= retryAfterMs - WAIT_SLACK_MS
    ? undefined
    : `the next attempt began after ${waitedMs} ms, and ${retryAfterMs} were asked for`;
}
