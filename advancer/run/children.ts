import {
  childId,
  childrenAtHand,
  childrenView,
  hashedChildId,
  judgeRun,
  MAX_CHILD_OUTPUT_BYTES,
  MAX_DEPTH,
  runOutput,
  type Child,
  type ChildPlan,
  type RunJudgement,
  type RunStep,
} from '../../src/execution/children.ts';
import type { ChildrenView } from '../../src/execution/views.ts';
import type { JsonObject } from '../../src/json.ts';
import { noRunbook } from '../../src/runbook/no-runbook.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import type { Children } from '../log/children.ts';
import { withInputs } from './child-inputs.ts';
import type { RunContext } from './context.ts';
import type { InstanceLog, NotCommitted } from './instance-log.ts';

/** What becomes of a run cell. */
export type RunResult =
  | Exclude<RunJudgement, { do: 'satisfy' }>
  | { do: 'satisfy'; body: JsonObject }
  /** The log could not be written, or has moved on. */
  | NotCommitted;

/** An id that others take again and again is theirs. */
const MAX_TRIES = 5;

/**
 * Starts the children of a run cell, unless they have been started, and judges how far they are.
 *
 * They are started in one statement that the parent's log fences, under ids that follow from the
 * parent's, so however often this is begun, by however many holders, each is started once. All of
 * one attempt have the same version of their runbook: that of the first who starts them.
 */
export async function runChildren(
  context: RunContext,
  log: InstanceLog,
  step: RunStep,
): Promise<RunResult> {
  const { instanceId } = log.holding;
  const { children } = context.log;
  for (let tries = 1; ; tries += 1) {
    const known = await children.of(instanceId, step.cell.id);
    const { current, missing } = childrenAtHand(step, known);
    if (missing.length === 0) return judged(context, step, current);
    const problem = await startMissing(context, log, step, { known, missing });
    if (typeof problem === 'object') return problem;
    if (problem !== undefined && tries === MAX_TRIES) {
      const error = `the ids of its instances are taken by others: ${problem}`;
      return { do: 'refute', body: { error } };
    }
  }
}

/** How far the children of a run cell are; undefined if some are still to be started. */
export async function childrenWaitedFor(
  children: Pick<Children, 'of'>,
  instanceId: string,
  step: RunStep,
): Promise<ChildrenView | 'over' | undefined> {
  const { current, missing } = childrenAtHand(step, await children.of(instanceId, step.cell.id));
  if (missing.length > 0) return undefined;
  const judgement = judgeRun(step.cell.id, current);
  return judgement.do === 'park' ? judgement.children : 'over';
}

/** The children of an instance's first run cell of which some are alive; undefined if none are. */
export async function childrenLeft(
  children: Pick<Children, 'of'>,
  instanceId: string,
): Promise<ChildrenView | undefined> {
  const all = await children.of(instanceId);
  const live = all.find(({ ending }) => ending === undefined);
  if (live === undefined) return undefined;
  const { cellId } = live;
  return childrenView(
    cellId,
    all.filter((child) => child.cellId === cellId),
  );
}

async function judged(context: RunContext, step: RunStep, current: Child[]): Promise<RunResult> {
  const judgement = judgeRun(step.cell.id, current);
  if (judgement.do !== 'satisfy') return judgement;
  const ids = current.map(({ instanceId }) => instanceId);
  const outputs = await context.log.children.outputs(ids, MAX_CHILD_OUTPUT_BYTES);
  return { do: 'satisfy', body: runOutput(current, outputs) };
}

/** Nothing if they are started; why they are not, as text, if that may change at once. */
type NotStarted = string | NotCommitted | { do: 'refute'; body: JsonObject };

async function startMissing(
  context: RunContext,
  log: InstanceLog,
  step: RunStep,
  { known, missing }: { known: readonly Child[]; missing: readonly ChildPlan[] },
): Promise<NotStarted | undefined> {
  const { instanceId, token } = log.holding;
  const { cell, attempt } = step;
  const { children } = context.log;
  const runbook = await runbookFor(context, step, known);
  if (typeof runbook === 'string') return refuted(runbook);
  if ((await children.depth(instanceId, MAX_DEPTH)) >= MAX_DEPTH) {
    return refuted(
      `the instance has ${MAX_DEPTH} instances above it, and may not start others: a runbook that ` +
        'runs itself has to end before that',
    );
  }
  const read = withInputs(runbook, missing);
  if (!read.ok) return refuted(read.message);
  // What is started rests on the newest row, so that row has to be in the log.
  const commit = await log.commit();
  if (commit.kind !== 'committed') return commit;
  if (!log.holding.trusted()) return { kind: 'handed_on' };
  const place = { instanceId, cellId: cell.id, attempt };
  await context.failpoint?.('before_children', place);
  const started = await children.start({
    parentId: instanceId,
    cellId: cell.id,
    attempt,
    seq: log.view.state.lastSeq,
    fencingToken: token,
    runbookId: runbook.runbook,
    version: runbook.version,
    children: read.children.map(({ n, inputs }) => {
      const child = { parentId: instanceId, cellId: cell.id, n, attempt };
      return { n, inputs, instanceId: childId(child), otherId: hashedChildId(child) };
    }),
  });
  switch (started.kind) {
    case 'started':
      await context.failpoint?.('after_children', place);
      return undefined;
    case 'exists':
      return started.detail;
    case 'moved': {
      const fields = { ...place, token, why: started.detail };
      context.logger.info(fields, 'refused to start children: the log has moved on');
      return { kind: 'conflict' };
    }
  }
}

/** The version of the children: that of the first of this attempt, else the one asked for. */
async function runbookFor(
  { log }: RunContext,
  { runbookId, version, attempt }: RunStep,
  known: readonly Child[],
): Promise<Runbook | string> {
  const first = known.find((child) => child.attempt === attempt);
  const wanted = first?.version ?? version;
  const runbook = await log.runbook(runbookId, wanted);
  return runbook ?? noRunbook(runbookId, wanted, await log.runbooks());
}

function refuted(error: string): { do: 'refute'; body: JsonObject } {
  return { do: 'refute', body: { error } };
}
