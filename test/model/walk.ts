import type { RowKind } from '../../src/execution/row.ts';
import type { JsonObject } from '../../src/json.ts';
import type { Rules } from './rules.ts';
import { replicaIdOf } from './world.ts';
import type { Cancel, Process, ReceiptOutcome, Work, World } from './world.ts';

/** One walk in one state, which the functions below change. */
export interface Walk {
  readonly rules: Rules;
  readonly world: World;
  readonly process: Process;
  readonly work: Work;
}

/** Whether this walk may still begin something: `Holding.trusted()`. */
export function trusted({ rules, process, work }: Walk): boolean {
  return rules.trustOfTerm ? process.holding?.token === work.token : process.open;
}

export function propose(
  { process, work }: Walk,
  kind: RowKind,
  { cellId, attempt }: { cellId: string; attempt: number },
  body: JsonObject,
  requestId: string | null = requestOf(work),
): void {
  work.view = work.view.with({
    fencingToken: work.token,
    replicaId: replicaIdOf(process),
    kind,
    cellId,
    attempt,
    requestId,
    body,
  });
}

function requestOf({ operation }: Work): string | null {
  return operation.do === 'advance' ? operation.request : null;
}

/** Whether rows are proposed that are not in the log. */
export function dirty(work: Work): boolean {
  return work.base < work.view.length;
}

/**
 * Sends the receipt, with what is proposed, and ends.
 *
 * @param seen the revision of the claim that was seen, if the outcome is that it parks
 */
export function finish(walk: Walk, outcome: ReceiptOutcome, seen = 0): void {
  const { rules, work } = walk;
  const { operation, view } = work;
  if (operation.do !== 'advance') return flush(walk);
  work.parks = outcome === 'parked' ? seen : undefined;
  const { request, cell } = operation;
  const isForNothing = cell !== undefined && !view.state.stepsByRequest.has(request);
  work.outcome = isForNothing && rules.derivedUnrecorded ? undefined : outcome;
  send(walk, 'end');
}

/** Sends what is proposed, if anything is, and ends. */
export function flush(walk: Walk): void {
  walk.work.parks = undefined;
  if (dirty(walk.work)) send(walk, 'end');
  else end(walk);
}

export function send({ work }: Walk, after: Work['after']): void {
  work.at = 'sending';
  work.after = after;
  if (after !== 'end') work.parks = undefined;
  work.resent = false;
}

/** A later term has written: the holding ends. */
export function supersede({ process, work }: Pick<Walk, 'process' | 'work'>): void {
  if (process.holding?.token === work.token) process.holding = undefined;
}

/** The walk is over, and its operation is answered. */
export function end(walk: Walk): void {
  const { world, work } = walk;
  const { operation } = work;
  if (operation.do === 'decide') {
    world.decisions = world.decisions.filter((decision) => decision !== operation.decision);
  }
  handOn(walk);
}

/**
 * The walk is over, and its operation is for other replicas. What it knows of the log serves the
 * next walk under the same holding.
 */
export function handOn({ process, work }: Walk): void {
  process.works = process.works.filter((other) => other !== work);
  if (process.holding?.token !== work.token) return;
  const spent = dirty(work) || work.view.length === 0;
  process.holding = { ...process.holding, known: spent ? undefined : work.view };
}

/** The cancellation that this walk has to apply, if there is one. */
export function cancelFor({ process: { holding }, work }: Walk): Cancel | undefined {
  const applies = work.operation.do === 'advance' || work.operation.do === 'cancel';
  return applies && holding?.token === work.token ? holding.cancel : undefined;
}

/** The cancellation that waits is answered: it counts, or it is refused. */
export function answerCancel({ world, process }: Pick<Walk, 'world' | 'process'>): void {
  const { holding } = process;
  if (holding === undefined) return;
  world.cancels = world.cancels.filter((cancel) => cancel !== holding.cancel);
  process.holding = { ...holding, cancel: undefined };
}

/** Releases the lease under which the walk was made, and leaves the instance to others. */
export function leave(walk: Walk): void {
  const { world, process, work } = walk;
  handOn(walk);
  if (process.holding?.token !== work.token) return;
  process.holding = undefined;
  if (world.lease?.by === replicaIdOf(process) && world.lease.token === work.token)
    world.lease = undefined;
}
