import { errorText } from '../../src/error-text.ts';
import { isJsonObject, type Json } from '../../src/json.ts';
import { isOfInstance, opens } from '../../src/execution/row.ts';
import type { LateKind, NewRow, Verdict } from '../../src/execution/row.ts';
import type { AutomaticDecider, Doubt, OpenAttempt } from '../../src/execution/state.ts';
import type { DoubtEvidence } from '../../src/execution/views.ts';
import type { Holding } from '../../src/lease/holding.ts';
import { LogUnavailable, type LateOutcome } from '../log/log.ts';
import { appendUntilDefinite } from './append.ts';
import type { RunContext } from './context.ts';
import { reduced } from './reduced-row.ts';
import { closedLine } from './rest.ts';

/** The pause before evidence that could not be stored is stored again. */
const RETRY_MS = 500;

/** The instance whose attempt is closed. */
export interface Closed {
  readonly holding: Holding;
  /** Whether it goes on by itself. */
  readonly unattended: boolean;
}

/**
 * Records rows that the log refused, so that a fence that fired is visible. An outcome among them
 * is kept as a late outcome, which can settle the doubt. Returns once everything is stored, or
 * Postgres has refused it.
 */
export async function keepRefusedRows(
  context: RunContext,
  rows: readonly NewRow[],
  reason: string,
): Promise<void> {
  for (const row of rows) {
    const { instanceId, seq, fencingToken, replicaId, kind } = row;
    await untilStored(context, () =>
      context.log.addRefusal({ instanceId, seq, fencingToken, replicaId, kind, reason }),
    );
    const late = lateOutcomeOf(row);
    if (late === undefined) continue;
    await keepLateOutcome(context, late, row);
    context.count({ what: 'late_outcome', kind: late.kind });
    if (late.kind === 'unverified') logUnverified(context, late);
    else context.askToSettle(instanceId);
  }
}

/**
 * Writes what is left of an entry that was refused because its request had its receipt already.
 *
 * Nothing of the entry was written, and nothing may follow under that request id. The rows that
 * close an attempt or settle a doubt are written all the same, for no request; if another replica
 * has closed the attempt already, they are kept as evidence.
 */
export async function closeForNoRequest(
  context: RunContext,
  { holding, unattended }: Closed,
  rows: readonly NewRow[],
  requestId: string | null,
): Promise<void> {
  const closing = closingRows(rows);
  if (closing.length === 0) return;
  const outcome = await appendUntilDefinite(context, {
    instanceId: holding.instanceId,
    fencingToken: holding.token,
    replicaId: context.leases.replicaId,
    rows: closing,
    projection: closedLine(closing, unattended),
  });
  if (outcome.kind === 'appended' || outcome.kind === 'already_recorded') return;
  await keepRefusedRows(context, closing, `request ${requestId} has its receipt`);
}

/**
 * The rows before the first one that opens something or is about the instance as a whole, for no
 * request.
 */
export function closingRows(rows: readonly NewRow[]): NewRow[] {
  return rowsBeforeOpening(rows).map((row) => ({ ...row, requestId: null }));
}

/** The rows before the first one that opens something or is about the instance as a whole. */
export function rowsBeforeOpening(rows: readonly NewRow[]): readonly NewRow[] {
  const opening = rows.findIndex((row) => opens(row) || isOfInstance(row));
  return opening === -1 ? rows : rows.slice(0, opening);
}

/**
 * The evidence in a refused row: an outcome, that the effect never began, or that it ended and its
 * `expect` cannot be evaluated.
 */
export function lateOutcomeOf(row: NewRow): LateOutcome | undefined {
  const kind = lateKindOf(row);
  if (kind === undefined) return undefined;
  const { instanceId, cellId, attempt, fencingToken, replicaId, body } = row;
  return { instanceId, cellId, attempt, fencingToken, replicaId, kind, body };
}

/**
 * What the process that opened the attempt says about it, in the term in which it did. Nobody else
 * can know what became of the effect; another row about it is no evidence.
 */
export function ownWord(
  evidence: readonly LateOutcome[],
  opened: Pick<OpenAttempt, 'replicaId' | 'fencingToken'> | undefined,
): LateOutcome[] {
  return evidence.filter(
    ({ replicaId, fencingToken }) =>
      replicaId === opened?.replicaId && fencingToken === opened.fencingToken,
  );
}

function lateKindOf({ kind, body: { reason } }: NewRow): LateKind | undefined {
  if (kind === 'completed' || kind === 'failed') return kind;
  if (kind !== 'interrupted') return undefined;
  return reason === 'not_started' || reason === 'unverified' ? reason : undefined;
}

/**
 * The report that an attempt's effect ended and its `expect` cannot be evaluated. It settles
 * nothing: only a person can say whether the effect did what it should have, so no policy applies.
 */
export function unverifiedIn(evidence: readonly LateOutcome[]): LateOutcome | undefined {
  return evidence.find(({ kind }) => kind === 'unverified');
}

/**
 * The decision that an attempt's evidence makes; undefined if there is none, or what there is does
 * not settle the doubt.
 */
export function decisionBy(evidence: readonly LateOutcome[]):
  | {
      as: Verdict;
      by: AutomaticDecider;
      reason: string;
      output?: Json;
      notBegun?: true | undefined;
      happened?: true | undefined;
    }
  | undefined {
  const late = weightiest(evidence);
  if (late === undefined || late.kind === 'unverified') return undefined;
  const by: AutomaticDecider = '@late-outcome';
  const { replicaId } = late;
  switch (late.kind) {
    case 'completed': {
      const output = late.body['output'] ?? null;
      return { as: 'succeeded', by, reason: `late outcome from ${replicaId}`, output };
    }
    case 'failed':
      return {
        as: 'failed',
        by,
        reason: `late failure from ${replicaId}`,
        notBegun: late.body['notBegun'] === true ? true : undefined,
        happened: late.body['happened'] === true ? true : undefined,
      };
    case 'not_started':
      return { as: 'rerun', by, reason: `${replicaId} reports that the effect never began` };
  }
}

/** What is known of a doubt, for a person. */
export function doubtEvidence(
  doubt: Pick<Doubt, 'happened'>,
  evidence: readonly LateOutcome[],
): DoubtEvidence {
  const late = weightiest(evidence);
  if (late === undefined) return doubt.happened ? { happened: true } : {};
  const { kind, replicaId, body } = late;
  const { detail } = body;
  const message = isJsonObject(detail) ? detail['message'] : undefined;
  return {
    ...(doubt.happened || kind === 'completed' || body['happened'] === true
      ? { happened: true }
      : {}),
    lateOutcome: { kind, replicaId, ...(typeof message === 'string' ? { message } : {}) },
  };
}

/** An outcome proves more than anything else, and everything more than that nothing began. */
function weightiest(evidence: readonly LateOutcome[]): LateOutcome | undefined {
  const ended = evidence.find(({ kind }) => kind === 'completed' || kind === 'failed');
  return ended ?? unverifiedIn(evidence) ?? evidence[0];
}

/** Nobody asks about a doubt that is not settled by this, so the log says that a person has to. */
function logUnverified({ logger }: RunContext, late: LateOutcome): void {
  const { instanceId, cellId, attempt, fencingToken: token, body } = late;
  const happened = body['happened'] === true;
  const fields = { instanceId, cellId, attempt, token, happened };
  logger.info(fields, 'kept a late report that a person has to judge: its output was lost');
}

/** If Postgres refuses what the outcome holds, that it happened is kept all the same. */
async function keepLateOutcome(context: RunContext, late: LateOutcome, row: NewRow): Promise<void> {
  const why = await untilStored(context, () => context.log.addLateOutcome(late));
  if (why === undefined) return;
  const { body } = reduced(row, why);
  await untilStored(context, () => context.log.addLateOutcome({ ...late, body }));
}

/** Returns why it was not stored, if Postgres refuses it. */
async function untilStored(
  context: RunContext,
  store: () => Promise<void>,
): Promise<string | undefined> {
  for (;;) {
    try {
      await store();
      return undefined;
    } catch (cause) {
      if (!(cause instanceof LogUnavailable)) {
        // Postgres refuses it, and would again.
        context.logger.error({ err: cause }, 'Postgres refuses to store evidence');
        return errorText(cause);
      }
      context.logTrouble(cause);
      await context.clock.sleep(RETRY_MS);
    }
  }
}
