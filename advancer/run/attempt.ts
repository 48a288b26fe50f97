import { errorText } from '../../src/error-text.ts';
import type { JsonObject } from '../../src/json.ts';
import { outputsFor, type NextStep } from '../../src/execution/plan.ts';
import { notStartedBackoffMs } from '../../src/execution/not-started.ts';
import { OUTCOMES, UNEXPECTED } from '../../src/execution/outcome.ts';
import type { InterruptReason } from '../../src/execution/row.ts';
import { nextIdempotencyKey, type Doubt, type OpenAttempt } from '../../src/execution/state.ts';
import type { Holding } from '../../src/lease/holding.ts';
import type { CellOutcome, EffectContext } from '../cells/cells.ts';
import type { AttemptInHand } from './attempts.ts';
import type { RunContext } from './context.ts';
import type { InstanceLog, NotCommitted, Requester } from './instance-log.ts';

type Start = Extract<NextStep, { do: 'start' }>;

/**
 * Runs one attempt of an exec cell: intent, check, effect, outcome.
 *
 * The intent is committed before the effect begins. The holding's trust is checked synchronously
 * before the intent and again just before the effect. A check that fails after the intent closes
 * the attempt as `not_started`: doing nothing would leave it open forever, and a plain interruption
 * would be a false doubt.
 *
 * @param onSlow called when the intent stays unknown for long, or Postgres is unavailable. The
 *   request is then answered `unavailable`, and the effect will not run even if the intent turns
 *   out to be in the log.
 * @returns `closed` if the attempt ran or was called off: its closing row is proposed. Otherwise
 *   nothing was run, and the result is that of the intent's commit, or `handed_on`.
 */
export async function runAttempt(
  context: RunContext,
  log: InstanceLog,
  step: Start,
  requester: Requester,
  onSlow: () => void,
): Promise<'closed' | NotCommitted> {
  const { cell, attempt } = step;
  const { holding } = log;
  const { instanceId } = holding;
  const place = { instanceId, cellId: cell.id, attempt, requestId: requester.requestId };
  if (context.failpoint !== undefined) await context.failpoint('before_intent', place);
  if (!holding.trusted() || context.draining.aborted) return { kind: 'handed_on' };
  let abandoned = false;
  const abandon = (): void => {
    if (abandoned) return;
    abandoned = true;
    onSlow();
  };
  const inHand = context.attempts.take(instanceId, cell.id, attempt, holding.token, abandon);
  if (inHand === undefined) return { kind: 'handed_on' };

  const intent = await commitIntent(context, log, step, requester, abandon);
  if (intent !== 'ours') {
    context.attempts.end(inHand);
    return intent;
  }

  // The attempt is open now, and gets its closing row whatever happens.
  log.closes(inHand);
  let begun = false;
  try {
    if (context.failpoint !== undefined) await context.failpoint('after_intent', place);
    const whyNot = reasonNotToBegin(context, holding, inHand, abandoned);
    if (whyNot !== undefined) {
      proposeNotStarted(log, step, requester, { detail: whyNot });
      return 'closed';
    }
    const { open } = log.view.state;
    if (open === undefined) throw new Error('the intent is committed, but no attempt is open');
    begun = true;
    const outcome = await context.effects.run(cell, effectContext(log, open, requester.requestId), {
      lease: holding,
      abort: context.abort,
      notCancelled: inHand.notCancelled,
    });
    if (context.failpoint !== undefined) await context.failpoint('after_effect', place);
    proposeOutcome(log, step, outcome, requester);
  } catch (cause) {
    // A bug or an injected error. What the effect did is unknown, unless it never began.
    context.logger.error({ ...place, err: cause }, 'an attempt failed with an internal error');
    const detail = errorText(cause);
    if (begun) proposeInterrupted(log, step, { reason: 'crash', detail: { detail } }, requester);
    else proposeNotStarted(log, step, requester, { detail });
  }
  return 'closed';
}

/** What an attempt's effect, or a probe that asks about it, is given. */
export function effectContext(
  log: InstanceLog,
  { cellId, attempt, fencingToken, idempotencyKey }: OpenAttempt | Doubt,
  requestId?: string | null,
): EffectContext {
  const { inputs } = log.view;
  return {
    instanceId: log.holding.instanceId,
    cellId,
    attempt,
    fencingToken,
    idempotencyKey,
    requestId,
    inputs,
    outputs: outputsFor(log.view, cellId),
  };
}

/** The last check. Once it answers undefined, the attempt counts as begun. */
function reasonNotToBegin(
  context: RunContext,
  holding: Holding,
  inHand: AttemptInHand,
  abandoned: boolean,
): string | undefined {
  if (abandoned) return 'the intent was unknown for too long';
  // Its term ended with that, too.
  if (context.attempts.renounced(inHand)) return 'it was renounced to a later term';
  if (!holding.trusted() || context.abort.aborted) return 'trust ended';
  if (inHand.notCancelled.ended) return 'the instance is being cancelled';
  return context.attempts.begin(inHand) ? undefined : 'it was given up';
}

async function commitIntent(
  context: RunContext,
  log: InstanceLog,
  { cell, attempt }: Start,
  requester: Requester,
  abandon: () => void,
): Promise<'ours' | NotCommitted> {
  const record = log.view.state.cells.get(cell.id);
  const idempotencyKey = nextIdempotencyKey(log.holding.instanceId, cell.id, record);
  log.propose('started', cell.id, attempt, { idempotencyKey }, requester);
  const { appendSuspectMs, appendPatienceMs } = context;
  let slow = context.clock.after(appendSuspectMs, () => {
    slow = context.clock.after(appendPatienceMs - appendSuspectMs, abandon);
    context.logTrouble(new Error(`an append was not answered within ${appendSuspectMs} ms`));
  });
  const commit = await log.commit();
  slow.cancel();
  if (commit.kind !== 'committed') return commit;
  if (commit.resent && !(await stillNewest(context, log))) {
    // The intent is in the log, but another replica has closed it meanwhile.
    context.leases.supersede(log.holding);
    return { kind: 'handed_on' };
  }
  return 'ours';
}

async function stillNewest(context: RunContext, log: InstanceLog): Promise<boolean> {
  const { instanceId } = log.holding;
  for (;;) {
    try {
      const newer = await context.log.rowsAfter(instanceId, log.view.state.lastSeq);
      return newer.length === 0;
    } catch (cause) {
      context.logTrouble(cause);
      await context.clock.sleep(250);
    }
  }
}

function proposeOutcome(
  log: InstanceLog,
  step: Start,
  outcome: CellOutcome,
  requester: Requester,
): void {
  const { cell, attempt } = step;
  switch (outcome.kind) {
    case 'completed': {
      const body = { output: outcome.output, detail: outcome.detail };
      log.propose('completed', cell.id, attempt, body, requester);
      return;
    }
    case 'failed': {
      const error: JsonObject = { message: outcome.error.message };
      if (outcome.error.code !== undefined) error['code'] = outcome.error.code;
      const recorded = outcome.class === 'succeeded' ? UNEXPECTED : OUTCOMES[outcome.class];
      const body: JsonObject = { ...recorded.body, error, detail: outcome.detail };
      if (outcome.output !== undefined) body['output'] = outcome.output;
      if (outcome.retryAfterMs !== undefined) body['retryAfterMs'] = outcome.retryAfterMs;
      log.propose(recorded.row, cell.id, attempt, body, requester);
      return;
    }
    case 'unverified': {
      const body: JsonObject = { reason: 'unverified', detail: outcome.detail };
      body['output'] = outcome.output;
      if (outcome.class === 'succeeded') body['happened'] = true;
      log.propose('interrupted', cell.id, attempt, body, requester);
      return;
    }
    case 'wrong_replica':
      proposeNotStarted(log, step, requester, { detail: outcome.why, wrongReplica: true });
      return;
    case 'unknown':
      if (outcome.detail['notBegun'] === true)
        proposeNotStarted(log, step, requester, { detail: 'ended before it began' });
      else proposeInterrupted(log, step, outcome, requester);
  }
}

interface Interruption {
  reason: InterruptReason;
  detail: JsonObject;
  retryAfterMs?: number | undefined;
}

function proposeInterrupted(
  log: InstanceLog,
  { cell, attempt }: Start,
  { reason, detail, retryAfterMs }: Interruption,
  requester: Requester,
): void {
  const body: JsonObject = { reason, detail };
  if (retryAfterMs !== undefined) body['retryAfterMs'] = retryAfterMs;
  log.propose('interrupted', cell.id, attempt, body, requester);
}

/**
 * The decision about an attempt that never began, with how long the next one waits, in
 * milliseconds. The audit holds the replicas to it.
 */
export function rerunOfUnbegun(
  log: InstanceLog,
  cellId: string,
): { as: 'rerun'; by: '@policy'; reason: string; waitMs: number } {
  const count = log.view.state.cells.get(cellId)?.notStarted?.count ?? 1;
  const waitMs = notStartedBackoffMs(count);
  return { as: 'rerun', by: '@policy', reason: 'the effect never began', waitMs };
}

/** Why an effect never began. */
type NeverBegan = {
  detail: string;
  /** Set if it is this replica that could not begin it, and not its term that ended. */
  wrongReplica?: true;
};

/**
 * The effect never began, and its own process says so: it may be run again, whatever the cell's
 * policy.
 */
function proposeNotStarted(
  log: InstanceLog,
  { cell, attempt }: Start,
  requester: Requester,
  why: NeverBegan,
): void {
  const body: JsonObject = { reason: 'not_started', ...why };
  log.propose('interrupted', cell.id, attempt, body, requester);
  const decision = rerunOfUnbegun(log, cell.id);
  log.propose('decided', cell.id, attempt, decision, requester);
}
