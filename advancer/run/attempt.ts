import { errorText } from '../../src/error-text.ts';
import type { JsonObject } from '../../src/json.ts';
import type { NextStep } from '../../src/execution/plan.ts';
import type { InterruptReason } from '../../src/execution/row.ts';
import { nextIdempotencyKey } from '../../src/execution/state.ts';
import type { Holding } from '../../src/lease/holding.ts';
import type { CellOutcome } from '../cells/cells.ts';
import type { AttemptInHand } from './attempts.ts';
import type { RunContext } from './context.ts';
import { effectContext } from './settle.ts';
import type { Commit, OnBehalfOf, InstanceLog } from './instance-log.ts';

/** What came of trying to run an attempt. */
export type AttemptResult =
  /** It ran, or was called off; its closing row is proposed and the walk goes on. */
  | { kind: 'closed' }
  /** Nothing was run, because this replica may not any more: somebody else will. */
  | { kind: 'handed_on' }
  /** Nothing was run; what the commit of the intent said. */
  | Exclude<Commit, { kind: 'committed' }>;

/**
 * Runs one attempt of an exec cell: intent, check, effect, outcome.
 *
 * The intent is committed before the effect begins, and the holding's trust is checked
 * synchronously before the intent and again just before the effect. A check that fails after the
 * intent closes the attempt as `not_started`: to do nothing would leave it open for ever, and a
 * plain interruption would be a false doubt.
 *
 * @param onSlow called when the intent stays unknown for long, or Postgres is found to be away: the
 *   request is then answered `unavailable`, and the effect will not run even if the intent turns
 *   out to stand
 */
export async function runAttempt(
  context: RunContext,
  term: InstanceLog,
  step: Extract<NextStep, { do: 'start' }>,
  whom: OnBehalfOf,
  onSlow: () => void,
): Promise<AttemptResult> {
  const { cell, attempt } = step;
  const { holding } = term;
  const { instanceId } = holding;
  const place = { instanceId, cellId: cell.id, attempt, requestId: whom.requestId };
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

  const intent = await commitIntent(context, term, step, whom, abandon);
  if (intent !== 'ours') {
    context.attempts.end(inHand);
    return intent;
  }

  // From here on the attempt is open, and whatever happens it gets its closing row.
  term.closes(inHand);
  let begun = false;
  try {
    if (context.failpoint !== undefined) await context.failpoint('after_intent', place);
    const whyNot = whyNotBegun(context, holding, inHand, abandoned);
    if (whyNot !== undefined) {
      // Whoever asked has replaced this term: if it went on, each would call off what the other
      // begins.
      if (context.attempts.renounced(inHand)) context.leases.supersede(holding);
      proposeNotStarted(term, step, whom, whyNot);
      return { kind: 'closed' };
    }
    const { open } = term.course.state;
    if (open === undefined) throw new Error('the intent is committed, but no attempt is open');
    begun = true;
    const outcome = await context.effects.run(cell, effectContext(term, open, whom.requestId), {
      lease: holding,
      abort: context.abort,
    });
    if (context.failpoint !== undefined) await context.failpoint('after_effect', place);
    proposeOutcome(term, step, outcome, whom);
  } catch (cause) {
    // A bug or an injected error. Nobody knows what the effect did, unless it never began.
    context.logger.error({ ...place, err: cause }, 'the attempt broke off');
    const detail = errorText(cause);
    if (begun) proposeInterrupted(term, step, 'crash', { detail }, whom);
    else proposeNotStarted(term, step, whom, detail);
  }
  return { kind: 'closed' };
}

/** The last check: from an answer of undefined on, the attempt counts as begun. */
function whyNotBegun(
  context: RunContext,
  holding: Holding,
  inHand: AttemptInHand,
  abandoned: boolean,
): string | undefined {
  if (abandoned) return 'the intent was unknown for too long';
  if (!holding.trusted() || context.abort.aborted) return 'trust ended';
  return context.attempts.begin(inHand) ? undefined : 'it was renounced to a later term';
}

async function commitIntent(
  context: RunContext,
  term: InstanceLog,
  step: Extract<NextStep, { do: 'start' }>,
  whom: OnBehalfOf,
  abandon: () => void,
): Promise<'ours' | Exclude<AttemptResult, { kind: 'closed' }>> {
  const { cell, attempt } = step;
  const { instanceId } = term.holding;
  const record = term.course.state.cells.get(cell.id);
  const idempotencyKey = nextIdempotencyKey(instanceId, cell.id, record);
  term.propose('started', cell.id, attempt, { idempotencyKey }, whom);
  const { appendSuspectMs, appendPatienceMs } = context;
  let slow = context.clock.after(appendSuspectMs, () => {
    slow = context.clock.after(appendPatienceMs - appendSuspectMs, abandon);
    context.logTrouble(new Error(`an append was not answered within ${appendSuspectMs} ms`));
  });
  const commit = await term.commit();
  slow.cancel();
  if (commit.kind !== 'committed') return commit;
  if (commit.resent && !(await stillNewest(context, term))) {
    // It reads back as present, but others have closed it meanwhile: it is not ours to run.
    context.leases.supersede(term.holding);
    return { kind: 'fenced' };
  }
  return 'ours';
}

async function stillNewest(context: RunContext, term: InstanceLog): Promise<boolean> {
  for (;;) {
    try {
      return (
        (await context.log.rowsAfter(term.holding.instanceId, term.course.state.lastSeq)).length ===
        0
      );
    } catch (cause) {
      context.logTrouble(cause);
      await context.clock.sleep(250);
    }
  }
}

function proposeOutcome(
  term: InstanceLog,
  step: Extract<NextStep, { do: 'start' }>,
  outcome: CellOutcome,
  whom: OnBehalfOf,
): void {
  const { cell, attempt } = step;
  switch (outcome.kind) {
    case 'completed':
      term.propose(
        'completed',
        cell.id,
        attempt,
        { output: outcome.output, detail: outcome.detail },
        whom,
      );
      return;
    case 'failed': {
      const error: JsonObject = { message: outcome.error.message };
      if (outcome.error.code !== undefined) error['code'] = outcome.error.code;
      const body: JsonObject = { error, detail: outcome.detail };
      if (outcome.output !== undefined) body['output'] = outcome.output;
      term.propose('failed', cell.id, attempt, body, whom);
      return;
    }
    case 'unknown':
      if (outcome.detail['notBegun'] === true)
        proposeNotStarted(term, step, whom, 'ended before it began');
      else proposeInterrupted(term, step, outcome.reason, outcome.detail, whom);
  }
}

function proposeInterrupted(
  term: InstanceLog,
  step: Extract<NextStep, { do: 'start' }>,
  reason: InterruptReason,
  detail: JsonObject,
  whom: OnBehalfOf,
): void {
  term.propose('interrupted', step.cell.id, step.attempt, { reason, detail }, whom);
}

/**
 * The effect never began, and its own process says so: it may be run again, whatever the cell's
 * policy.
 */
function proposeNotStarted(
  term: InstanceLog,
  step: Extract<NextStep, { do: 'start' }>,
  whom: OnBehalfOf,
  why: string,
): void {
  term.propose(
    'interrupted',
    step.cell.id,
    step.attempt,
    { reason: 'not_started', detail: why },
    whom,
  );
  const body: JsonObject = { as: 'rerun', by: '@policy', reason: 'the effect never began' };
  term.propose('decided', step.cell.id, step.attempt, body, whom);
}
