import { errorText } from '../../src/error-text.ts';
import type { Json } from '../../src/json.ts';
import type { NewRow, Verdict } from '../../src/execution/row.ts';
import type { AutomaticDecider } from '../../src/execution/state.ts';
import type { Holding } from '../../src/lease/holding.ts';
import { LogUnavailable, type LateOutcome } from '../log/log.ts';
import { appendUntilDefinite } from './append.ts';
import type { RunContext } from './context.ts';
import { reduced } from './reduced-row.ts';

/** The pause before evidence that could not be stored is stored again. */
const RETRY_MS = 500;

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
    context.askToSettle(instanceId);
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
  holding: Holding,
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
    projection: {
      status: closing.at(-1)?.kind === 'interrupted' ? 'in_doubt' : 'ready',
      nextCellId: null,
    },
  });
  if (outcome.kind === 'appended' || outcome.kind === 'already_recorded') return;
  await keepRefusedRows(context, closing, `request ${requestId} has its receipt`);
}

/** The rows before the first one that opens something, for no request. */
export function closingRows(rows: readonly NewRow[]): NewRow[] {
  return rowsBeforeOpening(rows).map((row) => ({ ...row, requestId: null }));
}

/** The rows before the first one that opens something. */
export function rowsBeforeOpening(rows: readonly NewRow[]): readonly NewRow[] {
  const opening = rows.findIndex(
    ({ kind }) => kind === 'started' || kind === 'satisfied' || kind === 'refuted',
  );
  return opening === -1 ? rows : rows.slice(0, opening);
}

/** The evidence in a refused row: an outcome, or that the effect never began. */
export function lateOutcomeOf(row: NewRow): LateOutcome | undefined {
  const kind =
    row.kind === 'completed' || row.kind === 'failed'
      ? row.kind
      : row.kind === 'interrupted' && row.body['reason'] === 'not_started'
        ? 'not_started'
        : undefined;
  if (kind === undefined) return undefined;
  const { instanceId, cellId, attempt, fencingToken, replicaId, body } = row;
  return { instanceId, cellId, attempt, fencingToken, replicaId, kind, body };
}

/** The decision that an attempt's evidence makes; undefined if there is none. */
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
  // An outcome proves more than a statement that nothing began.
  const late = evidence.find(({ kind }) => kind !== 'not_started') ?? evidence[0];
  if (late === undefined) return undefined;
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
